"""Keeping and forgetting in a cell of several replicas: a class keeps one half of what is known of a
person, a hold keeps another person, and all replicas know the same of it: also one that was down
meanwhile, one that was started again and one that joins later. What is released goes. The
certificate verifies offline, and not once it was changed. The law changes, so that what was kept
goes by itself; then a certificate of everything is had of any replica, and of what was certified
before, too.
"""

import json
import time

import cluster
import history
import members
import meridian
from cluster import check

PATIENCE = 60
ADA = "ada.lovelace"  # no base64 has a dot in it


class Commands:
    def __init__(self, binary, cell):
        self.binary, self.cell = binary, cell

    def run(self, *words, **more):
        return meridian.run(self.binary, *words, "--server", self.cell.servers(), **more)

    def json(self, *words):
        return json.loads(self.run(*words, "--json"))

    def append(self, person, retention, number):
        self.run("append", f"about-{number}", "noted", json.dumps({"number": number}), "--subject", person,
                 "--retention", retention, "--id", number)


def forgotten_on(node, number):
    status, page = history.call(node, "GET", f"/v1/streams/about-{number}?limit=10", timeout=30.0)
    if status == 503:
        return None  # it does not know the policy yet
    check(status == 200 and len(page["events"]) == 1, f"node {node.number}, event {number}: {status} {page}")
    return page["events"][0].get("forgotten", False)


def wait_all(cell, wanted):
    """Until every replica opens exactly those that are not forgotten: {event: forgotten}."""
    end = time.monotonic() + PATIENCE
    while True:
        found = {node.number: {number: forgotten_on(node, number) for number in wanted} for node in cell.nodes}
        if all(one == wanted for one in found.values()):
            return
        check(time.monotonic() < end, f"{found}, not {wanted}")
        time.sleep(0.2)


def certified(binary, paper, policy, expect=0):
    said = meridian.run(binary, "subject", "verify-certificate", paper, "--policy", policy, "--json", expect=expect)
    return json.loads(said) if expect == 0 else said


def tamper(binary, paper, policy):
    """Whatever records say, changed, left out or said twice, is not what they say."""
    text = paper.read_text()
    lines = text.split("receipts\t", 1)[0].splitlines(keepends=True)
    tried = 0
    for line in lines:
        if line.split("\t")[0] not in ("subject", "wish", "destroyed"):
            continue
        digit = line[-2]
        changed = line[:-2] + ("1" if digit == "0" else "0") + "\n"
        for other in (changed, "", line + line):
            paper.write_text(text.replace(line, other, 1))
            certified(binary, paper, policy, expect=4)
            tried += 1
    check(tried >= 9, f"only {tried} changes were tried")
    paper.write_text(text)
    certified(binary, paper, policy)


def all_is_certified(binary, work, cell, say, policy, first):
    """What is kept of Ada has to be no longer. Whoever comes to lead looks at once."""
    say.run("retention", "set", 3, "--name", "tax_documents", "--basis", "AO 147 as amended")
    leader = cell.node(members.leader_of(binary, cell))
    leader.kill()
    wait_all(cluster_without(cell, leader), {1: True, 2: True, 3: True, 4: False})
    check(say.json("subject", "status", ADA)["forgotten"], "Ada is not forgotten")
    leader.start()
    cell.wait_even()
    wait_all(cell, {1: True, 2: True, 3: True, 4: False})
    meridian.run(binary, "log", "policy", "-o", policy, "--server", cell.servers())  # replica 4 signs, too

    for node in cell.nodes:
        paper = work / f"ada-{node.number}.certificate"
        whole = confirmed_everywhere(binary, node, paper, policy)
        by = [(one["by"], one["classes"]) for one in whole["destroyed"]]
        check(by == [("erase_key", [1]), ("erase_subject", [3])], whole)
        check(whole["is_all"] and whole["kept"] == 0, whole)
        check(whole["destroyed"][0] == first["destroyed"][0], "another first line than before")
        check(all("turn_record" in one for one in whole["destroyed"]), whole)
        check(whole["destroyed"][0]["epoch"] < whole["destroyed"][1]["epoch"], whole)
        check(whole["wishes"][0]["keys_kept"] == 1, whole)
    tamper(binary, paper, policy)
    bert = work / "bert.certificate"
    say.run("subject", "certificate", "Bert", "--output", bert)
    check(certified(binary, bert, policy)["is_all"], "Bert is forgotten")
    check(len(certified(binary, bert, policy)["wishes"]) == 1, "the hold kept him once")
    say.run("subject", "certificate", "Cleo", "--output", bert, expect=1)  # nothing of her was destroyed
    say.run("retention", "certificate", 3, "--output", bert, expect=1)  # nor did the class expire


def confirmed_everywhere(binary, node, paper, policy):
    """A certificate, once the node has heard that all have destroyed the keys of the epochs."""
    end = time.monotonic() + PATIENCE
    while True:
        meridian.run(binary, "subject", "certificate", ADA, "--output", paper, "--server", node.grpc)
        whole = certified(binary, paper, policy)
        if not whole["not_yet_on"]:
            return whole
        check(time.monotonic() < end, whole)
        time.sleep(0.5)


def cluster_without(cell, gone):
    class Part:
        nodes = [node for node in cell.nodes if node is not gone]
    return Part


def test(binary, work):
    with cluster.Cluster(binary, work) as cell:
        cell.start()
        say = Commands(binary, cell)
        say.run("retention", "set", 3, "--name", "tax_documents", "--basis", "AO 147", "--keep-at-least", "10y")
        say.run("retention", "set", 4, "--name", "x", "--basis", "y", "--keep-at-least", "10y",
                "--erase-at-latest", "10y", expect=1)
        classes = say.json("retention", "list")["classes"]
        check(len(classes) == 1 and classes[0]["basis"] == "AO 147", classes)
        say.append(ADA, 3, 1)
        say.append(ADA, 1, 2)
        say.append("Bert", 1, 3)
        say.append("Cleo", 1, 4)
        hold = say.json("hold", "place", "Bert", "--reference", "case-2026-114")["hold_id"]

        down = cell.nodes[2]
        down.kill()
        policy, paper = work / "policy", work / "ada.certificate"
        ada = json.loads(say.run("subject", "forget", ADA, "--certificate", paper, "--json"))
        meridian.run(binary, "log", "policy", "-o", policy, "--server", cell.servers())  # of who signed
        check(ada["keys_destroyed"] == 1 and [key["retention"] for key in ada["erased"]] == [1], ada)
        check(len(ada["kept"]) == 1 and ada["kept"][0]["class"] == "tax_documents", ada)
        kept_until = ada["kept"][0]["kept_until"]
        check(kept_until.endswith("-01-01") and ada["not_yet_on"] == [down.number], ada)
        bert = say.json("subject", "forget", "Bert")
        check(bert["keys_destroyed"] == 0 and bert["kept"][0]["reference"] == "case-2026-114", bert)
        down.start()
        cell.wait_even()
        wait_all(cell, {1: False, 2: True, 3: False, 4: False})
        said = say.run("append", "about-9", "noted", "{}", "--subject", ADA, expect=1)
        print(f"Ada: {ada['erased']} erased, kept until {kept_until}; {said}", flush=True)

        members.join(binary, work, cell, 4, "africa")
        wait_all(cell, {1: False, 2: True, 3: False, 4: False})

        say.run("hold", "release", hold)
        check(say.json("hold", "list")["holds"] == [], "a hold is left")
        bert = say.json("subject", "forget", "Bert")
        check(not bert["kept"], bert)  # a new leader may have looked before
        check(say.json("subject", "status", "Bert")["forgotten"], "Bert is not forgotten")
        wait_all(cell, {1: False, 2: True, 3: True, 4: False})
        status = say.json("subject", "status", ADA)
        check(not status["forgotten"] and status["keys"][0]["kept_until"] == kept_until, status)

        out = work / "ada.jsonl"
        counts = say.json("subject", "export", ADA, "--out", out)
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        check(counts["events"] == "2" and len(lines) == 2, counts)
        check(lines[0]["data"]["number"] == 1 and lines[1].get("forgotten"), lines)

        first = certified(binary, paper, policy)
        check(first["kept"] == 1 and not first["is_all"] and len(first["destroyed"]) == 1, first)
        check(first["not_yet_on"] == [down.number], first)
        text = paper.read_text()
        check(ADA not in text and "tax_documents" in text, "what stands in the certificate")
        tamper(binary, paper, policy)
        all_is_certified(binary, work, cell, say, policy, first)

        cell.wait_even()
        cell.stop()
        records = cell.verify()
        for node in cell.nodes:
            report = meridian.verify(binary, node.data)
            check(report["payloads_opened"] == 1 and report["payloads_forgotten"] == 3 and
                  report["payloads_locked"] == 0, report)
        for node in cell.nodes[:3]:
            node.start()
        wait_all(cluster_of(cell, 3), {1: True, 2: True, 3: True, 4: False})
    print(f"a class and a hold kept what they must on 4 replicas, one of which was down and one not yet "
          f"there; {records} records with one root")


def cluster_of(cell, count):
    """The first ones of its nodes."""
    class Part:
        nodes = cell.nodes[:count]
    return Part


if __name__ == "__main__":
    cluster.main(test)
