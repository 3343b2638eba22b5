"""Keys of a cell of several replicas turned over while it runs: `storage` of each by one call to the leader, or of
one alone; `epoch` on all at once. A replica that was down turns the epoch when it is back."""

import json
import subprocess
import time

import cluster
import persons
from cluster import check, run

PATIENCE = 120


def storage(binary, node):
    out = json.loads(run(binary, "keys", "list", "--server", node.grpc, "--json"))
    check(out["answered_by"] == str(node.number), str(out))
    return [key["version"] for key in out["keys"] if key["name"] == "storage"]


def wait_storage(binary, cell, wanted):
    for node in cell.nodes:
        end = time.monotonic() + PATIENCE
        while storage(binary, node) != [wanted[node.number]]:
            check(time.monotonic() < end, f"node {node.number}: {storage(binary, node)}, not {wanted}")
            time.sleep(0.1)


def rotate(binary, cell, *arguments):
    return json.loads(run(binary, "keys", "rotate", *arguments, "--server", cell.servers(), "--json"))


def test(binary, work):
    with cluster.Cluster(binary, work) as cell:
        cell.start()
        at = 0
        for number in range(persons.EVENTS * len(persons.PERSONS)):
            at = persons.append(cell, at, number)
        load = subprocess.Popen([binary, "bench", "transfers", "--count", "50000000", "--batch", "500", "--server",
                                 cell.servers()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            turned = rotate(binary, cell, "storage")
            check(sorted(turned["asked"]) == ["1", "2", "3"], str(turned))
            wait_storage(binary, cell, {1: 2, 2: 2, 3: 2})
            turned = rotate(binary, cell, "storage", "--replica", "2")
            check(turned["asked"] == ["2"], str(turned))
            wait_storage(binary, cell, {1: 2, 2: 3, 3: 2})
            done = subprocess.run([binary, "keys", "rotate", "storage", "--replica", "9", "--server", cell.servers()],
                                  capture_output=True, text=True, timeout=60)
            check(done.returncode != 0 and "no member" in done.stderr, done.stderr)
            turned = rotate(binary, cell, "epoch")
            check(sorted(turned["destroyed_on"]) == ["1", "2", "3"] and not turned["not_yet_on"], str(turned))
            before = turned["version"]
        finally:
            load.kill()
            load.wait()
        persons.check_all(cell, [])
        down = cell.nodes[(at + 1) % 3]
        down.kill()
        turned = rotate(binary, cell, "epoch")
        check(turned["version"] == before + 1 and turned["not_yet_on"] == [str(down.number)], str(turned))
        down.start()
        cell.wait_even()
        persons.check_all(cell, [])
        cell.stop()
        cell.verify()
    print(f"storage turned over on each, on one alone; the epoch turned {before + 1} times, once without node "
          f"{down.number}")


if __name__ == "__main__":
    cluster.main(test)
