"""The demo, without a terminal, in 80 columns of one, and stopped by Ctrl-C: its figures hold, and
nothing of it stays behind."""

import json
import os
import pathlib
import re
import signal
import subprocess

import meridian
from meridian import check
from terminal import Terminal, drawn_lines

DEMO_PATIENCE = 240  # seconds; alone on a machine it takes a fifth of that


def environment(work):
    temporary = work / "tmp"
    temporary.mkdir(exist_ok=True)
    return dict(os.environ, TMPDIR=str(temporary)), temporary


def processes_below(pid):
    """Processes whose parent is `pid`."""
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if int(text[text.rindex(")") + 2:].split()[1]) == pid:
            found.append(int(status.parent.name))
    return found


def is_alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] != "Z"


def number(text):
    return int(text.replace(",", ""))


def check_figures(figures):
    check(figures["failed_claims"] == [], f"{figures}")
    check(figures["acknowledged"] > 10_000, f"{figures}")
    check(figures["found_on_all_regions"] == 3 * figures["acknowledged"], f"{figures}")
    for name in ("lost", "duplicated", "unexpected", "wrong_balances"):
        check(figures[name] == 0, f"{name}: {figures}")
    check(0 < figures["resume_ms"] <= figures["failover_bound_ms"], f"{figures}")
    check(figures["leader_after"] != figures["killed"], f"{figures}")
    check(figures["missed_entries"] > 0, f"the dead region missed nothing: {figures}")
    # Each transfer is a record of its own.
    check(figures["records"] > figures["acknowledged"], f"{figures}")
    check(re.fullmatch(r"[0-9a-f]{64}", figures["root"]), f"{figures}")
    check(figures["receipt_level"] == "global", f"{figures}")
    check(figures["witnessed_receipt_level"] == "global+witnessed", f"{figures}")


def check_story(story):
    """What people read says the same as itself, from the counting to the summary."""
    check("STAND-IN" in story, "the witness is not called a stand-in")
    check("\033" not in story, "there are escapes where no terminal is")
    rows = re.findall(r"^(us-east|eu-west|ap-south) +([\d,]+) +([\d,]+) +0 +0 +0 +0$", story, re.M)
    check(len(rows) == 3, f"no three regions without loss in:\n{story}")
    summed = re.search(r"^acknowledged +([\d,]+) transfers$", story, re.M)
    check(summed, f"no sum in:\n{story}")
    for _, acknowledged, found in rows:
        check(acknowledged == found == summed[1], f"{rows} but {summed[0]}")
    resumed = re.search(r"^writes resumed after +(\d+) ms; the bound that the cell exports: (\d+) ms$",
                        story, re.M)
    check(resumed and int(resumed[1]) <= int(resumed[2]), f"{resumed and resumed[0]}")
    check(re.search(r"^receipt +global$", story, re.M), "no global receipt")
    check(re.search(r"^receipt, stand-in witness +global\+witnessed$", story, re.M),
          "no witnessed receipt")
    check("has caught up" in story, "nobody came back")
    check("DAMAGED" in story or "does not open" in story, "the flipped byte was not found")
    check("All claims hold." in story, f"{story}")


def as_json(binary, work):
    """stdout is one object; the story is on stderr; DIR keeps what the demo leaves."""
    env, temporary = environment(work)
    kept = work / "kept"
    done = subprocess.run([binary, "demo", "--json", "--keep", str(kept)], capture_output=True,
                          text=True, timeout=DEMO_PATIENCE, env=env, stdin=subprocess.DEVNULL)
    check(done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    figures = json.loads(done.stdout)
    check_figures(figures)
    check_story(done.stderr)
    report = meridian.verify(binary, kept / "ap-south")
    check(report["sound"] and report["root"] == figures["root"], f"{report} but {figures}")
    check(list(temporary.iterdir()) == [], "the demo left something among the temporary files")


def on_a_terminal_until_interrupted(binary, work):
    """The view is redrawn in place and fits; Ctrl-C in the midst of it ends all and leaves nothing."""
    env, temporary = environment(work)
    terminal = Terminal([binary, "demo"], env)
    try:
        terminal.read_until(rb"acknowledged again \d+ ms after the kill", DEMO_PATIENCE)
        lines = drawn_lines(terminal.output)
        check(any(line.startswith("region ") for line in lines), f"nothing is drawn: {lines[:20]}")
        check(any("down" in line for line in lines), "the dead region is not seen")
        check(any(line.startswith("ALARM ") for line in lines), "no alarm is drawn")
        long = [line for line in lines if len(line) > 80]
        check(not long, f"wider than the terminal: {long[:3]}")
        children = processes_below(terminal.process.pid)
        check(len(children) >= 2, f"the demo has {len(children)} processes")
        terminal.type(b"\x03")
        terminal.read_until(None, 60)
        code = terminal.process.wait(timeout=60)
        check(code == -signal.SIGINT, f"ended with {code} rather than by the signal")
        check(terminal.output.rstrip().endswith(b"the processes of the demo are ended"),
              f"{terminal.output[-300:]}")
        left = [pid for pid in children if is_alive(pid)]
        check(not left, f"processes {left} are left")
        check(list(temporary.iterdir()) == [], "the demo left something among the temporary files")
    finally:
        terminal.close()


def refused_directory(binary, work):
    (work / "full").mkdir()
    (work / "full" / "file").write_text("mine")
    env, _ = environment(work)
    done = subprocess.run([binary, "demo", "--keep", str(work / "full")], capture_output=True,
                          text=True, timeout=60, env=env)
    check(done.returncode == 1 and "is not empty" in done.stderr, f"{done}")


def test(binary, work):
    refused_directory(binary, work)
    as_json(binary, work)
    on_a_terminal_until_interrupted(binary, work)


if __name__ == "__main__":
    meridian.main(test)
