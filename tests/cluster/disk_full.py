"""Disks run full under load, first the leader's, then a follower's: nothing acknowledged is lost.

Each replica has a small file system of its own, which a file fills. The leader then refuses writes
while it still has room for what goes on by itself, and takes them again once there is room. A
follower's log takes nothing below half of that: it says so, the others go on, and once it has room
it is even with them again. With no room at all it closes, and opens by itself once there is some.
"""

import subprocess
import time

import cluster
import history
import volumes
from cluster import check
from load import Load

PATIENCE = 60
PROBE = 99  # the id of a transfer that no client sends


def wait_refused(node, log):
    """Until `node` says that its disk is full; a transfer that it took before that counts too."""
    log.begin(PROBE)
    end = time.monotonic() + PATIENCE
    while True:
        status, reply = history.call(node, "POST", "/v1/transfers", history.transfer_body(PROBE))
        if status == 429 or (status == 503 and "disk" in str(reply)):
            return reply["error"]["message"]
        check(time.monotonic() < end, f"node {node.number} does not refuse: {status} {reply}")
        time.sleep(0.05)


def group_of(node):
    status = history.get(node, "/v1/status")
    return status and status["group"]


def wait_until(what, condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < end, what)
        time.sleep(0.1)


def is_even(node, leader):
    """Whether `node` has applied what `leader` had committed just before."""
    committed = int(group_of(leader)["commit_index"])
    group = group_of(node)
    return group is not None and int(group["applied_index"]) >= committed


def test(binary, work):
    with volumes.Volumes(work, ["node-1", "node-2", "node-3"], mebibytes=1024) as disks, \
            Load(binary, work, "disk_full", "--test-wal-file-size", str(1 << 20)) as load:
        leader = load.cell.node(load.log.wait_for(50))
        # Above what its log leaves: below that it would hand over, and might before it refuses.
        disks.fill(leader.data.name, leave_mebibytes=200)
        print("the leader refuses:", wait_refused(leader, load.log), flush=True)
        check(history.get(leader, "/v1/accounts/1") is not None, "a full disk stops reads")
        disks.free(leader.data.name)
        load.log.wait_for(50)

        leader = load.cell.node(load.log.wait_for(50))
        follower = next(node for node in load.cell.nodes if node is not leader)
        disks.fill(follower.data.name, leave_mebibytes=100)
        wait_until("the follower does not say that its disk is full",
                   lambda: group_of(follower)["lacks_room"])
        load.log.wait_for(500)
        check(not is_even(follower, leader), "its log takes entries without room")
        check(group_of(follower)["role"] == "follower", f"{group_of(follower)}")
        disks.free(follower.data.name)
        wait_until("a follower with room again stays behind", lambda: is_even(follower, leader))
        check(not group_of(follower)["lacks_room"], "it still says that its disk is full")

        disks.fill(follower.data.name, leave_mebibytes=0)
        load.log.wait_for(500)
        disks.free(follower.data.name)
        wait_until("a follower with room again stays behind", lambda: is_even(follower, leader))
        check(follower.process.poll() is None, "a full disk ended the process of a follower")
        closed = [line for line in follower.log().splitlines() if "closed until" in line]
        print("with no room at all:", closed[-1] if closed else "it waited", flush=True)
    print(load.summary())


if volumes.is_possible():
    volumes.enter()
    cluster.main(test)
else:
    print("skipped: no file system can be mounted here (root is needed)")
