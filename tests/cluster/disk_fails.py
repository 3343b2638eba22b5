"""Disks fail and hang under load: nothing acknowledged is lost.

The system calls of one replica are met on their way to the kernel (strace; root, else skipped). A sync
that fails ends the process at once, leader or follower, as nobody can know what the disk still has;
the others go on, and it is even with them once it is started on a disk that works. A leader whose
syncs hang hands over and lives on; once they return it is even again.
"""

import shutil
import signal
import subprocess
import time

import cluster
from cluster import check
from load import Load

PATIENCE = 60
FATAL = 6  # the exit code of a process whose disk failed
# Of a sync that hangs. A leader hands over after four election timeouts, which may be stretched to 1.2 s each,
# and after twice as long if it did so before: what is shorter is slow, and no reason.
HANG_SECONDS = 20


class BadDisk:
    """As a context: `inject` happens to every sync of `node`."""

    def __init__(self, node, inject):
        self.process = node.process
        self.command = ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(node.process.pid), "-e",
                        "trace=fdatasync,fsync", "-e", f"inject=fdatasync,fsync:{inject}"]

    def __enter__(self):
        self.tracer = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and not self._is_traced():
            check(self.tracer.poll() is None or self.process.poll() is not None, "strace ended")
            check(time.monotonic() < end, "strace does not get hold of the process")
            time.sleep(0.01)
        return self

    def _is_traced(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return f"TracerPid:\t{self.tracer.pid}\n" in status.read()

    def __exit__(self, *_):
        if self.tracer.poll() is None:
            self.tracer.send_signal(signal.SIGINT)
        self.tracer.wait(timeout=PATIENCE)


def is_possible():
    return shutil.which("strace") is not None and subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO",
         "true"], capture_output=True, check=False).returncode == 0


def fail(load, node):
    """Every sync of `node` fails until it has ended. Returns when that began."""
    with BadDisk(node, "error=EIO"):
        began = time.monotonic()
        code = node.process.wait(timeout=PATIENCE)
        node.end()
    check(code == FATAL, f"node {node.number} ended with {code}, see {node.log_path}")
    check("Input/output error" in node.log(), f"it does not say why, see {node.log_path}")
    load.log.wait_for(50)
    node.start()
    load.log.wait_for(50)
    return began


def test(binary, work):
    with Load(binary, work, "disk_fails") as load:
        leader = load.cell.node(load.log.wait_for(50))
        began = fail(load, leader)
        resumed = load.log.resumed_after(began, by_other_than=leader.number)
        print(f"syncs of the leader fail: it stopped, acknowledged again after {resumed * 1000:.0f} ms",
              flush=True)

        leader = load.cell.node(load.log.wait_for(50))
        follower = next(node for node in load.cell.nodes if node is not leader)
        fail(load, follower)
        print("syncs of a follower fail: it stopped, the others went on", flush=True)

        leader = load.cell.node(load.log.wait_for(50))
        with BadDisk(leader, f"delay_enter={HANG_SECONDS * 1_000_000}"):
            hung = load.log.resumed_after(time.monotonic(), by_other_than=leader.number)
            check(leader.process.poll() is None, "a leader whose disk hangs ended")
            load.log.wait_for(50)
        print(f"syncs of the leader hang: another acknowledged after {hung * 1000:.0f} ms", flush=True)
        load.log.wait_for(50)
        check(leader.process.poll() is None, "a leader whose disk hung ended")
    print(load.summary())


if is_possible():
    cluster.main(test)
else:
    print("skipped: system calls cannot be met here (strace and the right to trace are needed)")
