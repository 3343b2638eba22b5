"""kill -9 of the leader under load, again and again: nothing acknowledged is lost or done twice.

MERIDIAN_CLUSTER_ROUNDS says how often (3). Prints for each kill how long it took until a transfer
was acknowledged again.
"""

import time

import cluster
import history

ROUNDS = cluster.environment("MERIDIAN_CLUSTER_ROUNDS", 3)


def test(binary, work):
    times = []
    with cluster.Cluster(binary, work) as cell:
        cell.start()
        history.make_accounts(cell)
        log = history.History()
        clients = history.Clients(cell, log)
        for number in range(ROUNDS):
            leader = cell.node(log.wait_for(50))
            leader.kill()
            moment = time.monotonic()
            times.append(log.resumed_after(moment))
            print(f"round {number + 1}: killed replica {leader.number}, acknowledged again after "
                  f"{times[-1] * 1000:.0f} ms", flush=True)
            log.wait_for(50)
            leader.start()
        clients.stop()
        cluster.dump(work.parent / "kill.history.jsonl", log.rows)
        cell.wait_even()
        acknowledged = history.check_all_there(cell, log)
        cell.stop()
        records = cell.verify()
    print(f"{ROUNDS} kills: {acknowledged} acknowledged, 0 lost, 0 twice; {records} records with one "
          f"root on 3 replicas; resumed after {cluster.median(times) * 1000:.0f} ms (median), "
          f"{max(times) * 1000:.0f} ms (longest)")


cluster.main(test)
