"""kill -9 under load, again and again: nothing acknowledged is lost, nothing happens twice.

MERIDIAN_KILL_ROUNDS says how often (5). Half of the rounds kill an import in the middle and finish
it afterwards.
"""

import os
import random
import subprocess
import time

import meridian
from meridian import check

ROUNDS = int(os.environ.get("MERIDIAN_KILL_ROUNDS", "5"))


def load_round(binary, server, source, acknowledged, number):
    """Single transfers from one client, each printed when it is acknowledged."""
    deadline = time.monotonic() + 0.3 + source.random()
    last = 0
    while time.monotonic() < deadline:
        last += 1
        identity = (number + 1) * 1_000_000 + last
        server.run("transfer", "--id", identity, "--debit", 1, "--credit", 2, "--amount", 1,
                   "--ledger", 978, "--code", 1)
        acknowledged.append(identity)
    load = subprocess.Popen([binary, "bench", "transfers", "--count", "5000000", "--batch", "200",
                             "--accounts", "100", "--timeout", "5", "--server", server.grpc],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.2 + source.random())
    server.kill()
    load.wait(timeout=60)


def import_round(binary, server, source, journal):
    importing = subprocess.Popen([binary, "import", "journal", journal, "--timeout", "3", "--server",
                                  server.grpc], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.02 + 0.2 * source.random())
    server.kill()
    importing.wait(timeout=60)


def test(binary, work):
    data = work / "ledger"
    source = random.Random(7)
    shared = meridian.shared_journals()
    journal = (shared / "3_hledger_bcexample.journal") if shared else meridian.SAMPLES / "household.journal"
    expected = (shared / "expected" / "3_hledger_bcexample.hledger.tsv") if shared else \
        meridian.SAMPLES / "expected" / "household.tsv"
    acknowledged = []
    receipts = []
    with meridian.Server(binary, data) as server:
        for number in (1, 2):
            server.run("account", "create", "--id", number, "--ledger", 978, "--code", 1)
        server.run("log", "policy", "-o", work / "policy")
        server.stop()
    for number in range(ROUNDS):
        with meridian.Server(binary, data) as server:
            if number % 2 == 0:
                load_round(binary, server, source, acknowledged, number)
            else:
                import_round(binary, server, source, journal)
        with meridian.Server(binary, data) as server:
            shown = server.json("account", "show", 1)
            check(int(shown["debits_posted"]) == len(acknowledged),
                  f"round {number}: {shown['debits_posted']} posted, {len(acknowledged)} acknowledged")
            for identity in acknowledged[-3:]:
                server.run("transfer", "--show", identity)
            receipt = work / f"{number}.tlog-proof"
            server.run("receipt", "get", "--transfer", acknowledged[-1], "-o", receipt)
            receipts.append(receipt)
            server.stop()
        for receipt in receipts:
            meridian.run(binary, "receipt", "verify", receipt, "--policy", work / "policy")
        report = meridian.verify(binary, data)
        check(report["sound"], f"round {number}: {report}")
    with meridian.Server(binary, data) as server:
        server.run("import", "journal", journal)
        lines = sorted(line for line in expected.read_text().splitlines()
                       if not line.lower().startswith("equity:conversion"))
        check(server.run("balances", "--format", "tsv").splitlines() == lines,
              "an import that was killed and repeated gives other balances")
        server.stop()
    check(meridian.verify(binary, data)["sound"], "at the end")
    print(f"{ROUNDS} rounds, {len(acknowledged)} single transfers acknowledged")


meridian.main(test)
