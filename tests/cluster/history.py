"""Clients that keep a history of what they asked and what they were told (README.md).

Each transfer has an id of its own and moves 1 from account 1 to account 2. A client never gives a
transfer up while it runs: what got no answer, or one that leaves the outcome open, is sent again
with the same id, to the next replica.
"""

import functools
import http.client
import json
import socket
import threading
import time

import meridian

ATTEMPT_TIMEOUT = 2.0  # seconds for one request; a stopped replica answers none


@functools.cache
def tls_of(caller):
    return meridian.tls(caller)


def call(node, method, path, body=None, timeout=ATTEMPT_TIMEOUT):
    """(HTTP status, decoded body); status 0 if no answer came."""
    connection = http.client.HTTPSConnection("127.0.0.1", node.http_port, timeout=timeout, context=tls_of(meridian.dev_caller()))
    try:
        headers = {"Content-Type": "application/json",
                   "Meridian-Timeout-Ms": str(int(timeout * 900))}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        reply = connection.getresponse()
        text = reply.read()
        return reply.status, json.loads(text) if text else None
    except (OSError, http.client.HTTPException, socket.timeout, ValueError):
        return 0, None
    finally:
        connection.close()


def get(node, path, timeout=5.0):
    status, body = call(node, "GET", path, timeout=timeout)
    return body if status == 200 else None


class History:
    """What all clients saw, in the order in which it ended. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self.rows = []
        self.acknowledged = []  # (time, id, node)
        self.attempted = set()

    def begin(self, identity):
        with self._lock:
            self.attempted.add(identity)

    def end(self, client, op, key, value, start, status, node):
        now = time.monotonic()
        with self._lock:
            self.rows.append({"client": client, "op": op, "key": str(key), "value": value,
                              "start": start, "end": now, "status": status})
            if op == "transfer" and status == "ok":
                self.acknowledged.append((now, key, node))

    def count(self):
        with self._lock:
            return len(self.acknowledged)

    def wait_for(self, count, patience=120):
        """Until `count` more are acknowledged. Returns the number of the replica that did the last."""
        target = self.count() + count
        end = time.monotonic() + patience
        while self.count() < target:
            if time.monotonic() > end:
                raise AssertionError(f"{self.count()} of {target} acknowledged after {patience} s")
            time.sleep(0.01)
        with self._lock:
            return self.acknowledged[-1][2]

    def resumed_after(self, moment, by_other_than=None, patience=120):
        """Seconds from `moment` to the first acknowledgement after it (by another replica)."""
        while True:
            with self._lock:
                after = [one for one in self.acknowledged[-1000:]
                         if one[0] > moment and one[2] != by_other_than]
            if after:
                return after[0][0] - moment
            if time.monotonic() > moment + patience:
                raise AssertionError(f"nothing was acknowledged for {patience} s")
            time.sleep(0.005)


def transfer_body(identity):
    return {"transfers": [{"id": str(identity), "debit_account_id": "1", "credit_account_id": "2",
                           "amount": "1", "ledger": 1, "code": 1}]}


def make_accounts(cluster, patience=120):
    """As soon as there is a leader."""
    body = {"accounts": [{"id": str(i), "ledger": 1, "code": 1} for i in (1, 2)]}
    end = time.monotonic() + patience
    while time.monotonic() < end:
        for node in cluster.nodes:
            status, reply = call(node, "POST", "/v1/accounts", body, timeout=5.0)
            if status == 200 and all(r["name"] in ("created", "exists") for r in reply["results"]):
                return node
        time.sleep(0.05)
    raise AssertionError(f"no replica took a write within {patience} s")


class Clients:
    """Threads that send one transfer after the other until stop()."""

    def __init__(self, cluster, history, count=4):
        self.cluster, self.history = cluster, history
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                         for i in range(count)]
        self.failures = []
        for thread in self._threads:
            thread.start()

    def stop(self):
        """What is under way is brought to its end first: nothing stays open."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=120)
            if thread.is_alive():
                raise AssertionError("a client found no leader for two minutes")
        if self.failures:
            raise AssertionError(self.failures[0])

    def _run(self, client):
        at, number = client % len(self.cluster.nodes), 0
        try:
            while not self._stop.is_set():
                number += 1
                at = self._transfer(client, (client + 1) * 10_000_000 + number, at)
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(f"client {client}: {error!r}")

    def _transfer(self, client, identity, at):
        """Repeats one transfer until it is acknowledged. Returns who acknowledged it."""
        self.history.begin(identity)
        while True:
            nodes = list(self.cluster.nodes)  # some come, some go
            at %= len(nodes)
            node = nodes[at]
            start = time.monotonic()
            status, reply = call(node, "POST", "/v1/transfers", transfer_body(identity))
            if status == 200:
                name = reply["results"][0]["name"]
                if name not in ("created", "exists"):
                    raise AssertionError(f"transfer {identity} was refused: {name}")
                self.history.end(client, "transfer", identity, 1, start, "ok", node.number)
                return at
            # Only the words tell: a log that failed is 503 too, and leaves the outcome open.
            message = (reply or {}).get("error", {}).get("message", "")
            outcome = "fail" if "nothing was done" in message else "info"
            self.history.end(client, "transfer", identity, 1, start, outcome, node.number)
            if status not in (0, 429, 503, 504):
                raise AssertionError(f"transfer {identity}: HTTP {status} {reply}")
            at = (at + 1) % len(nodes)
            time.sleep(0.01)


def check_all_there(cluster, history):
    """Every acknowledged transfer is on every replica, once; and nothing that nobody asked for."""
    acknowledged = {identity for _, identity, _ in history.acknowledged}
    ids = sorted(history.attempted)
    for node in cluster.nodes:
        found = []
        for first in range(0, len(ids), 4000):
            some = [str(i) for i in ids[first:first + 4000]]
            status, reply = call(node, "POST", "/v1/transfers/lookup", {"ids": some}, timeout=30.0)
            if status != 200:
                raise AssertionError(f"node {node.number}: looking up transfers gives {status} {reply}")
            found += [int(t["id"]) for t in reply["transfers"]]
        lost = acknowledged - set(found)
        if lost:
            raise AssertionError(f"node {node.number} lost {len(lost)} acknowledged: {sorted(lost)[:5]}")
        if len(found) != len(set(found)):
            raise AssertionError(f"node {node.number} shows a transfer twice")
        status, account = call(node, "GET", "/v1/accounts/1", timeout=30.0)
        if status != 200 or int(account["debits_posted"]) != len(found):
            raise AssertionError(f"node {node.number}: {len(found)} transfers of 1, but account 1 "
                                 f"says {account}")
    return len(acknowledged)
