"""Starts and drives real meridian processes for the tests beside this file. Standard library only.

A test is a script: `NAME.py MERIDIAN_BINARY WORK_DIR`; it raises on the first thing that is wrong.
Only processes started here are ended, by their own handles.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import urllib.request

START_PATIENCE = 120  # seconds; the machine may have other things to do
SOURCE = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = SOURCE / "samples" / "books"


def shared_journals():
    """The published journals, where they are at hand."""
    named = os.environ.get("MERIDIAN_SHARED_DATA")
    root = pathlib.Path(named) if named else SOURCE.parent / "shared" / "data"
    folder = root / "journals"
    return folder if folder.is_dir() else None


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def dev_caller():
    """The directory of who a server with --dev takes the user's commands for."""
    return os.environ["MERIDIAN_DEV_DIR"] + "/caller"


def tls(caller=None):
    """What a server with --dev takes an HTTP client of this user by. Its certificate names no host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(f"{caller or dev_caller()}/identity.pem")
    return context


def get(address, path, timeout=10):
    """The body of an answer to GET."""
    with urllib.request.urlopen(f"https://{address}{path}", timeout=timeout, context=tls()) as reply:
        return reply.read().decode()


class Server:
    def __init__(self, binary, data, *more, keys=("--dev",), environment=None):
        self.binary = binary
        self.data = data
        self.log = open(str(data) + ".log", "ab")
        self.process = subprocess.Popen(
            [binary, "serve", "--data", str(data), *keys, "--grpc", "127.0.0.1:0",
             "--http", "127.0.0.1:0", *more],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        found = re.match(r"meridian: serving grpc (\S+) http (\S+) \((\d+) records\)", line)
        check(found, f"the server did not start: {line!r}, see {data}.log")
        self.grpc, self.http = found[1], found[2]
        self.records_at_start = int(found[3])

    def run(self, *arguments, expect=0, text=None):
        return run(self.binary, *arguments, "--server", self.grpc, expect=expect)

    def json(self, *arguments, expect=0):
        return json.loads(self.run(*arguments, "--json", expect=expect))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.close()
        check(code == 0, f"the server ended with {code}, see {self.data}.log")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self):
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


def read_until(process, stream, pattern):
    """What matched in the first line of `stream` that has it."""
    patience = threading.Timer(START_PATIENCE, process.kill)
    patience.start()
    seen = ""
    try:
        for line in iter(stream.readline, ""):
            seen += line
            found = re.search(pattern, line)
            if found:
                return found
    finally:
        patience.cancel()
    raise AssertionError(f"nothing like {pattern!r}: {seen}")


class Served:
    """A process of ours that says when it is ready."""

    def __init__(self, binary, pattern, *arguments, log):
        self.log = open(log, "ab")
        self.process = subprocess.Popen([binary, *map(str, arguments)], stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, bufsize=1)
        self.found = read_until(self.process, self.process.stdout, pattern)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


def run(binary, *arguments, expect=0, environment=None):
    """stdout of a command that must end with exit code `expect`."""
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **(environment or {})})
    check(done.returncode == expect,
          f"meridian {' '.join(map(str, arguments))}\nexit code {done.returncode}, not {expect}\n"
          f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def verify(binary, data, expect=0):
    return json.loads(run(binary, "verify", "--data", data, "--json", expect=expect))


def main(test):
    binary, work = sys.argv[1], pathlib.Path(sys.argv[2])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    os.environ["MERIDIAN_DEV_DIR"] = str(work / "dev")
    test(binary, work)
    shutil.rmtree(work, ignore_errors=True)
