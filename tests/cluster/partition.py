"""Links between replicas are cut under load: nothing acknowledged is lost, and it goes on elsewhere.

Three kinds in turn, MERIDIAN_CLUSTER_ROUNDS in all (3): the leader cut off from both others, though
clients still reach it; cut off one way, its messages lost and those of the others arriving; the link
between the leader and one follower cut. Prints how long it took until a transfer was acknowledged
again, in the first two by another replica.
"""

import time

import cluster
import links
from load import Load

ROUNDS = cluster.environment("MERIDIAN_CLUSTER_ROUNDS", 3)
OFF, OFF_ONE_WAY, ONE_LINK = "cut off", "cut off one way", "cut from one follower"


def cut(net, kind, leader, others):
    for other in others[:1] if kind == ONE_LINK else others:
        if kind == OFF_ONE_WAY:
            net.cut_way(leader, other)
        else:
            net.cut(leader, other)


def test(binary, work):
    net, times = links.Links(), []
    with Load(binary, work, "partition", within=links.within) as load:
        for number in range(ROUNDS):
            kind = (OFF, OFF_ONE_WAY, ONE_LINK)[number % 3]
            leader = load.cell.node(load.log.wait_for(50))
            others = [node for node in load.cell.nodes if node is not leader]
            began = time.monotonic()
            cut(net, kind, leader, others)
            times.append(load.log.resumed_after(
                began, by_other_than=None if kind == ONE_LINK else leader.number))
            print(f"round {number + 1}: replica {leader.number} {kind}, acknowledged again after "
                  f"{times[-1] * 1000:.0f} ms", flush=True)
            load.log.wait_for(50)
            net.heal()
            load.log.wait_for(50)
    print(f"{ROUNDS} partitions: {load.summary()}; resumed after "
          f"{cluster.median(times) * 1000:.0f} ms (median), {max(times) * 1000:.0f} ms (longest)")


if links.is_possible():
    links.enter()
    cluster.main(test)
else:
    print("skipped: no namespace with a firewall can be made here (root, iproute2, nftables)")
