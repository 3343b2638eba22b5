"""Imports of different books at the same moment: every commodity gets a ledger number of its own."""

import json
import subprocess

import meridian
from meridian import check

BOOKS = 6
ROUNDS = 3


def numbers_of(server, name):
    events = [json.loads(line) for line in server.run("read", f"book-{name}", "--json").splitlines()]
    return [event["data"]["ledger"] for event in events if event["type"] == "commodity_declared"]


def test(binary, work):
    journal = meridian.SAMPLES / "household.journal"
    for number in range(ROUNDS):
        data = work / f"ledger-{number}"
        with meridian.Server(binary, data) as server:
            names = [f"book{i}" for i in range(BOOKS)]
            imports = [subprocess.Popen([binary, "import", "journal", journal, "--book", name,
                                         "--server", server.grpc, "--json"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                       for name in names]
            for name, one in zip(names, imports):
                out, errors = one.communicate(timeout=120)
                check(one.returncode == 0, f"{name}: {out}{errors}")
            taken = [ledger for name in names for ledger in numbers_of(server, name)]
            check(len(taken) >= BOOKS, str(taken))
            check(len(set(taken)) == len(taken), f"a ledger number was taken twice: {sorted(taken)}")
            server.stop()
        check(meridian.verify(binary, data)["sound"], f"round {number}")


meridian.main(test)
