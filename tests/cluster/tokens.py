"""A cell of three replicas whose root keys are in a token (SoftHSM): the key above persons is inside on all. One that
joins after it was handed on for the last time makes the leader turn the epoch, and opens everything."""

import json
import os
import pathlib
import subprocess
import sys
import time

import cluster
import members
import persons
from cluster import check, run

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "648219"
SKIPPED = 77  # for ctest
HANDED_ON = 60  # seconds (storage/cell_key_table.h)


def make_token(work):
    (work / "tokens").mkdir()
    config = work / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {work / 'tokens'}\nobjectstore.backend = file\n"
                      "log.level = ERROR\nslots.removable = false\n")
    os.environ["SOFTHSM2_CONF"] = str(config)
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "ledger", "--pin", PIN,
                    "--so-pin", "19283746"], check=True, stdout=subprocess.DEVNULL)
    pin = work / "pin"
    pin.write_text(PIN + "\n")
    return ("--key-store", f"pkcs11:token=ledger?module-path={LIBRARY}", "--passphrase-file", str(pin))


def epochs(binary, node):
    out = json.loads(run(binary, "keys", "list", "--server", node.grpc, "--json"))
    return [key for key in out["keys"] if key["name"] == "epoch"]


def check_inside(binary, cell):
    for node in cell.nodes:
        found = epochs(binary, node)
        check(found and all(key["in_token"] for key in found), f"node {node.number}: {found}")


def test(binary, work):
    flags = make_token(work)
    with cluster.Cluster(binary, work, *flags) as cell:
        cell.start()
        at = 0
        for number in range(persons.EVENTS * len(persons.PERSONS)):
            at = persons.append(cell, at, number)
        persons.check_all(cell, [])
        reply, at = persons.forget(cell, at, persons.FORGOTTEN[0])
        check(not reply["not_yet_on"], str(reply))
        check_inside(binary, cell)
        before = [key["version"] for key in epochs(binary, cell.nodes[0])]
        time.sleep(HANDED_ON + 5)
        members.join(binary, work, cell, 4, "africa", flags)
        persons.check_all(cell, [persons.FORGOTTEN[0]])
        check_inside(binary, cell)
        after = [key["version"] for key in epochs(binary, cell.nodes[0])]
        check(after > before, f"the epoch was turned for the one that joined: {before}, {after}")
        turned = json.loads(run(binary, "keys", "rotate", "storage", "--server", cell.servers(), "--json"))
        check(sorted(turned["asked"]) == ["1", "2", "3", "4"], str(turned))
        for node in cell.nodes:
            end = time.monotonic() + 60
            while True:
                out = json.loads(run(binary, "keys", "list", "--server", node.grpc, "--json"))
                found = [key for key in out["keys"] if key["name"] == "storage"]
                if [key["version"] for key in found] == [2] and found[0]["in_token"]:
                    break
                check(time.monotonic() < end, f"node {node.number}: {out}")
                time.sleep(0.2)
        cell.stop()
        for node in cell.nodes:
            report = json.loads(run(binary, "verify", "--data", node.data, "--json", *flags))
            check(report["sound"], str(report))
    print("the key above persons is in the tokens of 4 replicas; one joined after it was handed on")


if __name__ == "__main__":
    if not pathlib.Path(LIBRARY).exists():
        print("softhsm2 is not installed (./run installs it)")
        sys.exit(SKIPPED)
    cluster.main(test)
