"""What the benchmarks of a cell share: real replicas of the release build (or of MERIDIAN_BINARY), load,
and results kept."""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))

import cluster  # noqa: E402
import history  # noqa: E402

BINARY = pathlib.Path(os.environ.get("MERIDIAN_BINARY", ROOT / "build/release/apps/meridian/meridian"))


def transfers(cell, count, *arguments):
    """`meridian bench transfers`, to its end. Returns what it prints."""
    done = subprocess.run([str(BINARY), "bench", "transfers", "--count", str(count), "--json",
                           "--timeout", "120", "--server", cell.servers(), *arguments],
                          check=True, capture_output=True, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    result.pop("curve", None)
    return result


class Load:
    """As a context: transfers in batches for as long as it lasts."""

    def __init__(self, cell, *arguments):
        self.command = [str(BINARY), "bench", "transfers", "--count", str(10**10), "--timeout", "120",
                        "--server", cell.servers(), *arguments]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        return self

    def check_runs(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the load ended: {self.process.stderr.read()}")

    def end(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.end()
        self.process.stderr.close()


class Samples:
    """As a context: in a thread of its own, what `take()` gives, with the time, every `period`."""

    def __init__(self, take, period=0.5):
        self.take, self.period = take, period
        self.rows = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _run(self):
        while not self._end.is_set():
            value = self.take()
            if value is not None:
                self.rows.append((time.monotonic(), value))
            self._end.wait(self.period)

    def rate(self, begin, end):
        """Of a count that grows: per second between two times, by the samples just within them."""
        within = [row for row in self.rows if begin <= row[0] <= end]
        if len(within) < 2:
            return None
        return (within[-1][1] - within[0][1]) / (within[-1][0] - within[0][0])


def records(cell):
    """The most that any replica of `cell` has applied."""
    counts = [history.get(node, "/v1/status") for node in list(cell.nodes) if node.is_up()]
    counts = [int(one["records"]) for one in counts if one]
    return max(counts) if counts else None


def leader(cell):
    for node in cell.nodes:
        status = node.is_up() and history.get(node, "/v1/status")
        if status and status["group"]["may_propose"]:
            return node
    return None


def memory_mib(node, field="VmRSS"):
    status = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) // 1024


def save(name, command, result):
    """Writes bench/results/<date>-<name>.json and returns its path."""
    today = datetime.date.today().isoformat()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.strip()
    path = ROOT / f"bench/results/{today}-{name}.json"
    path.write_text(json.dumps({"name": name, "date": today, "commit": commit,
                                "machine": {"cores": os.cpu_count()}, "command": command,
                                "result": result}, indent=2) + "\n")
    return path
