"""Starts, kills and checks cells of several real replicas. Standard library only.

A test is a script: `NAME.py MERIDIAN_BINARY WORK_DIR`; it raises on the first thing that is wrong.
Only processes started here are ended, by their own handles.
"""

import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import meridian  # noqa: E402
from meridian import check, main, run, verify  # noqa: E402,F401

# Of tests that are about who is who, and not about who may do what.
SERVICES_MAY = """meridian-policy: 1
mfa: not-needed
grants:
  - who: "spiffe://*.dev.invalid/service/*"
    roles: [writer, reader, auditor]
    cells: all
    ledgers: all
    streams: all
"""
REGIONS = ["eu", "us", "asia"]
START_PATIENCE = 120  # seconds; the machine may have other things to do


def free_ports(count):
    """Ports nobody listens at now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Node:
    """One replica: its data and ports stay, its process comes and goes."""

    def __init__(self, binary, work, number, ports, founders, flags, within=()):
        self.binary, self.number, self.within = binary, number, within
        self.data = work / f"node-{number}"
        self.log_path = work / f"node-{number}.log"
        peer, grpc, http = ports
        self.peer_port = peer
        self.grpc, self.http_port = f"127.0.0.1:{grpc}", http
        self.arguments = ["serve", "--data", str(self.data), "--dev", "--replica-id", str(number),
                          "--grpc", self.grpc, "--http", f"127.0.0.1:{http}", *flags]
        for founder in founders:
            self.arguments += ["--founder", founder]
        self.process = None
        self.paused = False

    def begin(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.within, self.binary, *self.arguments], stdout=subprocess.PIPE,
                                            stderr=log, text=True)

    def wait_ready(self):
        ready, _, _ = select.select([self.process.stdout], [], [], START_PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        check(re.match(r"meridian: serving grpc (\S+) http (\S+) ", line),
              f"node {self.number} did not start: {line!r}, see {self.log_path}")

    def start(self):
        self.begin()
        self.wait_ready()

    def is_up(self):
        return self.process is not None and not self.paused

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._forget()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=120)
        self._forget()
        check(code == 0, f"node {self.number} ended with {code}, see {self.log_path}")

    def end(self):
        """Of one that ended by itself."""
        self.process.wait()
        self._forget()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def log(self):
        return self.log_path.read_text(errors="replace")

    def _forget(self):
        self.process.stdout.close()
        self.process = None
        self.paused = False


class Cluster:
    """`within(number)`: the beginning of the command line that starts a replica; empty if None."""

    def __init__(self, binary, work, *flags, count=3, within=None):
        os.environ["MERIDIAN_DEV_DIR"] = str(work / "dev")
        ports = free_ports(3 * count)
        founders = [f"{i + 1}={REGIONS[i % len(REGIONS)]}@127.0.0.1:{ports[3 * i]}" for i in range(count)]
        self.binary = binary
        self.nodes = [Node(binary, work, i + 1, ports[3 * i:3 * i + 3], founders, flags,
                           within(i + 1) if within else [])
                      for i in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            if node.process is not None:
                node.kill()

    def start(self):
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            node.wait_ready()

    def node(self, number):
        return next(node for node in self.nodes if node.number == number)

    def servers(self):
        return ",".join(node.grpc for node in self.nodes)

    def stop(self):
        for node in self.nodes:
            node.stop()

    def wait_even(self, patience=120):
        """Until all replicas hold equally many records, twice in a row."""
        from history import get  # the plain HTTP client
        end = time.monotonic() + patience
        last = None
        while True:
            counts = [get(node, "/v1/status") for node in self.nodes]
            counts = [one and int(one["records"]) for one in counts]
            if None not in counts and len(set(counts)) == 1 and counts == last:
                return counts[0]
            last = counts
            check(time.monotonic() < end, f"the replicas hold {counts} records after {patience} s")
            time.sleep(0.3)

    def verify(self):
        """Each stopped directory alone, and all against each other. Returns the records."""
        reports = [verify(self.binary, node.data) for node in self.nodes]
        for node, report in zip(self.nodes, reports):
            check(report["sound"], f"node {node.number}: {report}")
        sizes = {report["records"] for report in reports}
        roots = {report["root"] for report in reports}
        check(len(sizes) == 1, f"the replicas hold {sizes} records")
        check(len(roots) == 1, f"{sizes} records have different roots: {roots}")
        return sizes.pop()


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else float("nan")


def environment(name, default):
    return int(os.environ.get(name, str(default)))


def dump(path, rows):
    with open(path, "w") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
