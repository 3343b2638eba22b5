"""Residency: three regions, of which eu and us are the jurisdiction `west`, and asia leads. What is about
persons there is sealed in eu or us, ordered in asia, and read in eu and us alone: the replica in asia has no
key of it, and with all that its disk has, opened offline, nothing opens. With one of the two down such
writes are refused and others go on. Forgetting reaches it all the same, and so does a leader inside.
Its key is turned over while asia leads: what was sealed before and after is read, and the key of before is
gone from every key store once the persons are forgotten whose keys it was mixed into.
"""

import json
import time

import cluster
import history
import meridian
from cluster import check

PATIENCE = 60
MEDICAL, COMMON = 7, 1
WORD = "RESIDENCY_UNAVAILABLE"


def wait_for(what, found):
    end = time.monotonic() + PATIENCE
    while True:
        value = found()
        if value:
            return value
        check(time.monotonic() < end, f"not {what} after {PATIENCE} s")
        time.sleep(0.2)


def append(node, number, retention=MEDICAL, person="anna"):
    """(HTTP status, message) of one attempt through one door."""
    body = {"events": [{"event_id": str(number), "stream": f"about-{number}", "type": "noted", "subject": person,
                        "retention": retention, "data": {"number": number}}]}
    status, reply = history.call(node, "POST", "/v1/events", body, timeout=10.0)
    if status == 200:
        check(reply["results"][0]["name"] in ("created", "exists"), reply)
    return status, json.dumps(reply)


def must_append(node, number, *what):
    wait_for(f"written: {number}", lambda: append(node, number, *what)[0] == 200)


def must_refuse(node, number, *what):
    """Until it says so: whatever else it says before is not an answer."""
    def refused():
        status, said = append(node, number, *what)
        check(status != 200, f"event {number} was written")
        return WORD in said and said
    return wait_for(f"refused: {number}", refused)


def read(node, number):
    """"opens", "forgotten", or what it says."""
    status, page = history.call(node, "GET", f"/v1/streams/about-{number}?limit=10", timeout=10.0)
    if status != 200:
        return json.dumps(page)
    check(len(page["events"]) == 1, f"node {node.number}, event {number}: {page}")
    return "forgotten" if page["events"][0].get("forgotten") else "opens"


def wait_read(node, number, wanted):
    wait_for(f"{wanted}: event {number} at node {node.number}", lambda: wanted in read(node, number))


def leads(node):
    status = history.get(node, "/v1/status")
    return status and status["group"]["role"] == "leader"


def keys_of(binary, node):
    listed = meridian.run(binary, "keys", "list", "--data", node.data, "--passphrase-file",
                          node.data / "dev-passphrase")
    return [line.split()[0] for line in listed.splitlines() if line.startswith("residency")]


def listing(binary, node):
    out = meridian.run(binary, "residency", "list", "--server", node.grpc, "--json")
    return json.loads(out)["jurisdictions"]


def check_turn(binary, cell, run):
    """With asia leading; of bert are events 2 and 6, sealed before."""
    eu, us, asia = cell.nodes
    wait_for("led from asia", lambda: leads(asia))
    run("keys", "rotate", "residency", expect=1)
    run("keys", "rotate", "residency", "--jurisdiction", "nowhere", expect=1)
    before = keys_of(binary, eu)
    check(len(before) == 1 and keys_of(binary, us) == before, before)
    answer = json.loads(run("keys", "rotate", "residency", "--jurisdiction", "west", "--wait", "--json"))
    check(answer["version"] == 1 and answer["in_use"], answer)
    for node in cell.nodes:
        one = wait_for("turned", lambda n=node: [x for x in listing(binary, n) if x["turn"] == 1])[0]
        check(one["older_keys"] == 1 and not one["turning"], one)
    must_append(us, 7, MEDICAL, "bert")
    must_append(eu, 8, MEDICAL, "carl")
    cell.wait_even()
    for number in (2, 6, 7, 8):
        for node in (eu, us):
            wait_read(node, number, "opens")
        wait_read(asia, number, WORD)
    for node in (eu, us):
        held = keys_of(binary, node)
        check(len(held) == 2 and before[0] in held, held)
    print(run("keys", "list"), run("residency", "list"), sep="\n", flush=True)

    run("subject", "forget", "bert")
    for node in cell.nodes:
        wait_for("needed no more", lambda n=node: listing(binary, n)[0]["older_keys"] == 0)
    for node in (eu, us):
        wait_for("destroyed", lambda n=node: before[0] not in keys_of(binary, n))
        check(len(keys_of(binary, node)) == 1, keys_of(binary, node))
        wait_read(node, 8, "opens")
        wait_read(node, 6, "forgotten")


def test(binary, work):
    with cluster.Cluster(binary, work, "--home", "asia") as cell:
        cell.start()
        eu, us, asia = cell.nodes
        wait_for("led from asia", lambda: leads(asia))

        def run(*words, **more):
            return meridian.run(binary, *words, "--server", cell.servers(), **more)

        run("residency", "set", "west", "--regions", "eu", expect=1)
        run("residency", "set", "west", "--regions", "eu,mars", expect=1)
        run("residency", "set", "west", "--regions", "eu,us")
        run("retention", "set", MEDICAL, "--name", "medical", "--basis", "a law", "--residency", "west")
        for node in cell.nodes:
            is_there = node is not asia
            one = wait_for("writable", lambda n=node: [x for x in listing(binary, n) if x["available"]])[0]
            wait_for("held", lambda n=node, there=is_there: listing(binary, n)[0]["held_here"] == there)
            check(one["regions"] == ["eu", "us"] and one["classes"] == [MEDICAL], one)

        must_append(eu, 1)
        must_append(us, 2, MEDICAL, "bert")
        must_append(asia, 3, COMMON, "anna")
        print(f"node 3 says: {must_refuse(asia, 9)}", flush=True)
        cell.wait_even()
        for number, where in ((1, (eu, us)), (2, (eu, us)), (3, cell.nodes)):
            for node in where:
                wait_read(node, number, "opens")
        wait_read(asia, 1, WORD)
        print(f"node 3 says: {read(asia, 1)}", flush=True)
        check("west (eu, us)" in read(asia, 1), read(asia, 1))

        us.kill()
        wait_for("known to be down", lambda: not listing(binary, eu)[0]["available"])
        print(f"without us: {must_refuse(eu, 4)}", flush=True)
        must_append(asia, 5, COMMON, "anna")
        us.start()
        must_append(eu, 4)

        answer = json.loads(run("subject", "forget", "anna", "--json"))
        check(answer["keys_destroyed"] == 3, answer)
        cell.wait_even()
        for node in cell.nodes:
            for number in (1, 3, 4, 5):
                wait_read(node, number, "forgotten")
        for node in (eu, us):
            wait_read(node, 2, "opens")
        wait_read(asia, 2, WORD)

        asia.kill()
        leader = wait_for("led from inside", lambda: next((node for node in (eu, us) if leads(node)), None))
        must_append(leader, 6, MEDICAL, "bert")
        asia.start()
        check_turn(binary, cell, run)

        cell.wait_even()
        cell.stop()
        records = cell.verify()
        for node in cell.nodes:
            is_there = node is not asia
            report = meridian.verify(binary, node.data)
            check(report["payloads_locked"] == (0 if is_there else 1), report)
            check(len(keys_of(binary, node)) == (1 if is_there else 0), keys_of(binary, node))
    print(f"what lives in eu and us was read there alone, and forgotten everywhere; {records} records with one "
          "root")


if __name__ == "__main__":
    cluster.main(test)
