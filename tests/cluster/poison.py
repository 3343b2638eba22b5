"""An entry that no replica can apply: all three stop at it, and again at each start. `recovery skip`,
on all of them while they are stopped, lets the cell go on; a record says that it was skipped.

The entry is planted: with --test-poison-amount, replicas fail an assertion at a transfer of it.
"""

import json
import re
import subprocess
import time

import cluster
import history
from cluster import check, run
from load import Load

AMOUNT = 666
COMMAND = re.compile(r"`meridian recovery skip --data (\S+) --index (\d+) --digest ([0-9a-f]{64})`")


def post_poison(cell):
    body = history.transfer_body(1)
    body["transfers"][0]["amount"] = str(AMOUNT)
    for node in cell.nodes:  # one leads; the others refuse it
        history.call(node, "POST", "/v1/transfers", body)


def wait_aborted(node, patience=60):
    """It fails the assertion. Returns what it says that the operator can do."""
    code = node.process.wait(timeout=patience)
    node._forget()  # pylint: disable=protected-access
    check(code == -6, f"node {node.number} ended with {code}, not by an assertion")
    found = COMMAND.findall(node.log())
    check(found, f"node {node.number} names no command, see {node.log_path}")
    return found[-1]


def skip(binary, directory, index, digest, code=0):
    done = subprocess.run([binary, "recovery", "skip", "--data", directory, "--index", index,
                           "--digest", digest], capture_output=True, text=True, timeout=60)
    print(f"$ meridian recovery skip --data {directory} --index {index} --digest {digest}\n"
          f"{done.stdout}{done.stderr}", flush=True)
    check(done.returncode == code, f"skip ended with {done.returncode}, not {code}")
    return done.stdout + done.stderr


def all_stop(cell):
    """Whoever learns that the entry is committed stops; with nobody left to elect, one may not."""
    said = None
    end = time.monotonic() + 60
    while sum(node.process is not None for node in cell.nodes) > 1:
        check(time.monotonic() < end, "replicas go on with an entry that they cannot apply")
        for node in cell.nodes:
            if node.process is not None and node.process.poll() is not None:
                said = wait_aborted(node)
        time.sleep(0.1)
    for node in cell.nodes:
        if node.process is not None:
            node.kill()
    return said


def test(binary, work):
    with Load(binary, work, "poison", "--test-poison-amount", str(AMOUNT)) as load:
        cell = load.cell
        load.log.wait_for(50)
        post_poison(cell)
        said = all_stop(cell)
        for node in cell.nodes:  # nor does a start help
            node.begin()
        check(all_stop(cell)[1:] == said[1:], "another entry stops them now")
        _, index, digest = said
        wrong = digest[:-1] + ("0" if digest[-1] != "0" else "1")
        why = skip(binary, str(cell.node(1).data), index, wrong, code=1)
        check("nothing was changed" in why, why)
        for node in cell.nodes:
            skip(binary, str(node.data), index, digest)
        for node in cell.nodes:
            node.begin()
        for node in cell.nodes:
            node.wait_ready()
        load.log.wait_for(50)
        log = cell.node(1).log()
        found = re.search(r"entry (\d+) is skipped, as an operator wanted: record (\d+)", log)
        check(found and found.group(1) == index, f"node 1 does not say what it skips: {log[-500:]}")
        record = history.get(cell.node(2), f"/v1/records/{found.group(2)}")
        print(json.dumps(record), flush=True)
        check(record["kind"] == "entry_skipped" and record["entry_digest"] == digest, record)
        receipt = run(binary, "receipt", "get", "--server", cell.servers(), "--record", found.group(2))
        check("tlog-proof" in receipt, receipt)
    print(load.summary())


cluster.main(test)
