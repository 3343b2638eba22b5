#!/usr/bin/env python3
"""Dangerous acts by two people, on three real replicas: one person alone removes nobody and forgets nobody; with
the approval of another it is done once, also when the leader is killed between approval and use; and what was
approved counts for nothing else, nor after its end.
"""

import json
import re
import subprocess
import time

import cluster
from cluster import check, run
from identities import CELL, DEPLOYMENT, Authorities, failed
from policy import People

POLICY = f"""meridian-policy: 1
mfa: not-needed
grants:
  - who: spiffe://eu.{DEPLOYMENT}/service/pay
    roles: [writer]
    cells: all
    ledgers: all
    streams: all
  - who: ["spiffe://*.{DEPLOYMENT}/person/ada", "spiffe://*.{DEPLOYMENT}/person/grace",
          "spiffe://*.{DEPLOYMENT}/service/clerk"]
    roles: [operator, privacy officer]
    cells: all
"""
ADA, GRACE, CLERK = "/person/ada", "/person/grace", "/service/clerk"


def asked(people, who, *arguments, server=None):
    """Exit code and stderr."""
    return failed(people.ids.binary, *arguments, "--server", server or people.cell.servers(), "--identity",
                  people.of(who), "--timeout", "20")


def proposed(people, who, *arguments):
    """The command does nothing but propose itself. Returns the hash that it says."""
    code, words = asked(people, who, *arguments)
    check(code == 1 and "needs a second person" in words, f"{arguments}: {code} {words}")
    found = re.search(r"meridian act approve ([0-9a-f]{64})", words)
    check(found, words)
    return found.group(1)


def refused(people, who, reason, *arguments):
    code, words = asked(people, who, *arguments)
    check(code == 1 and reason in words, f"{who} {arguments}: {code} {words}")


def members(people):
    reply = json.loads(people.does(ADA, "node", "list", "--json"))
    return {int(one["id"]) for one in reply["members"]}, int(reply["leader"])


def is_forgotten(people, name):
    return json.loads(people.does(GRACE, "subject", "status", name, "--json"))["forgotten"]


def check_forgetting(people):
    for name in ("anna", "bert", "carl"):
        people.does("/service/pay", "append", f"about-{name}", "noted", "{}", "--subject", name)
    hash_ = proposed(people, ADA, "subject", "forget", "anna")
    check(not is_forgotten(people, "anna"), "one person alone forgot somebody")
    check(proposed(people, ADA, "subject", "forget", "anna") == hash_, "it was proposed twice")
    shown = people.does(GRACE, "act", "show", hash_)
    check("forget the person whose opaque id is" in shown and "person/ada" in shown and "anna" not in
          shown.split("what is signed")[1], shown)
    refused(people, ADA, "a second person approves", "act", "approve", hash_)
    elsewhere = people.ids.work / "ids" / "ada-elsewhere"
    people.ids.run("ca", "issue", "--dir", people.ids.work / "bank/ca/us", "--dev", "--id",
                   f"spiffe://us.{DEPLOYMENT}{ADA}", "--out", elsewhere)
    code, words = failed(people.ids.binary, "act", "approve", hash_, "--server", people.cell.servers(), "--identity",
                         elsewhere)
    check(code == 1 and "a second person approves" in words, f"ada in another region approved: {code} {words}")
    refused(people, CLERK, "no person", "act", "approve", hash_)
    check(not is_forgotten(people, "anna"), "a refused approval counted")
    people.does(GRACE, "act", "approve", hash_)
    refused(people, GRACE, "needs a second person", "subject", "forget", "anna")  # it is ada who may
    other = proposed(people, ADA, "subject", "forget", "bert")
    check(other != hash_ and not is_forgotten(people, "bert"), "another request went through")
    people.does(ADA, "subject", "forget", "anna")
    check(is_forgotten(people, "anna"), "it was approved and is not done")
    again = proposed(people, ADA, "subject", "forget", "anna")
    check(again != hash_, "an approval was used twice")
    state = {one["hash"]: one["state"] for one in json.loads(people.does(GRACE, "act", "list", "--json"))}
    check(state[hash_] == "used" and state[again] == state[other] == "open", state)
    print("a person is forgotten by two people, once, and nobody else is")


def post(people, node, path, body):
    """By HTTP, past the command line. Returns the status and the body."""
    words = run("curl", "--silent", "--insecure", "--cert", people.of(ADA) / "identity.pem", "--write-out",
                "\n%{http_code}", "--header", "Content-Type: application/json", "--data", body,
                f"https://127.0.0.1:{node.http_port}/{path}")
    text, _, status = words.rpartition("\n")
    return int(status), text


def check_routes(people):
    """There is no way around it by HTTP, at any replica."""
    for node in people.cell.nodes:
        for path, body in (("v1/subjects/forget", '{"subject":"bert"}'), ("v1/upgrade", '{"activate":99}'),
                           ("v1/members", '{"steps":[{"remove":"3"}]}')):
            status, text = post(people, node, path, body)
            check(status in (403, 503), f"{path} at {node.number}: {status} {text}")
    check(members(people)[0] == {1, 2, 3} and not is_forgotten(people, "bert"), "a request by HTTP went through")
    print("no request by HTTP goes through")


def check_end(people):
    hash_ = proposed(people, ADA, "subject", "forget", "carl", "--approval-valid", "6")
    people.does(GRACE, "act", "approve", hash_)
    time.sleep(7)
    check(proposed(people, ADA, "subject", "forget", "carl") != hash_, "it was used after its end")
    brief = proposed(people, ADA, "upgrade", "activate", "--level", "98", "--approval-valid", "1")
    time.sleep(2)
    code, words = asked(people, GRACE, "act", "approve", brief)
    check(code != 0 and "it is over" in words, f"approved after its end: {code} {words}")
    check(not is_forgotten(people, "carl"), "an approval that is over counted")
    print("what is over is neither approved nor used")


def check_kill(people):
    """The leader is killed between approval and use; then again between use and repetition."""
    leader = members(people)[1]
    victim = next(number for number in (1, 2, 3) if number != leader)
    hash_ = proposed(people, ADA, "node", "remove", str(victim))
    check(members(people)[0] == {1, 2, 3}, "one person alone removed a replica")
    people.does(GRACE, "act", "approve", hash_)
    people.cell.node(leader).kill()
    end = time.monotonic() + 30
    while time.monotonic() < end:  # a leader has to be there, and the third to answer
        people.cell.node(leader).start() if people.cell.node(leader).process is None else None
        code, words = asked(people, ADA, "node", "remove", str(victim))
        if code == 0:
            break
        check("used already" not in words, f"the approval was used up without an effect: {words}")
        check(code in (1, 3), f"{code} {words}")
        time.sleep(0.5)
    ids, leader = members(people)
    check(victim not in ids and len(ids) == 2, f"{victim} is still there: {ids}, {words}")
    people.cell.node(victim).end()
    people.cell.nodes = [node for node in people.cell.nodes if node.number != victim]
    for node in people.cell.nodes:
        node.kill()
    people.cell.start()
    end = time.monotonic() + 30
    while True:
        try:
            state = {one["hash"]: one for one in json.loads(people.does(GRACE, "act", "list", "--json"))}
            break
        except AssertionError:
            check(time.monotonic() < end, "the cell does not come back")
            time.sleep(0.5)
    check(state[hash_]["state"] == "used" and "remove replica" in state[hash_]["words"][0], state)
    check(proposed(people, ADA, "node", "remove", str(leader)) != hash_, "another request was let through")
    check(members(people)[0] == ids, "an approval was used twice")
    print("an approval outlives kill -9 of the leader and of all, and is used once")


def check_waiting(people):
    """The command waits for the other person and goes on."""
    waiting = subprocess.Popen(
        [people.ids.binary, "subject", "forget", "bert", "--wait-approval", "60", "--server", people.cell.servers(),
         "--identity", str(people.of(ADA))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(2)
        check(waiting.poll() is None, "it does not wait")
        for one in json.loads(people.does(GRACE, "act", "list", "--json")):
            if one["state"] == "open" and one["action"] == "subjects.forget" and one["by"].endswith(ADA):
                people.does(GRACE, "act", "approve", one["hash"])
        out, words = waiting.communicate(timeout=30)
        check(waiting.returncode == 0 and "forgotten" in out, f"{waiting.returncode} {out} {words}")
    finally:
        waiting.kill()
    check(is_forgotten(people, "bert"), "it went on and did nothing")
    print("a command that waits for approval goes on by itself")


def check_offline(people, work):
    """On stopped nodes: the same by a file that two people sign, once in each directory."""
    binary, act = people.ids.binary, work / "rotate.act"
    first, second = people.cell.nodes
    rotate = ["keys", "rotate", "storage", "--data"]

    def refused_here(node, reason, *more):
        code, words = failed(binary, *rotate, node.data, *more)
        check(code == 1 and reason in words, f"{more}: {code} {words}")

    refused_here(first, "act propose --cell")
    code, words = failed(binary, "recovery", "skip", "--data", first.data, "--index", "999999", "--digest", "00" * 32)
    check(code == 1 and "--action recovery.run" in words, f"{code} {words}")

    def propose(key):
        run(binary, "act", "propose", "--cell", CELL, "--action", "keys.rotate", "--request", f'{{"key":"{key}"}}',
            "--out", act, "--identity", people.of(ADA))

    propose("epoch")
    run(binary, "act", "approve", act, "--identity", people.of(GRACE))
    refused_here(first, "is for another act", "--approval", act)
    propose("storage")
    refused_here(first, "has not approved it yet", "--approval", act)
    code, words = failed(binary, "act", "approve", act, "--identity", people.of(ADA))
    check(code == 1 and "a second person approves" in words, f"{code} {words}")
    check("turn over the key storage" in run(binary, "act", "show", act), "it does not say what it is")
    run(binary, "act", "approve", act, "--identity", people.of(CLERK))
    refused_here(first, "person", "--approval", act)
    run(binary, "act", "approve", act, "--identity", people.of(GRACE))
    signed = act.read_text()
    act.write_text(signed.replace("storage", "storagf", 1))
    refused_here(first, "signature", "--approval", act)
    act.write_text(signed)
    known = first.data / "second-person"
    kept = known.read_text()
    known.write_text(kept.replace("mfa: not-needed\\n", ""))
    check(known.read_text() != kept, "the policy that was kept asks for a second factor already")
    refused_here(first, "without a second factor", "--approval", act)
    known.write_text(kept)
    run(binary, *rotate, first.data, "--approval", act)
    refused_here(first, "used here already", "--approval", act)
    run(binary, *rotate, second.data, "--approval", act)
    print("on a stopped node a file that two people signed lets it through, once")


def test(binary, work):
    ids = Authorities(binary, work)
    first = work / "first.yaml"
    first.write_text(POLICY)
    with cluster.Cluster(binary, work, "--cell", CELL) as cell:
        for node in cell.nodes:
            node.arguments += ["--identity", str(ids.issue_node(node.number)), "--first-policy", str(first)]
        cell.start()
        people = People(ids, cell)
        check_forgetting(people)
        check_routes(people)
        check_end(people)
        check_waiting(people)
        check_kill(people)
        cell.stop()
        check_offline(people, work)
        print(f"{cell.verify()} records, the same on all")


if __name__ == "__main__":
    cluster.main(test)
