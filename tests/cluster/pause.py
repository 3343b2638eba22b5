"""SIGSTOP of the leader under load: another takes over, and the old one, woken, does no harm.

MERIDIAN_CLUSTER_ROUNDS says how often (2).
"""

import time

import cluster
import history

ROUNDS = cluster.environment("MERIDIAN_CLUSTER_ROUNDS", 2)


def test(binary, work):
    times = []
    with cluster.Cluster(binary, work) as cell:
        cell.start()
        history.make_accounts(cell)
        log = history.History()
        clients = history.Clients(cell, log)
        for number in range(ROUNDS):
            leader = cell.node(log.wait_for(50))
            leader.pause()
            moment = time.monotonic()
            times.append(log.resumed_after(moment, by_other_than=leader.number))
            log.wait_for(50)
            leader.go_on()
            log.wait_for(50)
            print(f"round {number + 1}: stopped replica {leader.number}, acknowledged again after "
                  f"{times[-1] * 1000:.0f} ms", flush=True)
        clients.stop()
        cluster.dump(work.parent / "pause.history.jsonl", log.rows)
        cell.wait_even()
        acknowledged = history.check_all_there(cell, log)
        cell.stop()
        records = cell.verify()
    print(f"{ROUNDS} stops: {acknowledged} acknowledged, 0 lost, 0 twice; {records} records with one "
          f"root on 3 replicas; resumed after {cluster.median(times) * 1000:.0f} ms (median), "
          f"{max(times) * 1000:.0f} ms (longest), clients' own patience of "
          f"{history.ATTEMPT_TIMEOUT:.0f} s with the stopped one included")


cluster.main(test)
