"""kill -9 of the leader under load, again and again: nothing acknowledged is lost or done twice.

MERIDIAN_CLUSTER_ROUNDS says how often (3), MERIDIAN_CLUSTER_DELAY how many ms the replicas are apart
one way (0). Prints for each kill how long it took until a transfer
was acknowledged again.
"""

import time

import cluster
from load import Load

ROUNDS = cluster.environment("MERIDIAN_CLUSTER_ROUNDS", 3)
DELAY = cluster.environment("MERIDIAN_CLUSTER_DELAY", 0)


def test(binary, work):
    times = []
    with Load(binary, work, "kill", "--link-delay", str(DELAY)) as load:
        for number in range(ROUNDS):
            leader = load.cell.node(load.log.wait_for(50))
            leader.kill()
            times.append(load.log.resumed_after(time.monotonic()))
            print(f"round {number + 1}: killed replica {leader.number}, acknowledged again after "
                  f"{times[-1] * 1000:.0f} ms", flush=True)
            load.log.wait_for(50)
            leader.start()
    print(f"{ROUNDS} kills: {load.summary()}; resumed after "
          f"{cluster.median(times) * 1000:.0f} ms (median), {max(times) * 1000:.0f} ms (longest)")


cluster.main(test)
