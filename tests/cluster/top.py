"""`meridian top` on three replicas: one sample for programs, alarms when one is lost, and the picture
on a terminal of 80 columns, which q ends."""

import json
import os
import time

import cluster
from cluster import check
from load import Load
from terminal import Terminal, drawn_lines


def once(cell, expect=0):
    text = cluster.run(cell.binary, "top", "--once", "--json", "--interval", "0.5", "--server",
                       cell.servers(), expect=expect)
    return json.loads(text)


def check_healthy(cell):
    view = once(cell)
    check(view["alarms"] == [], f"{view}")
    check(view["leader"] in cluster.REGIONS, f"{view}")
    check(view["records_per_second"] > 0, f"clients write all along, but {view}")
    check(view["failover_bound_ms"] > 0, f"{view}")
    check([row["region"] for row in view["replicas"]] == cluster.REGIONS, f"{view}")
    roles = sorted(row["role"] for row in view["replicas"])
    check(roles == ["follower", "follower", "leader"], f"{view}")
    for row in view["replicas"]:
        check(row["answers"] and row["records"] > 0 and row["disk_free_bytes"] > 0, f"{row}")
        check(row["term"] == view["term"] and row["applied_index"] > 0, f"{row}")
        check(row["log_write_ms"] > 0, f"every replica writes its log: {row}")
        check(0 <= row["apply_load"] <= 1 and 0 < row["prove_load"] <= 1, f"{row}")
        check((row["lag_entries"] is None) == (row["role"] == "leader"), f"{row}")
    return next(i for i, row in enumerate(view["replicas"]) if row["role"] == "follower")


def check_one_down(cell, down):
    view = once(cell)
    row = view["replicas"][down]
    check(row["role"] == "down" and not row["answers"], f"{view}")
    check(row["region"] == cluster.REGIONS[down], f"its peers know its name: {view}")
    check(len(view["alarms"]) == 1 and "does not answer" in view["alarms"][0], f"{view}")


def check_picture(cell, down):
    terminal = Terminal([cell.binary, "top", "--server", cell.servers()], dict(os.environ))
    try:
        terminal.read_until(rb"ALARM ", 30)
        # The second sample has rates.
        terminal.read_until(rb"leader \w+  failover bound \d+ ms", 30)
        terminal.read_until(rb"\w+ +[\d,]+ +\d+ +\d+\.\d\d +\d+% +\d+% ", 30)
        lines = drawn_lines(terminal.output)
        check(any(line.startswith(cluster.REGIONS[down] + " ") and "down" in line for line in lines),
              f"{lines}")
        check(all(len(line) <= 80 for line in lines), f"{[x for x in lines if len(x) > 80]}")
        terminal.type(b"q")
        check(terminal.process.wait(timeout=30) == 0, "q did not end it well")
    finally:
        terminal.close()


def test(binary, work):
    with Load(binary, work, "top") as load:
        load.log.wait_for(50)
        time.sleep(1)  # an election may just have been
        down = check_healthy(load.cell)
        load.cell.nodes[down].kill()
        time.sleep(1)
        check_one_down(load.cell, down)
        check_picture(load.cell, down)
        load.cell.nodes[down].start()
        load.log.wait_for(50)
    cluster.run(binary, "top", "--once", "--interval", "0.2", "--server", load.cell.servers(),
                expect=3)
    print(f"top: {load.summary()}")


cluster.main(test)
