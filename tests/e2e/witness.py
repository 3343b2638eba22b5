"""A ledger and a witness as two processes: witnessed receipts, forks, restarts, absence."""

import json
import re
import shutil
import signal
import subprocess
import time
import urllib.request

import meridian
from meridian import check


class Witness:
    def __init__(self, binary, directory, *logs, listen="127.0.0.1:0"):
        self.log_path = f"{directory}.log"
        self.log = open(self.log_path, "ab")
        arguments = [part for log in logs for part in ("--log", log)]
        self.process = subprocess.Popen(
            [binary, "witness", "serve", "--dir", str(directory), "--dev", "--listen", listen,
             *arguments], stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        found = re.match(r"meridian: witness (\S+) at http (\S+) ", line)
        check(found, f"the witness did not start: {line!r}, see {self.log_path}")
        self.name, self.address = found.groups()

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.address}{path}") as reply:
            return reply.read().decode()

    def kill(self):
        self.process.kill()
        self.end()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(timeout=60) == 0, f"see {self.log_path}")
        self.end()

    def end(self):
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen in {seconds} s")


def witness_row(server):
    return server.json("log", "witnesses")["witnesses"][0]


def write(server, name, count=3):
    for number in range(count):
        server.run("append", f"order-{name}", "placed", "{}")


def metric(server, name):
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", meridian.get(server.http, "/metrics"), re.M)
    check(found, f"no metric {name}")
    return float(found[1])


def log_text(server):
    return open(f"{server.data}.log").read()


def level(binary, receipt, policy):
    return json.loads(meridian.run(binary, "receipt", "verify", receipt, "--policy", policy,
                                   "--json"))["level"]


def judge(receipt, policy):
    """The verifier that shares no code with us, where its package is installed."""
    script = meridian.SOURCE / "tests" / "interop" / "verify_receipt.py"
    if subprocess.run(["/usr/bin/python3", "-c", "import cryptography"],
                      capture_output=True).returncode != 0:
        return
    done = subprocess.run(["/usr/bin/python3", "-B", script, "--policy", policy, receipt],
                          capture_output=True, text=True)
    check(done.returncode == 0, f"{script.name}: {done.stdout}{done.stderr}")


def witnessed_receipts(binary, work, server, vkey):
    """A user's way: the ledger's policy, the witness's key from elsewhere, offline."""
    write(server, "a")
    receipt, policy, trusted = work / "a.tlog-proof", work / "ledger.policy", work / "trusted.policy"
    server.run("receipt", "get", "--record", 2, "--witnessed", "-o", receipt)
    server.run("log", "policy", "-o", policy)
    meridian.run(binary, "witness", "policy", policy, "--witness", vkey, "--organisation",
                 "Auditor_Ltd", "-o", trusted)
    check(level(binary, receipt, policy) == "local", "a policy without the witness")
    check(level(binary, receipt, trusted) == "witnessed", "a policy with it")
    judge(receipt, trusted)
    shown = meridian.run(binary, "receipt", "verify", receipt, "--policy", trusted)
    check("An outside witness (Auditor_Ltd) signed" in shown, shown)
    wait_for("the lag ends", lambda: witness_row(server)["lag_records"] == "0")
    check(witness_row(server)["state"] == "cosigning", str(witness_row(server)))
    server.run("receipt", "get", "--record", 1, "-o", receipt)
    check(level(binary, receipt, trusted) == "witnessed", "from then on plain receipts too")
    receipt.write_text(meridian.get(server.http, "/v1/receipts?record=1&witnesses=1"))
    check(level(binary, receipt, trusted) == "witnessed", "over HTTP")
    server.run("receipt", "get", "--record", 1, "--witnesses", 2, expect=1)
    return trusted


def witness_down(binary, work, server, witness, trusted):
    witness.kill()
    write(server, "down")
    wait_for("the notice", lambda: "does not answer" in log_text(server))
    check(witness_row(server)["state"] == "unreachable", str(witness_row(server)))
    newest = server.json("status")["records"]
    receipt = work / "down.tlog-proof"
    server.run("receipt", "get", "--record", int(newest) - 1, "-o", receipt)
    meridian.run(binary, "receipt", "verify", receipt, "--policy", work / "ledger.policy")
    meridian.run(binary, "receipt", "verify", receipt, "--policy", trusted, expect=1)
    check(metric(server, "meridian_witnessing_lag_records") > 0, "the lag shows")
    late = server.run("receipt", "get", "--record", int(newest) - 1, "--witnessed", expect=3)
    check(late == "", "bounded, and nothing half")
    return int(newest) - 1


def witness_is_back(binary, work, server, directory, address, key, record, trusted):
    """It listens where it did and remembers what it cosigned."""
    witness = Witness(binary, directory, key, listen=address)
    receipt = work / "back.tlog-proof"
    server.run("receipt", "get", "--record", record, "--witnessed", "-o", receipt)
    check(level(binary, receipt, trusted) == "witnessed", "witnessed after all")
    rows = json.loads(meridian.run(binary, "witness", "logs", "--dir", directory, "--json"))["logs"]
    check(len(rows) == 1 and int(rows[0]["tree_size"]) > record and not rows[0]["forked"], str(rows))
    return witness


def ledger_restarts(server, binary, data, argument):
    """A new process knows nothing of the witness: it goes on from the size that it names."""
    server.stop()
    again = meridian.Server(binary, data, "--witness", argument)
    write(again, "again")
    wait_for("the witness goes on", lambda: witness_row(again)["lag_records"] == "0")
    check("REFUSES" not in log_text(again), "an honest log is never refused")
    return again


def fork_is_refused(binary, work, witness, argument):
    """`forked` was copied before the ledger went on: it goes another way."""
    with meridian.Server(binary, work / "forked", "--witness", argument) as server:
        wait_for("an old copy is refused",
                 lambda: witness_row(server)["state"] == "refusing")
        check("here are only" in witness_row(server)["problem"], str(witness_row(server)))
        server.run("bench", "events", "--count", 200, "--batch", 100, "--accounts", 3)
        wait_for("the fork is refused",
                 lambda: "do not extend" in witness_row(server)["problem"])
        check("REFUSES to cosign this log" in log_text(server), "the operator is told")
        check(metric(server, "meridian_witnessing_refusing") == 1, "the metric says so")
        server.run("receipt", "get", "--record", 1, "--witnessed", expect=3)
        server.run("append", "order-x", "placed", "{}")  # it still serves; people decide
    check("not shown to extend" in open(witness.log_path).read(), "the witness's operator is told")
    check("meridian_witness_answers_total{verdict=\"inconsistent\"}" in witness.get("/metrics"), "")


def refusals(binary, work, vkey):
    directory = work / "witness"
    meridian.run(binary, "witness", "init", "--dir", directory, "--name", "x", "--dev", expect=1)
    meridian.run(binary, "witness", "init", "--dir", work / "other", "--name", "a b", "--dev", expect=1)
    meridian.run(binary, "witness", "key", "--dir", work / "nowhere", expect=1)
    meridian.run(binary, "witness", "serve", "--dir", directory, "--dev", expect=1)
    meridian.run(binary, "witness", "serve", "--dir", directory, "--dev", "--log", vkey, expect=1)
    meridian.run(binary, "witness", "serve", "--dir", directory, "--dev", "--log", vkey, "--listen",
                 "0.0.0.0:0", expect=1)
    for bad in (vkey, f"https://a={vkey}", "http://a=x"):
        meridian.run(binary, "serve", "--data", work / "unmade", "--dev", "--witness", bad, expect=1)


def test(binary, work):
    data, directory = work / "ledger", work / "witness"
    vkey = meridian.run(binary, "witness", "init", "--dir", directory, "--name",
                        "auditor.example/w1", "--dev").strip()
    check(meridian.run(binary, "witness", "key", "--dir", directory).strip() == vkey, "key")
    refusals(binary, work, vkey)
    with meridian.Server(binary, data) as first:
        write(first, "early")
        key = first.run("log", "key").strip()
        first.run("receipt", "get", "--record", 1, "--witnessed", expect=1)  # it has none
        first.stop()
    shutil.copytree(data, work / "forked")
    with Witness(binary, directory, key) as witness:
        address = witness.address
        argument = f"http://{address}={vkey}"
        with meridian.Server(binary, data, "--witness", argument) as server:
            trusted = witnessed_receipts(binary, work, server, vkey)
            record = witness_down(binary, work, server, witness, trusted)
            with witness_is_back(binary, work, server, directory, address, key, record,
                                 trusted) as witness:
                with ledger_restarts(server, binary, data, argument) as again:
                    again.stop()
                fork_is_refused(binary, work, witness, argument)
                witness.stop()
    report = meridian.verify(binary, data)
    check(report["sound"], str(report))


meridian.main(test)
