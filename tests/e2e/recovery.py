"""What a crash or an old backup leaves: records in the log only, records that are lost, a new
generation that names them, and ledgers that go on."""

import json
import shutil
import subprocess

import meridian
from meridian import check


def transfer(server, identity, amount=1):
    return server.json("transfer", "--id", identity, "--debit", 1, "--credit", 2, "--amount", amount,
                       "--ledger", 978, "--code", 1)


def open_accounts(server):
    for number in (1, 2):
        server.run("account", "create", "--id", number, "--ledger", 978, "--code", 1)


def debits(server):
    return int(server.json("account", "show", 1)["debits_posted"])


def refuses(binary, data):
    done = subprocess.run([binary, "serve", "--data", data, "--dev", "--grpc", "127.0.0.1:0",
                           "--http", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
    check(done.returncode != 0, "it must not start")
    return done.stderr


def log_only(binary, work):
    """Segments are cut to nothing: the log alone gives every record, and the signed root."""
    data = work / "log-only"
    with meridian.Server(binary, data) as server:
        open_accounts(server)
        for number in range(10, 30):
            transfer(server, number)
        server.run("log", "checkpoint")
        server.stop()
    before = meridian.verify(binary, data)
    check(before["sound"] and before["log_executed"] and before["log_only_records"] == 0, str(before))
    check(before["log_records_compared"] == before["records"], str(before))
    for folder in ("headers", "payloads", "tiles"):
        shutil.rmtree(data / folder)
    after = meridian.verify(binary, data)
    check(after["sound"], str(after))
    check(after["log_only_records"] == after["records"] == before["records"], str(after))
    check(after["root"] == before["root"] and after["transfers"] == before["transfers"], str(after))


def damaged_slot(binary, work):
    """One bit of a slot of `cosigned`: damage to `verify`, a notice from `serve`."""
    data = work / "slot"
    with meridian.Server(binary, data) as server:
        open_accounts(server)
        for number in range(10, 14):
            transfer(server, number)
            server.run("log", "checkpoint")
        server.stop()
    for at in (8, 20, 70, 300, 512 + 8, 512 + 30, 512 + 400):
        copy = work / "slot-copy"
        shutil.copytree(data, copy)
        content = bytearray((copy / "cosigned").read_bytes())
        content[at] ^= 4
        (copy / "cosigned").write_bytes(content)
        report = meridian.verify(binary, copy, expect=4)
        said = " ".join(finding["what"] for finding in report["list"])
        check(f"slot {at // 512} of" in said, f"byte {at}: {said}")
        with meridian.Server(binary, copy) as server:
            check(debits(server) == 4, "it goes on")
            server.stop()
        log = (work / "slot-copy.log").read_text()
        check(f"slot {at // 512} of" in log, f"byte {at}: no notice\n{log}")
        (work / "slot-copy.log").unlink()
        shutil.rmtree(copy)


def old_backup(binary, work):
    """An older copy under a newer signed head: what is lost is named, accepted and recorded."""
    data, older = work / "ledger", work / "older"
    with meridian.Server(binary, data) as server:
        open_accounts(server)
        for number in range(10, 20):
            transfer(server, number)
        server.run("log", "policy", "-o", work / "policy")
        server.run("receipt", "get", "--transfer", 15, "-o", work / "old.tlog-proof")
        server.stop()
    shutil.copytree(data, older)
    with meridian.Server(binary, data) as server:
        for number in range(20, 25):
            transfer(server, number)
        server.run("log", "checkpoint")
        server.stop()
    sound = json.loads(meridian.run(binary, "recovery", "inspect", "--data", data, "--json"))
    check(sound["lost"] is None and not sound["damage"], str(sound))
    meridian.run(binary, "recovery", "new-generation", "--data", data, expect=1)

    shutil.copy(data / "cosigned", older / "cosigned")
    check("recovery inspect" in refuses(binary, older), "the refusal says what to do")
    seen = json.loads(meridian.run(binary, "recovery", "inspect", "--data", older, "--json", expect=4))
    lost = seen["lost"]
    check(lost["count"] == 5 and seen["can_open_generation"], str(seen))
    accepted = f"{lost['first']}..{lost['last']}"
    common = ("recovery", "new-generation", "--data", older)
    meridian.run(binary, *common, expect=1)
    meridian.run(binary, *common, "--accept-loss", f"{lost['first']}..{lost['last'] + 1}", expect=1)
    # As if it had served people who are known: two of them are asked for.
    known = older / "second-person"
    known.write_text(json.dumps({"identity": "/nowhere", "policy": "meridian-policy: 1\n"}))
    asked = subprocess.run([binary, *map(str, common), "--accept-loss", accepted], capture_output=True, text=True)
    check(asked.returncode == 1 and f'{{"generation":"2","lost":"{accepted}"}}' in asked.stderr, asked.stderr)
    known.unlink()
    check(not (older / "generation").exists(), "a refusal changes nothing")
    opened = json.loads(meridian.run(binary, *common, "--accept-loss", accepted, "--json"))
    check(opened["generation"] == 2 and opened["origin"].endswith("/2"), str(opened))

    report = meridian.verify(binary, older)
    check(report["sound"] and report["generation"] == 2, str(report))
    check(report["recorded_losses"] == [{"generation": 2, "record": opened["record"],
                                         "first": lost["first"], "last": lost["last"]}], str(report))
    with meridian.Server(binary, older) as server:
        check(debits(server) == 10, "balances are those of what survived")
        transfer(server, 15)  # survived: recognised
        check(debits(server) == 10, "an id that survived happens once")
        transfer(server, 22)  # lost: carried out again
        check(debits(server) == 11, "a lost command may be sent again")
        check(len(server.run("account", "statement", 1, "--json").splitlines()) == 11, "history")
        server.run("log", "policy", "-o", work / "policy-2")
        for identity in (15, 22):
            server.run("receipt", "get", "--transfer", identity, "-o", work / "new.tlog-proof")
            meridian.run(binary, "receipt", "verify", work / "new.tlog-proof", "--policy",
                         work / "policy-2")
        server.stop()
    meridian.run(binary, "receipt", "verify", work / "old.tlog-proof", "--policy", work / "policy")
    check(meridian.verify(binary, older)["sound"], "after going on")


def lost_log(binary, work):
    """The log's tail is gone; segments and signed head are there: what they hold is kept."""
    data = work / "lost-log"
    with meridian.Server(binary, data) as server:
        open_accounts(server)
        server.stop()
    shutil.copytree(data / "wal", work / "older-wal")
    with meridian.Server(binary, data) as server:
        transfer(server, 10)
        server.run("log", "checkpoint")
        server.stop()
    shutil.rmtree(data / "wal")
    shutil.copytree(work / "older-wal", data / "wal")
    segment = (data / "headers" / "0000000000000000.seg").read_bytes()
    seen = json.loads(meridian.run(binary, "recovery", "inspect", "--data", data, "--json", expect=4))
    lost = seen["lost"]
    check(lost == {"first": 3, "last": 3, "count": 1}, str(seen))
    check(seen["records_in_segments"] == 4 and seen["can_open_generation"], str(seen))
    meridian.run(binary, "recovery", "new-generation", "--data", data, "--accept-loss", "3..3")
    kept = data / "generations" / "1" / "headers" / "0000000000000000.seg"
    check(kept.read_bytes() == segment, "the lost record can still be read")
    check(meridian.verify(binary, data)["sound"], "and the ledger goes on")
    for path in (data / "wal").iterdir():
        path.unlink()
    seen = json.loads(meridian.run(binary, "recovery", "inspect", "--data", data, "--json", expect=4))
    check(seen["lost"]["first"] == 0 and not seen["can_open_generation"], str(seen))


def interrupted(binary, work):
    """Stopped after it was decided: serve refuses, the same command goes on."""
    data = work / "ledger-2"
    with meridian.Server(binary, data) as server:
        open_accounts(server)
        server.stop()
    older = work / "older-2"
    shutil.copytree(data, older)
    with meridian.Server(binary, data) as server:
        transfer(server, 10)
        server.run("log", "checkpoint")
        server.stop()
    shutil.copy(data / "cosigned", older / "cosigned")
    seen = json.loads(meridian.run(binary, "recovery", "inspect", "--data", older, "--json", expect=4))
    accepted = f"{seen['lost']['first']}..{seen['lost']['last']}"
    kept = older / "generations" / "1"
    kept.mkdir(parents=True)
    shutil.copy(older / "cosigned", kept / "cosigned")
    (older / "generation").write_text(
        f"2 opening {seen['lost']['first']} {seen['signed_records']} {seen['signed_root']}\n")
    check("is not open yet" in refuses(binary, older), "serve refuses meanwhile")
    meridian.run(binary, "recovery", "new-generation", "--data", older, "--accept-loss", "0..1", expect=1)
    meridian.run(binary, "recovery", "new-generation", "--data", older, "--accept-loss", accepted)
    report = meridian.verify(binary, older)
    check(report["sound"] and report["generation"] == 2, str(report))


def test(binary, work):
    log_only(binary, work)
    damaged_slot(binary, work)
    old_backup(binary, work)
    lost_log(binary, work)
    interrupted(binary, work)


meridian.main(test)
