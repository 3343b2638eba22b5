"""A replica is down until the others have released their log: it copies a state and goes on.

A small log and frequent checkpoints (hidden flags of serve) make that soon. The load goes on while
the state is copied.
"""

import subprocess
import time

import cluster
import history
from cluster import check

SMALL_LOG = ("--test-checkpoint-interval", "20000", "--test-wal-file-size", str(1 << 20))
LOAD = 150_000


def bulk(binary, cell, count):
    subprocess.run([binary, "bench", "transfers", "--count", str(count), "--batch", "1000",
                    "--accounts", "100", "--timeout", "120", "--server", cell.servers()],
                   check=True, stdout=subprocess.DEVNULL, timeout=600)


def test(binary, work):
    with cluster.Cluster(binary, work, *SMALL_LOG) as cell:
        cell.start()
        history.make_accounts(cell)
        log = history.History()
        clients = history.Clients(cell, log, count=2)
        leader = log.wait_for(50)
        away = next(node for node in cell.nodes if node.number != leader)
        away.kill()
        before = away.log()
        bulk(binary, cell, LOAD)
        began = time.monotonic()
        away.start()
        said = "the state of replica"
        while said not in away.log()[len(before):] or " is here" not in away.log()[len(before):]:
            check(time.monotonic() < began + 240, f"no state was copied, see {away.log_path}")
            time.sleep(0.05)
        seconds = time.monotonic() - began
        log.wait_for(50)
        clients.stop()
        cluster.dump(work.parent / "catch_up.history.jsonl", log.rows)
        cell.wait_even()
        acknowledged = history.check_all_there(cell, log)
        cell.stop()
        records = cell.verify()
    print(f"replica {away.number} copied the state {seconds:.1f} s after its start; {acknowledged} "
          f"acknowledged, 0 lost, 0 twice; {records} records with one root on 3 replicas")


cluster.main(test)
