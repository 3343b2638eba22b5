"""A rolling upgrade under load: three replicas of a version that runs feature level 3 become, one by
one, ones that run level 4; one goes back and forth again; then the level is activated.

Activation is refused, naming who, as long as one member does not run the level. After it the version
before does not start any more, and says what to start instead.
"""

import json
import subprocess
import time

import cluster
from cluster import check
from history import call, get
from load import Load

OLD = ["--feature-level", "3"]


def upgrade(binary, cell, *arguments, code=0):
    """`meridian upgrade ...` as an operator types it. Returns stdout and stderr."""
    done = subprocess.run([binary, "upgrade", *arguments, "--server", cell.servers()],
                          capture_output=True, text=True, timeout=120)
    print(f"$ meridian upgrade {' '.join(arguments)}\n{done.stdout}{done.stderr}", flush=True)
    check(done.returncode == code, f"upgrade {arguments} ended with {done.returncode}, not {code}")
    return done.stdout, done.stderr


def status(binary, cell):
    return json.loads(upgrade(binary, cell, "status", "--json")[0])


def set_version(node, old):
    """From its next start on."""
    if OLD[0] in node.arguments:
        at = node.arguments.index(OLD[0])
        del node.arguments[at:at + 2]
    node.arguments += OLD if old else []


def install(load, node, old):
    """Another version on one replica, while the others go on."""
    node.stop()
    set_version(node, old)
    node.start()
    load.log.wait_for(50)


def wait_heard(binary, load, runs):
    """Until every replica was told that each runs levels up to this: {id: newest}."""
    end = time.monotonic() + 60
    while True:
        views = [get(node, "/v1/upgrade") for node in load.cell.nodes]
        if all(view and {int(one["id"]): one["newest"] for one in view["members"]} == runs
               for view in views):
            return status(binary, load.cell)
        check(time.monotonic() < end, f"not {runs}: {views}")
        time.sleep(0.2)


def refused_start(node, words):
    """The version before, on a replica of a cell that is at level 4."""
    node.stop()
    set_version(node, old=True)
    node.begin()
    code = node.process.wait(timeout=120)
    node._forget()  # pylint: disable=protected-access
    check(code != 0, "a version that does not run the active level goes on")
    check(words in node.log(), f"node {node.number} did not say '{words}', see {node.log_path}")
    set_version(node, old=False)
    node.start()


def test(binary, work):
    with Load(binary, work, "upgrade", *OLD) as load:
        cell = load.cell
        load.log.wait_for(50)
        seen = wait_heard(binary, load, {1: 3, 2: 3, 3: 3})
        check(seen["active_level"] == 3 and seen["activatable_level"] == 0, seen)
        _, why = upgrade(binary, cell, "activate", code=1)
        check("replica 2 (us) runs level" in why, why)

        install(load, cell.node(1), old=False)
        install(load, cell.node(2), old=False)
        wait_heard(binary, load, {1: 4, 2: 4, 3: 3})
        _, why = upgrade(binary, cell, "activate", code=1)
        check("replica 3 (asia)" in why and "nothing was done" in why, why)
        code, said = call(cell.node(1), "POST", "/v1/upgrade", {"activate": 4})
        check(code in (409, 503), f"POST /v1/upgrade: {code} {said}")

        install(load, cell.node(2), old=True)  # the way back
        wait_heard(binary, load, {1: 4, 2: 3, 3: 3})
        install(load, cell.node(3), old=False)
        install(load, cell.node(2), old=False)
        seen = wait_heard(binary, load, {1: 4, 2: 4, 3: 4})
        check(seen["active_level"] == 3 and seen["activatable_level"] == 4, seen)
        by_http = get(cell.node(int(seen["answered_by"])), "/v1/upgrade")
        check(by_http == seen, f"HTTP says {by_http}, the command {seen}")

        cell.node(3).kill()  # may come back as another version
        _, why = upgrade(binary, cell, "activate", "--timeout", "20", code=1)
        check("replica 3 (asia) has not said" in why, why)
        cell.node(3).start()
        wait_heard(binary, load, {1: 4, 2: 4, 3: 4})

        before = load.log.count()
        began = time.monotonic()
        out, _ = upgrade(binary, cell, "activate")
        check("feature level 4 is active now" in out, out)
        print(f"activated {time.monotonic() - began:.2f} s after the command, with "
              f"{load.log.count() - before} transfers acknowledged meanwhile", flush=True)
        load.log.wait_for(50)
        check(status(binary, cell)["active_level"] == 4, "level 4 is not shown as active")
        _, why = upgrade(binary, cell, "activate", "--level", "4", code=1)
        check("active already" in why, why)
        _, why = upgrade(binary, cell, "activate", "--level", "3", code=1)
        check("never taken back" in why, why)
        refused_start(cell.node(2), "a version of meridian that runs level 4")
        load.log.wait_for(50)
    print(load.summary())


cluster.main(test)
