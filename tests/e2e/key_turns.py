"""Keys turned over while the node runs: under load, killed in the middle again and again, sound afterwards.

MERIDIAN_TURN_ROUNDS says how often it is killed (6).
"""

import json
import os
import random
import subprocess
import time

import meridian
from meridian import check

ROUNDS = int(os.environ.get("MERIDIAN_TURN_ROUNDS", "6"))
# Files come and go all the time: a log file for every MiB, a checkpoint every second or so.
CHURN = ("--test-wal-file-size", str(1 << 20), "--test-checkpoint-interval", "2000")
SAID = ("came at nine", "came at ten")
PATIENCE = 120


class Load:
    """Transfers until it is told to stop, or the server is gone."""

    def __init__(self, binary, server):
        self.process = subprocess.Popen(
            [binary, "bench", "transfers", "--count", "50000000", "--batch", "500", "--accounts", "100",
             "--timeout", "5", "--server", server.grpc],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def keys(server):
    out = server.json("keys", "list")
    return {(key["name"], key["version"]): key for key in out["keys"]}, out


def wait_turned(server, version):
    end = time.monotonic() + PATIENCE
    while True:
        there, out = keys(server)
        versions = [number for name, number in there if name == "storage"]
        if versions == [version] and not out["turning"]:
            return there
        check(time.monotonic() < end, f"storage {versions}, not {version} alone: {out}")
        time.sleep(0.1)


def check_said(server, expected):
    read = server.run("read", "visits", "--json")
    for said in SAID:
        check((said in read) == (said in expected), f"{said}: {read[-2000:]}")


def on_a_running_node(binary, data):
    with meridian.Server(binary, data, *CHURN) as server:
        for person, text in zip(("Ada", "Bob"), SAID):
            server.run("append", "visits", "visit", json.dumps(text), "--subject", person)
        with Load(binary, server):
            before, out = keys(server)
            check(before["storage", 1]["files"] > 3 and not out["turning"], str(out))
            check(len(before["log", 1]["public_key"]) == 64 and "public_key" not in before["epoch", 1], str(before))
            turned = server.json("keys", "rotate", "storage", "--wait", "--timeout", PATIENCE)
            check(turned["version"] == 2 and turned["files_turned"] > 0, str(turned))
            after = wait_turned(server, 2)
            check(after["storage", 2]["files"] > 0, str(after))
            epoch = server.json("keys", "rotate", "epoch")
            check(epoch["version"] == 2, str(epoch))
            check_said(server, SAID)
        table = server.run("keys", "list")
        check("in use" in table and "signs tree heads" in table, table)
        for name, why in (("log", "node replace"), ("index", "for ever"), ("nothing", "there is none")):
            done = subprocess.run([binary, "keys", "rotate", name, "--server", server.grpc], capture_output=True,
                                  text=True, timeout=60)
            check(done.returncode != 0 and why in done.stderr, f"{name}: {done.stderr}")
        there, _ = keys(server)
        check({pair for pair in there if pair[0] in ("storage", "epoch")} == {("storage", 2), ("epoch", 2)}, str(there))
        server.stop()
    check(meridian.verify(binary, data)["sound"], "turned while it ran")
    return f"{turned['files_turned']} files"


def killed_in_the_middle(binary, data):
    source = random.Random(5)
    version, unfinished = 2, 0
    for number in range(ROUNDS):
        with meridian.Server(binary, data, *CHURN) as server:
            wait_turned(server, version)
            with Load(binary, server):
                time.sleep(source.random())
                server.run("keys", "rotate", "storage")
                version += 1
                time.sleep(source.random() * 0.03)
                server.kill()
        out = json.loads(meridian.run(binary, "keys", "list", "--data", data, "--json"))
        unfinished += len([key for key in out["keys"] if key["name"] == "storage"]) > 1
        with meridian.Server(binary, data, *CHURN) as server:
            wait_turned(server, version)
            check_said(server, SAID)
            server.stop()
        check(meridian.verify(binary, data)["sound"], f"round {number}")
    check(unfinished > 0, "no turn was interrupted: kill earlier")
    return f"{unfinished} of {ROUNDS} turns were interrupted by kill -9"


def test(binary, work):
    data = work / "ledger"
    print(on_a_running_node(binary, data))
    print(killed_in_the_middle(binary, data))


meridian.main(test)
