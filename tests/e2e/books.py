"""Imports every book at hand: balances equal the expected ones, importing again changes nothing."""

import meridian
from meridian import check


def books():
    for journal in sorted(meridian.SAMPLES.glob("*.journal")):
        yield journal, meridian.SAMPLES / "expected" / (journal.stem + ".tsv")
    shared = meridian.shared_journals()
    if shared:
        for journal in sorted(shared.glob("*.journal")):
            yield journal, shared / "expected" / (journal.stem + ".hledger.tsv")


def without_conversions(text):
    return sorted(line for line in text.splitlines() if not line.lower().startswith("equity:conversion"))


def test(binary, work):
    for journal, expected in books():
        data = work / journal.stem
        with meridian.Server(binary, data) as server:
            first = server.json("import", "journal", journal)
            check(first["posted"] == first["transactions"] > 0, f"{journal}: {first}")
            balances = server.run("balances", "--format", "tsv")
            check(without_conversions(expected.read_text()) == balances.splitlines(),
                  f"{journal}: the balances are not those of {expected}")

            records = server.json("status")["records"]
            again = server.json("import", "journal", journal)
            check(again["posted"] == 0 and again["known"] == first["transactions"], str(again))
            check(server.json("status")["records"] == records, "importing again wrote records")
            check(server.run("balances", "--format", "tsv") == balances, "balances changed")
            server.stop()
        report = meridian.verify(binary, data)
        check(report["sound"] and report["transfers"] == first["transfers"], str(report))
        print(f"{journal.name}: {first['transactions']} transactions, {first['seconds']:.2f} s")


meridian.main(test)
