"""Accounts, transfers, events, receipts, export, bulk commands, forgetting, exit codes."""

import json
import os
import pathlib
import shutil
import subprocess

import meridian
from meridian import check


def accounts_and_transfers(server):
    for number in (1, 2):
        made = server.json("account", "create", "--id", number, "--ledger", 978, "--code", 10)
        check(made["status"] == "created", str(made))
    server.run("account", "create", "--id", 1, "--ledger", 978, "--code", 10)  # exists: fine
    server.run("account", "create", "--id", 1, "--ledger", 840, "--code", 10, expect=1)
    common = ("--debit", 1, "--credit", 2, "--ledger", 978, "--code", 1)
    check(server.json("transfer", "--id", 7, *common, "--amount", 500)["status"] == "created", "")
    server.run("transfer", "--id", 8, *common, "--amount", 300, "--pending")
    server.run("transfer", "--id", 9, "--post", 8, "--amount", 200)
    refused = server.json("transfer", "--id", 10, "--void", 8, expect=1)
    check(refused["status"] == "pending_transfer_already_posted", str(refused))
    shown = server.json("account", "show", 1)
    check(int(shown["debits_posted"]) == 700 and int(shown["debits_pending"]) == 0, str(shown))
    check(len(server.run("account", "statement", 1, "--json").splitlines()) == 3, "statement")
    check(server.json("outcome", "--transfer", 7)["known"], "outcome")
    check(not server.json("outcome", "--transfer", 999, expect=1)["known"], "outcome")
    server.run("transfer", "--debit", 1, expect=2)
    for malformed in ("x", "0x", "-1", "1.5"):
        server.run("transfer", f"--show={malformed}", expect=2)
        server.run("outcome", f"--event={malformed}", expect=2)


def events(server):
    first = server.json("append", "order-1", "placed", '{"total": 5}', "--subject", "Ada", "--id", 100)
    check(first["status"] == "created" and first["revision"] == "0", str(first))
    check(server.json("append", "order-1", "placed", '{"total": 5}', "--subject", "Ada", "--id",
                      100)["status"] == "exists", "a retry is recognised")
    server.run("append", "order-1", "paid", "{}", "--expect", "none", expect=1)
    server.run("append", "order-1", "paid", "{}", "--expect", "0")
    read = [json.loads(line) for line in server.run("read", "order-1", "--json").splitlines()]
    check([event["type"] for event in read] == ["placed", "paid"], str(read))
    check(read[0]["data"] == {"total": 5}, str(read))
    followed = server.run("subscribe", "order-1", "--limit", 2, "--json").splitlines()
    check(len(followed) == 2, str(followed))


def bulk(server, work):
    lines = [
        '{"create_account":{"id":"21","ledger":5,"code":1}}',
        '',
        '{"transaction":[{"create_account":{"id":"22","ledger":5,"code":1}},'
        '{"create_transfer":{"id":"23","debit_account_id":"21","credit_account_id":"22",'
        '"amount":"12","ledger":5,"code":1}}]}',
        '{"append_event":{"event_id":"24","stream":"order-2","type":"placed","data":{"a":[1]}}}',
        '{"create_transfer":{"id":"25","debit_account_id":"21","credit_account_id":"99",'
        '"amount":"12","ledger":5,"code":1}}',
    ]
    file = work / "bulk.jsonl"
    file.write_text("\n".join(lines) + "\n")
    done = server.json("import", "jsonl", file, expect=1)
    check(done == {"lines": 4, "created": 4, "existing": 0, "refused": 1}, str(done))
    again = server.json("import", "jsonl", file, expect=1)
    check(again["created"] == 0 and again["existing"] == 4, str(again))
    file.write_text(lines[0] + "\n" + '{"create_account":{"id":"31","ledgr":5}}\n')
    done = subprocess.run([server.binary, "import", "jsonl", file, "--server", server.grpc],
                          capture_output=True, text=True)
    check(done.returncode == 1 and "bulk.jsonl:2:" in done.stderr and "ledgr" in done.stderr,
          done.stderr)


def receipts(server, work):
    binary = server.binary
    policy = work / "ledger.policy"
    server.run("log", "policy", "-o", policy)
    check(server.run("log", "key").count("+") >= 2, "log key")
    check(server.run("log", "checkpoint").count("\n") >= 5, "log checkpoint")
    for number, which in enumerate((("--transfer", 7), ("--event", 100), ("--account", 1), ("--record", 0))):
        receipt = work / f"{number}.tlog-proof"
        server.run("receipt", "get", *which, "-o", receipt)
        shown = json.loads(meridian.run(binary, "receipt", "verify", receipt, "--policy", policy, "--json"))
        check(shown["valid"], str(shown))
        judge(receipt, policy)
        bad = work / "bad.tlog-proof"
        for at in range(0, len(receipt.read_bytes()), 97):
            flipped = bytearray(receipt.read_bytes())
            flipped[at] ^= 1
            bad.write_bytes(flipped)
            done = subprocess.run([binary, "receipt", "verify", bad, "--policy", policy],
                                  capture_output=True)
            check(done.returncode in (1, 4), f"byte {at} of {receipt} flipped: exit {done.returncode}")
    server.run("receipt", "get", "--transfer", 424242, "-o", work / "none", expect=1)
    return policy, work / "1.tlog-proof"


def judge(receipt, policy):
    """The verifier that shares no code with us, where its package is installed."""
    script = meridian.SOURCE / "tests" / "interop" / "verify_receipt.py"
    if not script.exists() or subprocess.run(["/usr/bin/python3", "-c", "import cryptography"],
                                             capture_output=True).returncode != 0:
        return
    done = subprocess.run(["/usr/bin/python3", "-B", script, "--policy", policy, receipt],
                          capture_output=True, text=True)
    check(done.returncode == 0, f"{script.name}: {done.stdout}{done.stderr}")


def forgetting(server, policy, receipt):
    check(server.json("subject", "status", "Ada")["known"], "Ada is known")
    erased = server.json("subject", "forget", "Ada")
    check(erased["keys_destroyed"] >= 1, str(erased))
    check(server.json("subject", "status", "Ada")["forgotten"], "Ada is forgotten")
    read = [json.loads(line) for line in server.run("read", "order-1", "--json").splitlines()]
    check(read[0].get("forgotten") is True and "data" not in read[0], str(read[0]))
    meridian.run(server.binary, "receipt", "verify", receipt, "--policy", policy)
    server.run("append", "order-9", "placed", "{}", "--subject", "Ada", expect=1)


def export(server, work):
    target = work / "log"
    first = server.json("log", "export", "--dir", target)
    check(first["fetched"] == first["tree_size"] > 0, str(first))
    server.run("bench", "events", "--count", 700, "--batch", 100, "--accounts", 3)
    second = server.json("log", "export", "--dir", target)
    check(second["tree_size"] >= first["tree_size"] + 700, str(second))
    check((target / "tile" / "0" / "000").stat().st_size == 8192, "a full tile")
    judge_export(server, work, target)
    entries = target / "tile" / "entries" / "000"
    flipped = bytearray(entries.read_bytes())
    flipped[1000] ^= 1
    entries.write_bytes(flipped)
    server.run("log", "export", "--dir", target, expect=4)
    shutil.rmtree(target)


def judge_export(server, work, target):
    """Go's own transparency log packages, where they are installed."""
    go = shutil.which("go")
    packages = pathlib.Path("/usr/share/gocode")
    source = meridian.SOURCE / "tests" / "interop" / "verify_log"
    if not go or not (packages / "src/golang.org/x/mod/sumdb").exists() or not source.exists():
        return
    environment = dict(os.environ, GO111MODULE="off", GOPATH=str(packages), GOTOOLCHAIN="local",
                       GOFLAGS="", GOCACHE=str(work.parent / "go-cache"))
    tool = work / "verify_log"
    subprocess.run([go, "build", "-o", tool, "."], cwd=source, env=environment, check=True)
    (target / "receipts").mkdir()
    for record in (0, 1, 255, 256, 511):
        server.run("receipt", "get", "--record", record, "-o",
                   target / "receipts" / f"{record}.tlog-proof")
    done = subprocess.run([tool, "-flips", "20", target], capture_output=True, text=True)
    check(done.returncode == 0, f"verify_log: {done.stdout}{done.stderr}")


def test(binary, work):
    data = work / "ledger"
    with meridian.Server(binary, data) as server:
        check(server.records_at_start == 1, "a new ledger is begun before it is served")
        accounts_and_transfers(server)
        events(server)
        bulk(server, work)
        policy, receipt = receipts(server, work)
        export(server, work)
        forgetting(server, policy, receipt)
        meridian.run(binary, "verify", "--data", data, expect=1)  # it is being served
        server.stop()
        server.run("status", expect=3)
    report = meridian.verify(binary, data)
    check(report["sound"] and report["payloads_forgotten"] == 1, str(report))
    meridian.run(binary, "verify", "--data", work / "nowhere", expect=1)


meridian.main(test)
