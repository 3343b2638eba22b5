"""Backups: made of a stopped ledger, proven without it, restored into a ledger that goes on; forgotten
persons stay forgotten; a log never signs a smaller tree."""

import json
import shutil
import subprocess

import meridian
from meridian import check


class Place:
    """A ledger, its backup and the backup's keys."""

    def __init__(self, binary, work, name):
        self.binary = binary
        self.data = work / name
        self.backup = work / f"{name}-backup"
        self.keys = work / f"{name}-keys"
        self.passphrase = work / "backup-passphrase"
        self.passphrase.write_text("correct horse battery\n")

    def run(self, act, *more, expect=0, keys=None, backup=None):
        flag = "--to" if act == "create" else "--from"
        return meridian.run(self.binary, "backup", act, flag, backup or self.backup, "--keys",
                            keys or self.keys, "--backup-passphrase-file", self.passphrase, *more,
                            expect=expect)

    def create(self, *more):
        return json.loads(self.run("create", "--data", self.data, "--json", *more))

    def verify(self):
        return json.loads(self.run("verify", "--json"))

    def restore(self, to, *more):
        return json.loads(self.run("restore", "--data", to, "--json", *more))

    def refusal(self, act, *more, code=1, **named):
        """What it says as it refuses."""
        flag = "--to" if act == "create" else "--from"
        done = subprocess.run(
            list(map(str, [self.binary, "backup", act, flag, named.get("backup", self.backup),
                           "--keys", named.get("keys", self.keys), "--backup-passphrase-file",
                           named.get("passphrase", self.passphrase), *more])),
            capture_output=True, text=True, timeout=300)
        check(done.returncode == code, f"{act}: exit code {done.returncode}, not {code}: {done.stderr}")
        return done.stderr


def open_accounts(server):
    for number in (1, 2):
        server.run("account", "create", "--id", number, "--ledger", 978, "--code", 1)


def transfer(server, identity):
    server.json("transfer", "--id", identity, "--debit", 1, "--credit", 2, "--amount", 1,
                "--ledger", 978, "--code", 1)


def debits(server):
    return int(server.json("account", "show", 1)["debits_posted"])


def append(server, subject, text):
    server.run("append", "visits", "visit", text, "--subject", subject)


def read(server):
    return server.run("read", "visits", "--json")


def everything(binary, work):
    place = Place(binary, work, "ledger")
    with meridian.Server(binary, place.data) as server:
        open_accounts(server)
        for number in range(10, 20):
            transfer(server, number)
        append(server, "Ada", '"came at nine"')
        append(server, "Bob", '"came at ten"')
        server.run("log", "checkpoint")
        check("stop it" in place.refusal("create", "--data", place.data), "a running one is refused")
        server.stop()
    before = {path: path.read_bytes() for path in place.data.rglob("*") if path.is_file()}
    made = place.create()
    check(made["new_records"] == made["records"] > 12 and made["signed_records"] > 12, str(made))
    after = {path: path.read_bytes() for path in place.data.rglob("*") if path.is_file()}
    check(before == after, "nothing was written to the ledger")
    seen = place.verify()
    check(seen["root"] == made["root"] and not seen["keys_expired"], str(seen))

    # More of it: only that is written.
    with meridian.Server(binary, place.data) as server:
        for number in range(20, 24):
            transfer(server, number)
        server.run("subject", "forget", "Ada")
        server.run("log", "checkpoint")
        server.stop()
    old_keys, old_backup = work / "old-keys", work / "old-backup"
    shutil.copytree(place.keys, old_keys)
    shutil.copytree(place.backup, old_backup)
    more = place.create()
    check(more["records_before"] == made["records"], str(more))
    check(5 <= more["new_records"] <= 8 and more["record_bytes"] < made["record_bytes"], str(more))
    same = place.create()
    check(same["new_records"] == 0 and same["record_bytes"] == 0, str(same))
    check(place.verify()["root"] == more["root"] == meridian.verify(binary, place.data)["root"], "root")

    # The lost directory's signed head is at hand: the log goes on.
    whole = work / "whole"
    back = place.restore(whole, "--last-signed", place.data / "cosigned")
    check(not back["new_generation"] and back["lost"] is None and back["findings"] == 0, str(back))
    check((whole / "cosigned").exists() and not (whole / "restoring").exists(), "finished")
    with meridian.Server(binary, whole) as server:
        check(debits(server) == 14, "balances")
        transfer(server, 15)
        check(debits(server) == 14, "ids are known")
        check("came at ten" in read(server) and "came at nine" not in read(server), "forgotten")
        server.stop()
    check(meridian.verify(binary, whole)["generation"] == 1, "the same generation")

    # With keys from before she was forgotten, and nothing known of what was signed last.
    older = work / "older"
    back = json.loads(place.run("restore", "--data", older, "--json", keys=old_keys))
    check(back["erased_subjects"] == 1, "forgotten again: " + str(back))
    check(back["new_generation"] and back["generation"] == 2 and back["lost"] is None, str(back))
    report = meridian.verify(binary, older)
    check(report["sound"] and report["generation"] == 2 and report["recorded_losses"] == [], str(report))
    with meridian.Server(binary, older) as server:
        check("came at ten" in read(server) and "came at nine" not in read(server), "forgotten")
        transfer(server, 40)
        check(debits(server) == 15, "it goes on")
        server.stop()
    check(meridian.verify(binary, older)["sound"], "after going on")

    # An old backup under the keys of today, which know that she was forgotten.
    aged = work / "aged"
    back = json.loads(place.run("restore", "--data", aged, "--json", backup=old_backup))
    check(back["owed_records"] == 1 and back["findings"] == 0 and back["new_generation"], str(back))
    report = meridian.verify(binary, aged)
    check(report["sound"] and report["payloads_forgotten"] == 1 and report["payloads_opened"] == 1, str(report))
    with meridian.Server(binary, aged) as server:
        check("came at ten" in read(server) and "came at nine" not in read(server), "forgotten")
        server.run("append", "visits", "visit", '"again"', "--subject", "Ada", expect=1)
        server.stop()
    (aged / "keys" / "owed.records").unlink()  # nothing is owed any more: it stands in a record
    report = meridian.verify(binary, aged)
    check(report["sound"] and report["payloads_forgotten"] == 1, str(report))

    # A backup of the new generation, restored once more.
    again = Place(binary, work, "older")
    again.create()
    check(again.verify()["generation"] == 2, "of the second generation")
    last = work / "last"
    back = again.restore(last, "--last-signed", older / "cosigned")
    check(back["generation"] == 2 and not back["new_generation"], str(back))
    check(meridian.verify(binary, last)["sound"], "with the evidence of the first generation")


def lost_records(binary, work):
    """The ledger signed more than the backup holds: what is lost is named and recorded."""
    place = Place(binary, work, "lossy")
    with meridian.Server(binary, place.data) as server:
        open_accounts(server)
        transfer(server, 10)
        server.run("log", "checkpoint")
        server.stop()
    records = place.create()["records"]
    with meridian.Server(binary, place.data) as server:
        for number in range(20, 23):
            transfer(server, number)
        server.run("log", "checkpoint", "-o", work / "newest-note")
        server.stop()
    for name, known in (("by-head", place.data / "cosigned"), ("by-note", work / "newest-note")):
        back = place.restore(work / name, "--last-signed", known)
        check(back["new_generation"] and back["lost"]["first"] == records, str(back))
        check(back["lost"]["last"] - back["lost"]["first"] == 2, str(back))
        report = meridian.verify(binary, work / name)
        check(report["sound"] and len(report["recorded_losses"]) == 1, str(report))
        with meridian.Server(binary, work / name) as server:
            check(debits(server) == 1, "what survived")
            server.stop()


def refusals(binary, work):
    place = Place(binary, work, "ledger")
    said = place.refusal("restore", "--data", work / "whole")
    check("not empty" in said, said)
    wrong = work / "wrong-passphrase"
    wrong.write_text("not this one at all\n")
    said = place.refusal("verify", passphrase=wrong)
    check("passphrase" in said, said)
    said = place.refusal("create", "--data", work / "older", backup=work / "lossy-backup",
                         keys=work / "lossy-keys")
    check("another cell" in said, said)
    said = place.refusal("verify", backup=work / "nothing-here")
    check("there is no directory" in said, said)
    said = place.refusal("restore", "--data", work / "never", "--last-signed",
                         work / "newest-note")
    check("is a checkpoint of meridian/" in said, said)

    # Damage, bit by bit, is found and named.
    for path in ("headers/0000000000000000.seg", "payloads/0000000000000000.seg", "state/MANIFEST"):
        copy = work / "damaged"
        shutil.copytree(place.backup, copy)
        content = bytearray((copy / path).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / path).write_bytes(content)
        place.refusal("verify", backup=copy, code=4)
        if path == "state/MANIFEST":  # of a ledger this small, the log alone gives every record
            place.refusal("restore", "--data", work / "of-damaged", backup=copy, code=4)
        shutil.rmtree(work / "of-damaged", ignore_errors=True)
        shutil.rmtree(copy)
    logs = list((place.backup / "log").iterdir())
    check(len(logs) == 1, str(logs))


def test(binary, work):
    everything(binary, work)
    lost_records(binary, work)
    refusals(binary, work)


meridian.main(test)
