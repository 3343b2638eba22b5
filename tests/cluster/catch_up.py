"""A replica is down until the others have released their log: it copies a state and goes on.

A small log and frequent checkpoints (hidden flags of serve) make that soon. The load goes on while
the state is copied.
"""

import subprocess
import time

import cluster
from cluster import check
from load import Load

SMALL_LOG = ("--test-checkpoint-interval", "20000", "--test-wal-file-size", str(1 << 20))
LOAD = 150_000


def bulk(binary, cell, count):
    subprocess.run([binary, "bench", "transfers", "--count", str(count), "--batch", "1000",
                    "--accounts", "100", "--timeout", "120", "--server", cell.servers()],
                   check=True, stdout=subprocess.DEVNULL, timeout=600)


def test(binary, work):
    with Load(binary, work, "catch_up", *SMALL_LOG, clients=2) as load:
        leader = load.log.wait_for(50)
        away = next(node for node in load.cell.nodes if node.number != leader)
        away.kill()
        before = away.log()
        bulk(binary, load.cell, LOAD)
        began = time.monotonic()
        away.start()
        said = "the state of replica"
        while said not in away.log()[len(before):] or " is here" not in away.log()[len(before):]:
            check(time.monotonic() < began + 240, f"no state was copied, see {away.log_path}")
            time.sleep(0.05)
        seconds = time.monotonic() - began
        load.log.wait_for(50)
    print(f"replica {away.number} copied the state {seconds:.1f} s after its start; {load.summary()}")


cluster.main(test)
