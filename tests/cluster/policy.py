#!/usr/bin/env python3
"""Who may do what, on three real replicas: denials say why and are counted, a policy is changed by two
people while transfers go on, and takes effect on all replicas and on what is open.
"""

import json
import re
import subprocess
import threading
import time

import cluster
from cluster import check, run
from identities import CELL, DEPLOYMENT, Authorities, failed

EFFECT_SECONDS_MAX = 5


def policy(*more):
    return f"""meridian-policy: 1
mfa: not-needed
grants:
  - who: spiffe://eu.{DEPLOYMENT}/service/pay
    roles: [writer]
    cells: all
    ledgers: [1]
    streams: ["payments-*"]
  - who: spiffe://eu.{DEPLOYMENT}/service/reader
    roles: [reader]
    cells: all
    ledgers: [1]
    streams: ["payments-*"]
  - who: spiffe://eu.{DEPLOYMENT}/person/olga
    roles: [auditor]
    cells: all
    ledgers: all
  - who: ["spiffe://*.{DEPLOYMENT}/person/ada", "spiffe://*.{DEPLOYMENT}/person/grace"]
    roles: [operator, privacy officer]
    cells: all
""" + "".join(more)


DENIAL = f"""denials:
  - who: spiffe://eu.{DEPLOYMENT}/service/reader
    actions: events.read
"""


class People:
    def __init__(self, ids, cell):
        self.ids, self.cell = ids, cell
        self.known = {}

    def of(self, path):
        if path not in self.known:
            self.known[path] = self.ids.issue("eu", path)
        return self.known[path]

    def does(self, path, *arguments):
        return run(self.ids.binary, *arguments, "--server", self.cell.servers(), "--identity", self.of(path))

    def denied(self, path, reason, *arguments):
        code, words = failed(self.ids.binary, *arguments, "--server", self.cell.servers(), "--identity",
                             self.of(path), "--timeout", "10")
        check(code == 1 and "denied" in words and reason in words, f"{path} {arguments}: {code} {words}")


def check_roles(people):
    pay, reader, olga = "/service/pay", "/service/reader", "/person/olga"
    people.does(pay, "account", "create", "--id", "1", "--ledger", "1", "--code", "1")
    people.does(pay, "account", "create", "--id", "2", "--ledger", "1", "--code", "1")
    people.does(pay, "append", "payments-1", "paid", '{"to":"anna"}')
    people.denied(pay, "only in other ledgers", "account", "create", "--id", "3", "--ledger", "2", "--code", "1")
    people.denied(pay, "only in other streams", "append", "salaries-1", "t", "{}")
    people.denied(pay, "no grant to", "subject", "forget", "anna")
    people.denied(pay, "no grant to", "read", "payments-1")
    check("anna" in people.does(reader, "read", "payments-1"), "the reader does not see the event")
    people.denied(reader, "accounts.create", "account", "create", "--id", "3", "--ledger", "1", "--code", "1")
    people.does(olga, "account", "show", "1")
    people.denied(olga, "events.read", "read", "payments-1")
    people.denied("/person/eve", "no grant is about", "account", "show", "1")
    people.does("/person/ada", "policy", "show")
    print("writer, reader and auditor do what they may and no more")


def check_counted(people):
    found = 0
    for node in people.cell.nodes:
        words = run("curl", "--silent", "--insecure", "--cert", people.of("/person/ada") / "identity.pem",
                    f"https://127.0.0.1:{node.http_port}/metrics")
        for line in re.findall(r'meridian_policy_denials_total\{action="[a-z.]+"\} ([0-9]+)', words):
            found += int(line)
    check(found >= 8, f"{found} denials are counted")
    print(f"{found} denials are counted")


def propose(people, who, text, work):
    path = work / f"proposal-{time.monotonic_ns()}.yaml"
    path.write_text(text)
    return json.loads(people.does(who, "policy", "propose", "--file", path, "--json"))["hash"]


def check_change(people, work):
    """Under load, without a failed call; the subscriber whom it denies is cut off."""
    reader = people.of("/service/reader")
    subscriber = subprocess.Popen(
        [people.ids.binary, "subscribe", "payments-1", "--server", people.cell.nodes[2].grpc,
         "--identity", str(reader)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    check(subscriber.poll() is None, "the subscription did not stay open")
    end, count, broken = threading.Event(), [0], []

    def load():
        while not end.is_set():
            try:
                people.does("/service/pay", "transfer", "--debit", "1", "--credit", "2", "--amount", "1",
                            "--ledger", "1", "--code", "1")
            except Exception as error:  # noqa: BLE001: reported below
                broken.append(str(error))
                return
            count[0] += 1

    thread = threading.Thread(target=load)
    thread.start()
    try:
        hash_ = propose(people, "/person/ada", policy(DENIAL), work)
        people.denied("/service/pay", "no grant to", "policy", "approve", hash_)
        code, words = failed(people.ids.binary, "policy", "approve", hash_, "--server", people.cell.servers(),
                             "--identity", people.of("/person/ada"))
        check(code == 1 and "a second person approves" in words, f"{code} {words}")
        check(hash_ in people.does("/person/grace", "policy", "proposals"), "the proposal is not listed")
        people.does("/person/grace", "policy", "approve", hash_)
        began = time.monotonic()
        words = subscriber.communicate(timeout=EFFECT_SECONDS_MAX + 3)[1]
        took = time.monotonic() - began
        check(took < EFFECT_SECONDS_MAX and "denied by denial 1" in words, f"after {took:.1f} s: {words}")
        for number in range(20):  # other policies, one after the other
            text = policy(DENIAL, f"# {number}\n")
            people.does("/person/ada", "policy", "approve", propose(people, "/person/grace", text, work))
    finally:
        end.set()
        thread.join()
        subscriber.kill()
    check(not broken, f"a call failed while the policy changed: {broken}")
    print(f"21 policies came into force during {count[0]} transfers, none failed; "
          f"a subscriber was cut off after {took:.1f} s")


def check_everywhere(people):
    """Each replica answers by the same policy, also after a restart."""
    def seen():
        states = []
        for node in people.cell.nodes:
            words = run(people.ids.binary, "status", "--json", "--server", node.grpc, "--identity",
                        people.of("/person/ada"))
            states.append(json.loads(words))
        return {(one["policy"], one["policy_version"], one["policy_bootstrap"]) for one in states}

    time.sleep(1)
    before = seen()
    check(len(before) == 1 and next(iter(before))[1:] == (22, False), before)
    for node in people.cell.nodes:
        node.kill()
    people.cell.start()
    end = time.monotonic() + 10
    while seen() != before and time.monotonic() < end:  # until a leader says what is committed
        check(all(one in before or one[0] is None for one in seen()), f"another policy: {seen()}")
        time.sleep(0.1)
    check(seen() == before, f"after a restart: {seen()}, before {before}")
    people.denied("/service/reader", "denied by denial 1", "read", "payments-1")
    print("all replicas answer by the same policy, also after kill -9")


def check_bootstrap(binary, people, work):
    """A server without a policy says how it is, and no more."""
    identity = people.ids.issue("eu", f"/node/{CELL}/1", "--lifetime", "600")
    port, http = cluster.free_ports(2)
    process = subprocess.Popen([binary, "serve", "--data", str(work / "alone"), "--dev", "--cell", CELL, "--identity",
                                str(identity), "--grpc", f"127.0.0.1:{port}", "--http", f"127.0.0.1:{http}"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        process.stdout.readline()
        ada = people.of("/person/ada")
        state = json.loads(run(binary, "status", "--json", "--server", f"127.0.0.1:{port}", "--identity", ada))
        check(state["policy_bootstrap"] and state["policy"].startswith("none"), state)
        code, words = failed(binary, "account", "show", "1", "--server", f"127.0.0.1:{port}", "--identity", ada)
        check(code == 1 and "--first-policy" in words, f"{code} {words}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    print("without a policy a server says how it is, and no more")


def test(binary, work):
    ids = Authorities(binary, work)
    first = work / "first.yaml"
    first.write_text(policy())
    with cluster.Cluster(binary, work, "--cell", CELL) as cell:
        for node in cell.nodes:
            node.arguments += ["--identity", str(ids.issue_node(node.number)), "--first-policy", str(first)]
        cell.start()
        people = People(ids, cell)
        check_roles(people)
        check_counted(people)
        check_change(people, work)
        check_everywhere(people)
        check_bootstrap(binary, people, work)
        cell.stop()
        print(f"{cell.verify()} records, the same on all")


if __name__ == "__main__":
    cluster.main(test)
