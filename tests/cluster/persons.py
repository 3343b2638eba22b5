"""Persons in a cell of several replicas: what one sealed all open; whoever is forgotten is forgotten on
all, also on one that was down meanwhile and on one that joins later; old receipts stay valid.

The leader is killed half way, and another replica while somebody is forgotten.
"""

import json
import time

import cluster
import history
import members
import meridian
from cluster import check

PERSONS = [f"person-{number}" for number in range(8)]
EVENTS = 5  # about each
FORGOTTEN = PERSONS[:3]
PATIENCE = 60


def until_done(cell, at, method, path, body):
    """Repeats through other doors until it is done. Returns the reply and who gave it."""
    end = time.monotonic() + PATIENCE
    while True:
        node = cell.nodes[at]
        status, reply = history.call(node, method, path, body, timeout=15.0) if node.is_up() else (0, None)
        if status == 200:
            return reply, at
        check(status in (0, 429, 503, 504), f"{path}: HTTP {status} {reply}")
        check(time.monotonic() < end, f"{path}: not taken for {PATIENCE} s: {status} {reply}")
        at = (at + 1) % len(cell.nodes)
        time.sleep(0.05)


def append(cell, at, number):
    person = PERSONS[number % len(PERSONS)]
    body = {"events": [{"event_id": str(number + 1), "stream": f"about-{number % len(PERSONS)}", "type": "noted",
                        "subject": person, "data": {"number": number}}]}
    reply, at = until_done(cell, at, "POST", "/v1/events", body)
    name = reply["results"][0]["name"]
    check(name in ("created", "exists"), f"event {number} was refused: {name}")
    return at


def seen(node, person_number):
    """Numbers of the events about a person, or None if they are forgotten; raises if they are half."""
    status, page = history.call(node, "GET", f"/v1/streams/about-{person_number}?limit=1000", timeout=30.0)
    if status != 200:  # a replica that has just joined may lack a key yet
        return f"{status} {page}"
    gone = [event.get("forgotten", False) for event in page["events"]]
    check(all(gone) or not any(gone), f"node {node.number}: some of {page['events']} are forgotten")
    return None if all(gone) else [event["data"]["number"] for event in page["events"]]


def check_all(cell, forgotten):
    for node in cell.nodes:
        for number, person in enumerate(PERSONS):
            wanted = None if person in forgotten else \
                [n for n in range(EVENTS * len(PERSONS)) if n % len(PERSONS) == number]
            end = time.monotonic() + PATIENCE
            while True:  # a follower opens what the leader sealed a moment later
                found = seen(node, number)
                if found == wanted:
                    break
                check(time.monotonic() < end, f"node {node.number}, {person}: {found}, not {wanted}")
                time.sleep(0.2)


def forget(cell, at, person):
    reply, at = until_done(cell, at, "POST", "/v1/subjects/forget", {"subject": person})
    print(f"{person} is forgotten on {reply['destroyed_on']}, not yet on {reply['not_yet_on']}", flush=True)
    return reply, at


def restore(binary, work, data):
    """A backup of one replica becomes a ledger of its own, with everything that it held."""
    passphrase = work / "backup-passphrase"
    passphrase.write_text("correct horse battery\n")
    backup = ("--keys", work / "backup-keys", "--backup-passphrase-file", passphrase)
    meridian.run(binary, "backup", "create", "--data", data, "--to", work / "backup", *backup)
    meridian.run(binary, "backup", "verify", "--from", work / "backup", *backup)
    restored, opens = work / "restored", ("--passphrase-file", data / "dev-passphrase")
    meridian.run(binary, "backup", "restore", "--from", work / "backup", "--data", restored, *backup, *opens)
    with meridian.Server(binary, restored, keys=("--dev", *map(str, opens))) as server:
        server.run("append", "after", "noted", "{}", "--subject", FORGOTTEN[0], expect=1)
        server.run("append", "after", "noted", "{}")
        server.stop()
    report = json.loads(meridian.run(binary, "verify", "--data", restored, *opens, "--json"))
    check(report["sound"] and report["payloads_forgotten"] == EVENTS * len(FORGOTTEN) and
          report["payloads_opened"] == EVENTS * (len(PERSONS) - len(FORGOTTEN)) + 1, report)


def test(binary, work):
    with cluster.Cluster(binary, work) as cell:
        cell.start()
        at, killed = 0, None
        for number in range(EVENTS * len(PERSONS)):
            if number == EVENTS * len(PERSONS) // 2:
                killed = cell.nodes[at]
                killed.kill()
            at = append(cell, at, number)
        killed.start()
        cell.wait_even()
        check_all(cell, [])
        policy, receipt = work / "policy", work / "person-0.tlog-proof"
        meridian.run(binary, "log", "policy", "-o", policy, "--server", cell.servers())
        meridian.run(binary, "receipt", "get", "--event", "1", "-o", receipt, "--server", cell.servers())

        reply, at = forget(cell, at, FORGOTTEN[0])
        check(reply["keys_destroyed"] == 2 and not reply["not_yet_on"], reply)
        down = cell.nodes[(at + 1) % len(cell.nodes)]
        down.kill()
        for person in FORGOTTEN[1:]:
            reply, at = forget(cell, at, person)
            check(reply["not_yet_on"] == [down.number], reply)
        down.start()
        cell.wait_even()
        check_all(cell, FORGOTTEN)

        members.join(binary, work, cell, 4, "africa")
        check_all(cell, FORGOTTEN)
        meridian.run(binary, "receipt", "verify", receipt, "--policy", policy)
        cell.wait_even()
        cell.stop()
        records = cell.verify()
        for node in cell.nodes:
            report = meridian.verify(binary, node.data)
            check(report["payloads_opened"] == EVENTS * (len(PERSONS) - len(FORGOTTEN)) and
                  report["payloads_forgotten"] == EVENTS * len(FORGOTTEN) and
                  report["payloads_locked"] == 0, report)
        restore(binary, work, cell.nodes[-1].data)
    print(f"{len(PERSONS)} persons, {len(FORGOTTEN)} of them forgotten on 4 replicas, one of which was down and "
          f"one not yet there; {records} records with one root; the receipt from before verifies")


if __name__ == "__main__":
    cluster.main(test)
