#!/usr/bin/env python3
"""Three replicas in three trust domains, known by certificates: who is let in, who is not, and why.

Callers in the clear, strangers, expired and denied ones are refused with a reason; certificates of everybody are
renewed under load without a failed command; a denied subscriber is cut off within 5 s.
"""

import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
import uuid

import cluster
from cluster import check, run

CELL = str(uuid.uuid4())
DEPLOYMENT = "dev.invalid"
DENIAL_SECONDS_MAX = 5
RENEWALS = 20


class Authorities:
    """What `meridian init` made, and everybody's identity."""

    def __init__(self, binary, work):
        self.binary, self.work = binary, work
        self.run("init", "--dir", work / "bank", "--dev", "--deployment", DEPLOYMENT,
                 *(f"--region={region}" for region in cluster.REGIONS), "--officer", "ada", "--officer", "grace")

    def run(self, *arguments, expect=0):
        return run(self.binary, *arguments, expect=expect)

    def issue(self, region, path, *more):
        directory = self.work / "ids" / path.replace("/", "_")
        self.run("ca", "issue", "--dir", self.work / "bank/ca" / region, "--dev", "--id",
                 f"spiffe://{region}.{DEPLOYMENT}{path}", "--out", directory, *more)
        return directory

    def issue_node(self, number):
        return self.issue(cluster.REGIONS[number - 1], f"/node/{CELL}/{number}")


def failed(binary, *arguments):
    """Exit code and stderr of a command."""
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def refused(binary, cell, identity, reason):
    """The command ends at once, and its error says why."""
    code, words = failed(binary, "status", "--server", cell.servers(), "--identity", identity, "--timeout", "5")
    check(code != 0 and reason in words, f"{identity} was not refused with '{reason}': {code} {words}")


def check_strangers(binary, cell, ids, work):
    code, words = failed(binary, "status", "--server", cell.servers(), "--timeout", "3")
    check(code == 1 and "who are you?" in words, f"nobody: {code} {words}")
    other = Authorities(binary, work / "other")
    stranger = other.issue("eu", "/service/pay")  # the same name, of another root
    code, words = failed(binary, "status", "--server", cell.servers(), "--identity", stranger, "--timeout", "3")
    check(code == 3, f"a stranger got an answer: {code} {words}")
    check_no_http(cell, stranger)
    check_no_plaintext(cell)
    short = ids.issue("eu", "/service/short", "--lifetime", "2")
    time.sleep(3)
    code, words = failed(binary, "status", "--server", cell.servers(), "--identity", short)
    check(code == 1 and "ended at" in words, f"an identity that is over: {code} {words}")


def http(cell, identity):
    """The status, as whoever `identity` is; None: nobody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if identity:
        context.load_cert_chain(identity / "identity.pem")
    url = f"https://127.0.0.1:{cell.nodes[0].http_port}/v1/status"
    return json.loads(urllib.request.urlopen(url, context=context, timeout=5).read())


def check_no_http(cell, identity):
    try:
        seen = http(cell, identity)
    except OSError:
        return
    raise AssertionError(f"HTTP answered {identity}: {seen}")


def check_no_plaintext(cell):
    """Who speaks HTTP/1.1, or HTTP/2 as gRPC does, without TLS is told nothing of the ledger."""
    node = cell.nodes[0]
    for port in (node.http_port, int(node.grpc.split(":")[1]), node.peer_port):
        for words in (b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
                plain.sendall(words)
                try:
                    answer = plain.recv(4096)
                except OSError:
                    answer = b""
            check(not answer.startswith(b"HTTP/") and b"records" not in answer and b"\x04\x00\x00" not in answer[3:6],
                  f"port {port} answered in the clear: {answer}")


def check_http(cell, identity):
    check_no_http(cell, None)
    check(int(http(cell, identity)["records"]) > 0, "no records")


def check_wrong_node(binary, cell, ids, work):
    """A replica does not start as another one."""
    node = cell.node(1)
    arguments = [a if a != str(ids.issue_node(1)) else str(ids.issue_node(2)) for a in node.arguments]
    arguments[arguments.index(str(node.data))] = str(work / "nobody")
    code, words = failed(binary, *arguments)
    check(code == 1 and f"/node/{CELL}/1" in words and "ca issue" in words, f"{code} {words}")


def check_renewal(binary, cell, ids, client):
    """Everybody gets new certificates, again and again, while transfers go on."""
    end = threading.Event()
    rounds = [0]

    def renew():
        while not end.is_set():
            for number in (1, 2, 3):
                ids.issue_node(number)
            ids.issue("eu", "/service/pay")
            rounds[0] += 1

    thread = threading.Thread(target=renew)
    thread.start()
    began = time.monotonic()
    count = 0
    try:
        while rounds[0] < RENEWALS:
            run(binary, "bench", "transfers", "--count", "20000", "--batch", "500",
                "--server", cell.servers(), "--identity", client)
            count += 20_000
    finally:
        end.set()
        thread.join()
    print(f"{rounds[0]} renewals of four identities in {time.monotonic() - began:.1f} s, {count} transfers, none failed")


def check_denial(binary, cell, ids):
    """Of somebody whose subscription is open."""
    reader = ids.issue("eu", "/service/reader")
    subscriber = subprocess.Popen([binary, "subscribe", "--all", "--server", cell.nodes[0].grpc, "--identity",
                                   str(reader)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    check(subscriber.poll() is None, "the subscription did not stay open")
    ids.run("ca", "deny", "--dir", ids.work / "bank/ca/eu", "--dev", "--id", f"spiffe://eu.{DEPLOYMENT}/service/reader",
            "--reason", "laptop lost")
    denied = ids.work / "bank/ca/eu/denied" / f"eu.{DEPLOYMENT}.note"
    began = time.monotonic()
    for number in (1, 2, 3):
        target = ids.work / "ids" / f"_node_{CELL}_{number}" / "denied"
        target.mkdir(exist_ok=True)
        shutil.copy(denied, target / "coming")
        (target / "coming").rename(target / denied.name)
    try:
        words = subscriber.communicate(timeout=DENIAL_SECONDS_MAX + 3)[1]
    except subprocess.TimeoutExpired:
        subscriber.kill()
        raise AssertionError("a denied subscriber went on")
    took = time.monotonic() - began
    check(took < DENIAL_SECONDS_MAX, f"it was cut off after {took:.1f} s")
    check("laptop lost" in words, f"it was not told why: {words}")
    refused(binary, cell, reader, "laptop lost")
    print(f"a denied subscriber was cut off after {took:.1f} s")


def test(binary, work):
    ids = Authorities(binary, work)
    client = ids.issue("eu", "/service/pay")
    with cluster.Cluster(binary, work, "--cell", CELL) as cell:
        policy = work / "policy.yaml"
        policy.write_text(cluster.SERVICES_MAY)
        for node in cell.nodes:
            node.arguments += ["--identity", str(ids.issue_node(node.number)), "--first-policy", str(policy)]
        cell.start()
        run(binary, "account", "create", "--id", "1", "--ledger", "1", "--code", "1", "--server", cell.servers(),
            "--identity", client)
        check_http(cell, client)
        check_strangers(binary, cell, ids, work)
        check_wrong_node(binary, cell, ids, work)
        check_renewal(binary, cell, ids, client)
        check_denial(binary, cell, ids)
        leads = json.loads(run(binary, "node", "list", "--json", "--server", cell.servers(), "--identity", client))
        check(all(one["active"] or one["id"] == leads["leader"] for one in leads["members"]), leads)
        cell.stop()
        print(f"{cell.verify()} records, the same on all")


if __name__ == "__main__":
    cluster.main(test)
