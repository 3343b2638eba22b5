"""Events through a change of leader: every replica opens what another sealed, under the same names.

Appends to streams while the leader is killed; then each replica alone, the killed one too, gives
every event back as it was sent, once and in order.
"""

import time

import cluster
import history
from cluster import check

STREAMS = [f"order-{number}" for number in range(5)]
EVENTS = 40  # of each stream
PATIENCE = 60


def append(cell, number, at):
    """Repeats until it is acknowledged. Returns the place in `nodes` of who acknowledged it."""
    stream = STREAMS[number % len(STREAMS)]
    body = {"events": [{"event_id": str(number + 1), "stream": stream, "type": "noted",
                        "data": {"number": number}}]}
    end = time.monotonic() + PATIENCE
    while True:
        node = cell.nodes[at]
        status, reply = history.call(node, "POST", "/v1/events", body) if node.is_up() else (0, None)
        if status == 200:
            name = reply["results"][0]["name"]
            check(name in ("created", "exists"), f"event {number} was refused: {name}")
            return at
        check(status in (0, 429, 503, 504), f"event {number}: HTTP {status} {reply}")
        check(time.monotonic() < end, f"event {number}: not taken for {PATIENCE} s: {status} {reply}")
        at = (at + 1) % len(cell.nodes)
        time.sleep(0.02)


def check_streams(node):
    for place, stream in enumerate(STREAMS):
        page = history.get(node, f"/v1/streams/{stream}?limit=1000", timeout=30.0)
        check(page is not None, f"node {node.number} does not give {stream}")
        numbers = [event["data"]["number"] for event in page["events"]]
        wanted = [n for n in range(EVENTS * len(STREAMS)) if n % len(STREAMS) == place]
        check(numbers == wanted, f"node {node.number}: {stream} holds {numbers}")


def test(binary, work):
    with cluster.Cluster(binary, work) as cell:
        cell.start()
        at = 0
        for number in range(EVENTS * len(STREAMS)):
            if number == EVENTS * len(STREAMS) // 2:
                killed = cell.nodes[at]
                killed.kill()
            at = append(cell, number, at)
        killed.start()
        cell.wait_even()
        for node in cell.nodes:
            check_streams(node)
        cell.stop()
        records = cell.verify()
    print(f"{EVENTS * len(STREAMS)} events in {len(STREAMS)} streams are the same on 3 replicas; "
          f"replica {killed.number} was killed half way; {records} records with one root")


cluster.main(test)
