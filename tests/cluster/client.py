"""The C++ client library against a cell whose replicas are killed and stopped under it.

What it calls done is in the ledger, what it calls not_done is not, and nothing stays unknown; a
balance read through it never goes back.

    client.py MERIDIAN_BINARY WORK_DIR CLIENT_LOAD
"""

import random
import subprocess
import sys
import time

import cluster
import history
import meridian
from cluster import check

SECONDS = cluster.environment("MERIDIAN_CLIENT_SECONDS", 20)


def disturb(cell, end, chance):
    """Kills or stops a replica at a time until `end`; two always run."""
    done = []
    while time.monotonic() < end:
        node = chance.choice(cell.nodes)
        if chance.random() < 0.6:
            node.kill()
            time.sleep(chance.uniform(0.2, 1.5))
            node.start()
            done.append(f"kill {node.number}")
        else:
            node.pause()
            time.sleep(chance.uniform(0.2, 2.0))
            node.go_on()
            done.append(f"stop {node.number}")
        time.sleep(chance.uniform(0.5, 1.5))
    return done


def there(node, identity):
    status, _ = history.call(node, "GET", f"/v1/transfers/{int(identity, 16)}", timeout=10.0)
    check(status in (200, 404), f"transfer {identity}: HTTP {status}")
    return status == 200


def test(binary, work, client_load, is_signed):
    work.mkdir()
    with cluster.Cluster(binary, work) as cell:
        cell.start()
        who = meridian.dev_caller()
        if is_signed:
            who += "@" + history.get(cell.nodes[0], "/v1/status")["cell"]
        with open(work / "client.out", "w+") as out:
            process = subprocess.Popen([client_load, str(SECONDS), who, *[node.grpc for node in cell.nodes]],
                                       stdout=out)
            try:
                done = disturb(cell, time.monotonic() + SECONDS - 3, random.Random(7))
                code = process.wait(timeout=120)
            finally:
                process.kill()
            check(code == 0, f"the client ended with {code}")
            out.seek(0)
            lines = [line.split() for line in out]
        cell.wait_even()
        ends = {}
        for what, state in lines[:-1]:
            check(what not in ends, f"{what} ended twice: {ends.get(what)}, {state}")
            ends[what] = state
        acknowledged = [one for one, state in ends.items() if state == "done"]
        missing = [one for one, state in ends.items() if state == "not_done"]
        check(len(acknowledged) + len(missing) == len(ends), f"other ends: {set(ends.values())}")
        credits = history.get(cell.nodes[0], "/v1/accounts/2")
        posted = int(credits["accounts"][0]["credits_posted"] if "accounts" in credits else credits["credits_posted"])
        check(posted == len(acknowledged), f"{len(acknowledged)} are done, {posted} are posted")
        sample = random.Random(8).sample(acknowledged, min(200, len(acknowledged)))
        check(all(there(cell.nodes[1], one) for one in sample), "a transfer called done is not there")
        check(not any(there(cell.nodes[1], one) for one in missing[:200]), "a transfer called not_done is there")
        cell.stop()
        cell.verify()
    print(f"{'signed: ' if is_signed else ''}{len(acknowledged)} done and there, {len(missing)} not done and not there, after {', '.join(done)}; "
          f"{lines[-1][1]} times it had to ask")


if __name__ == "__main__":
    def both(binary, work):
        for name in ("plain", "signed"):
            test(binary, work / name, sys.argv[3], name == "signed")

    cluster.main(both)
