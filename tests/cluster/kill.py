"""kill -9 of the leader under load, again and again: nothing acknowledged is lost or done twice.

MERIDIAN_CLUSTER_ROUNDS says how often (3), MERIDIAN_CLUSTER_DELAY how many ms the replicas are apart
one way (0). Prints for each kill how long it took until a transfer
was acknowledged again: never longer than the bound that the cell exported before.
"""

import time

import cluster
import history
from cluster import check
from load import Load

ROUNDS = cluster.environment("MERIDIAN_CLUSTER_ROUNDS", 3)
DELAY = cluster.environment("MERIDIAN_CLUSTER_DELAY", 0)


def timing(cell):
    """The longest failover bound and election timeout that the replicas export."""
    groups = [status["group"] for status in (history.get(node, "/v1/status") for node in cell.nodes)
              if status]
    return tuple(max(int(group[name]) for group in groups)
                 for name in ("failover_bound_ms", "election_timeout_ms"))


def test(binary, work):
    times = []
    with Load(binary, work, "kill", "--link-delay", str(DELAY)) as load:
        for number in range(ROUNDS):
            leader = load.cell.node(load.log.wait_for(50))
            bound, election = timing(load.cell)
            leader.kill()
            times.append(load.log.resumed_after(time.monotonic()))
            print(f"round {number + 1}: killed replica {leader.number}, acknowledged again after "
                  f"{times[-1] * 1000:.0f} ms (bound {bound} ms, election timeouts {election} ms)",
                  flush=True)
            check(times[-1] * 1000 <= bound, "longer than the failover bound")
            load.log.wait_for(50)
            leader.start()
    print(f"{ROUNDS} kills: {load.summary()}; resumed after "
          f"{cluster.median(times) * 1000:.0f} ms (median), {max(times) * 1000:.0f} ms (longest)")


cluster.main(test)
