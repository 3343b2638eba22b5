"""Bits of a stopped replica's disk flip: started again it heals itself from the others.

In headers and payloads of a finished segment, in hashes of tiles, in the state, in the log. The scrub is made quick, and a
client reads what is damaged before it was found. Nothing else is told from a sound replica:
`meridian verify` of each directory, and a receipt from before.
"""

import time

import cluster
import meridian
from cluster import check, run

FLAGS = ("--test-checkpoint-interval", "20000", "--test-wal-file-size", str(1 << 20), "--scrub-rate", "64")
EVENTS, TRANSFERS = 20_000, 70_000
SEGMENT = "0000000000000000.seg"
PATIENCE = 240


def flip(path, *places):
    """Places below 0 are counted from the end of the file."""
    with open(path, "r+b") as file:
        size = file.seek(0, 2)
        for place in places:
            at = place % size
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 4]))


def metric(node, name):
    for line in meridian.get(f"127.0.0.1:{node.http_port}", "/metrics").splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"node {node.number} has no metric {name}")


def wait_for(node, since, *words):
    """Until its log says each of them after `since` characters."""
    end = time.monotonic() + PATIENCE
    while True:
        said = node.log()[since:]
        missing = [word for word in words if word not in said]
        if not missing:
            return
        check(time.monotonic() < end, f"node {node.number} did not say {missing} in {PATIENCE} s, see {node.log_path}")
        time.sleep(0.1)


def test(binary, work):
    with cluster.Cluster(binary, work, *FLAGS) as cell:
        cell.start()
        server = ("--server", cell.servers())
        run(binary, "bench", "events", "--count", EVENTS, "--accounts", 50, "--bytes", 300, *server)
        run(binary, "bench", "transfers", "--count", TRANSFERS, "--accounts", 100, *server)
        records = cell.wait_even()
        check(records > EVENTS + TRANSFERS, f"{records} records")
        run(binary, "log", "policy", "-o", work / "policy", *server)
        run(binary, "receipt", "get", "--record", 30_000, "-o", work / "receipt", *server)

        rotten = cell.nodes[1]
        rotten.stop()
        flip(rotten.data / "headers" / SEGMENT, 60_000, 9_000_000)
        flip(rotten.data / "payloads" / SEGMENT, 90, 2_000_000)
        flip(rotten.data / "tiles" / "0" / "00000000", 32 * 500, 32 * 60_000)
        flip(rotten.data / "tiles" / "2" / "00000000", 7)
        report = cluster.verify(binary, rotten.data, expect=4)
        check(not report["sound"], "the flipped bits are not seen")
        before = len(rotten.log())
        began = time.monotonic()
        rotten.start()
        wait_for(rotten, before, "records 0 to 65535 are damaged", "records 0 to 65535 are repaired",
                 "of tile level 0 were damaged", "of tile level 2 were damaged")
        seconds = time.monotonic() - began
        check(metric(rotten, "meridian_scrub_unrepaired") == 0, "something is left unrepaired")
        check(metric(rotten, "meridian_scrub_repaired_total") >= 3, "too few repairs are counted")

        # What a reader meets is looked at next, whatever the round is at.
        rotten.stop()
        flip(rotten.data / "headers" / SEGMENT, 3_000_000)
        before = len(rotten.log())
        rotten.start()
        run(binary, "receipt", "get", "--record", 30_000, "-o", work / "again", "--server", rotten.grpc)
        wait_for(rotten, before, "records 0 to 65535 are repaired")

        # The root of a segment is lost in both places where it is kept: all of it is copied.
        rotten.stop()
        flip(rotten.data / "headers" / SEGMENT, -10)
        flip(rotten.data / "tiles" / "2" / "00000000", 7)
        before = len(rotten.log())
        rotten.start()
        wait_for(rotten, before, "what this replica keeps is damaged", "serving grpc")

        # A start finds these: the state is copied, the log supplied again.
        for directory, offset, word in (("state", 200, "what this replica keeps is damaged"),
                                        ("wal", 4196, "the log ends after entry")):
            rotten.stop()
            for path in (rotten.data / directory).glob("0*.*"):
                flip(path, offset)
            before = len(rotten.log())
            rotten.start()
            wait_for(rotten, before, word)

        run(binary, "bench", "transfers", "--count", 5_000, "--accounts", 100, *server)
        cell.wait_even()
        cell.stop()
        records = cell.verify()
        for receipt in ("receipt", "again"):
            run(binary, "receipt", "verify", work / receipt, "--policy", work / "policy")
    print(f"replica {rotten.number} was healed {seconds:.1f} s after its start; {records} records with one root")


cluster.main(test)
