"""SIGSTOP of the leader under load: another takes over, and the old one, woken, does no harm.

MERIDIAN_CLUSTER_ROUNDS says how often (2).
"""

import time

import cluster
import history
from load import Load

ROUNDS = cluster.environment("MERIDIAN_CLUSTER_ROUNDS", 2)


def test(binary, work):
    times = []
    with Load(binary, work, "pause") as load:
        for number in range(ROUNDS):
            leader = load.cell.node(load.log.wait_for(50))
            leader.pause()
            times.append(load.log.resumed_after(time.monotonic(), by_other_than=leader.number))
            load.log.wait_for(50)
            leader.go_on()
            load.log.wait_for(50)
            print(f"round {number + 1}: stopped replica {leader.number}, acknowledged again after "
                  f"{times[-1] * 1000:.0f} ms", flush=True)
    print(f"{ROUNDS} stops: {load.summary()}; resumed after "
          f"{cluster.median(times) * 1000:.0f} ms (median), {max(times) * 1000:.0f} ms (longest), "
          f"clients' own patience of {history.ATTEMPT_TIMEOUT:.0f} s with the stopped one included")


cluster.main(test)
