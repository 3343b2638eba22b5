"""Nine replicas in three regions 40 ms apart: kill -9 of the leader, then of a whole region.

A quorum of five lives on either way. Prints how long it took until a transfer was acknowledged
again.
"""

import time

import cluster
from cluster import check
from load import Load

DELAY_MS = 40  # one way, between regions and within: every link is held back
BOUND_MS = 3000


def test(binary, work):
    with Load(binary, work, "nine", "--link-delay", str(DELAY_MS), clients=9, count=9) as load:
        leader = load.cell.node(load.log.wait_for(50))
        leader.kill()
        times = [load.log.resumed_after(time.monotonic())]
        leader.start()
        load.log.wait_for(50)

        leader = load.log.wait_for(50)
        region = [node for node in load.cell.nodes if (node.number - leader) % 3 == 0]
        for node in region:
            node.kill()
        times.append(load.log.resumed_after(time.monotonic()))
        load.log.wait_for(50)
        for node in region:
            node.start()
        load.log.wait_for(50)
    for what, seconds in zip(("the leader", "the leader's region"), times):
        print(f"killed {what} of nine replicas {DELAY_MS} ms apart: acknowledged again after "
              f"{seconds * 1000:.0f} ms")
        check(seconds * 1000 <= BOUND_MS, f"that is more than {BOUND_MS} ms")
    print(load.summary())


cluster.main(test)
