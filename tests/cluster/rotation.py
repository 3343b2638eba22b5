#!/usr/bin/env python3
"""Drills of authorities: a CA rotated under load, its key lost, its key stolen, every certificate over.

A cell of three replicas whose identities live for seconds. No call fails while a region's CA is rotated and the
old one taken out. A CA whose key is gone is replaced. What a thief issues with a copy of a key is good until the
rotation that says so, and refused after it, while the others join again. When all certificates are over nothing
speaks; issued again, everything goes on without a restart.
"""

import shutil
import subprocess
import threading
import time
import uuid

import cluster
from authority import Authorities, Keeper, said
from cluster import check, run

LIFETIME = 20
SWITCH_AFTER = 5


def rotate(one, bank, *flags):
    one.ca("rotate", "--officer", bank / "officers/ada", "--officer", bank / "officers/grace", *flags)


class Load:
    """Transfers, again and again; the first that fails is kept."""

    def __init__(self, binary, cell, identity):
        self.command = [binary, "bench", "transfers", "--count", "5000", "--batch", "500", "--server",
                        cell.servers(), "--identity", str(identity)]
        self.end, self.count, self.failure = threading.Event(), 0, None
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.end.is_set() and self.failure is None:
            done = subprocess.run(self.command, capture_output=True, text=True, timeout=120)
            if done.returncode != 0:
                self.failure = done.stderr
            self.count += 5_000

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()
        if self.failure is not None:
            raise AssertionError(f"a call failed: {self.failure}")


def sequence(directory, domain):
    note = (directory / "bundles" / f"{domain}.note").read_text()
    return int(next(line for line in note.splitlines() if line.startswith("sequence ")).split()[1])


def check_rotation(binary, cell, ids, client):
    """Old and new side by side, then the new one alone, under load."""
    eu, bank = ids.of["eu"], ids.bank
    began = time.monotonic()
    with Load(binary, cell, client) as load:
        rotate(eu, bank, "--root", bank / "root", "--switch-after", str(SWITCH_AFTER))
        code, words = said(binary, "ca", "rotate", "--dir", eu.directory, "--dev", "--finish", "--officer",
                           bank / "officers/ada", "--officer", bank / "officers/grace")
        check(code != 0 and "does not issue yet" in words, f"finished before it began: {code} {words}")
        time.sleep(SWITCH_AFTER + 2)
        code, words = said(binary, "ca", "rotate", "--dir", eu.directory, "--dev", "--finish", "--officer",
                           bank / "officers/ada", "--officer", bank / "officers/grace")
        check(code != 0 and "are still good" in words, f"finished too early: {code} {words}")
        time.sleep(LIFETIME + 2)
        rotate(eu, bank, "--finish")
        time.sleep(LIFETIME / 2)
    for number in (1, 2, 3):
        there = sequence(cell.node(number).identity, eu.domain)
        check(there == 3, f"node {number} holds bundle {there}")
    print(f"a CA rotated and the old one out in {time.monotonic() - began:.0f} s; {load.count} transfers, none failed")


def check_lost(binary, cell, ids, client):
    """The key is gone; the directory is not."""
    us, bank = ids.of["us"], ids.bank
    us.kill()
    (us.directory / "ca.key").unlink()
    code, words = said(binary, "ca", "list", "--dir", us.directory, "--dev")
    check(code != 0 and "ca rotate" in words, f"a CA without its key: {code} {words}")
    with Load(binary, cell, client) as load:
        rotate(us, bank, "--root", bank / "root", "--switch-after", "0")
        ids.start("us")
        time.sleep(LIFETIME * 1.5)
    check(us.issued(f"/node/{cell.id}/2")[-1]["state"] == "valid", "node 2 was not renewed by the new CA")
    print(f"a CA's key was lost and replaced; {load.count} transfers, none failed")


def check_stolen(binary, cell, ids, client, work):
    asia, bank = ids.of["asia"], ids.bank
    thief = work / "thief"
    shutil.copytree(asia.directory, thief)
    forged = work / "forged"

    def forge():
        run(binary, "ca", "issue", "--dir", thief, "--dev", "--id", asia.id("/service/forged"), "--out", forged)
        return said(binary, "status", "--server", cell.nodes[0].grpc, "--identity", forged, "--timeout", "5")

    code, words = forge()
    check(code == 0, f"a thief's certificate, before anybody knows: {code} {words}")
    rotate(asia, bank, "--root", bank / "root", "--stolen")
    began = time.monotonic()
    while True:
        code, words = forge()
        if code != 0 and "authority of" in words:
            break
        check(time.monotonic() - began < 10, f"what a stolen CA issues is good for too long: {code} {words}")
    took = time.monotonic() - began
    again = asia.join(f"/node/{cell.id}/3", cell.node(3).identity)
    run(binary, "status", "--server", cell.nodes[2].grpc, "--identity", client)
    print(f"what a stolen CA issues was refused after {took:.1f} s; node 3 joined again ({again.name}) without a restart")


def check_all_over(binary, cell, ids, client):
    for one in ids.of.values():
        one.kill()
    time.sleep(LIFETIME + 2)
    code, words = said(binary, "status", "--server", cell.servers(), "--identity", client, "--timeout", "3")
    check(code != 0 and "ended at" in words, f"certificates that are over: {code} {words}")
    for region in ids.of:
        ids.start(region)
    for node in cell.nodes:
        ids.of[cluster.REGIONS[node.number - 1]].join(f"/node/{cell.id}/{node.number}", node.identity)
    ids.of["eu"].join("/service/pay", client)
    time.sleep(2)
    began = time.monotonic()
    while True:
        code, words = said(binary, "bench", "transfers", "--count", "1000", "--batch", "100", "--server",
                           cell.servers(), "--identity", client)
        if code == 0:
            break
        check(time.monotonic() - began < 20, f"it does not go on: {code} {words}")
    print("every certificate was over; issued again, the cell went on without a restart")


def test(binary, work):
    with Authorities(binary, work, cluster.REGIONS, LIFETIME) as ids:
        cell_id = str(uuid.uuid4())
        with cluster.Cluster(binary, work, "--cell", cell_id) as cell:
            cell.id = cell_id
            policy = work / "policy.yaml"
            policy.write_text(cluster.SERVICES_MAY)
            for node in cell.nodes:
                one = ids.of[cluster.REGIONS[node.number - 1]]
                node.identity = one.join(f"/node/{cell_id}/{node.number}", work / f"id-{node.number}")
                node.arguments += ["--identity", str(node.identity), "--first-policy", str(policy)]
            client = ids.of["eu"].join("/service/pay", work / "pay")
            cell.start()
            with Keeper(binary, client):
                run(binary, "account", "create", "--id", "1", "--ledger", "1", "--code", "1", "--server",
                    cell.servers(), "--identity", client)
                check_rotation(binary, cell, ids, client)
                check_lost(binary, cell, ids, client)
                check_stolen(binary, cell, ids, client, work)
                check_all_over(binary, cell, ids, client)
                cell.stop()
            print(f"{cell.verify()} records, the same on all")


if __name__ == "__main__":
    cluster.main(test)
