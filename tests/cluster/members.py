"""Members by command, under load: a fourth replica joins, learns and votes; the leader is removed; a
node's disk is emptied, which is refused under its old id and replaced under a new one.

Three replicas begin and three end; at the end all hold everything acknowledged, under one root.
"""

import json
import shutil
import subprocess
import time

import cluster
from cluster import check
from load import Load

PATIENCE = 120


def node_command(binary, cell, *arguments, code=0, timeout=300):
    """`meridian node ...` as an operator types it. Returns stdout and stderr."""
    done = subprocess.run([binary, "node", *arguments, "--server", cell.servers()],
                          capture_output=True, text=True, timeout=timeout)
    print(f"$ meridian node {' '.join(arguments)}\n{done.stdout}{done.stderr}", flush=True)
    check(done.returncode == code, f"node {arguments} ended with {done.returncode}, not {code}")
    return done.stdout, done.stderr


def members(binary, cell):
    """The leader's view: {id: member}, and the whole."""
    out, _ = node_command(binary, cell, "list", "--json")
    seen = json.loads(out)
    return {int(one["id"]): one for one in seen["members"]}, seen


def joiner(binary, work, cell, number, region, known):
    """A node that joins by way of the replicas `known`, and what `node add` calls it."""
    ports = cluster.free_ports(3)
    _, seen = members(binary, cell)
    node = cluster.Node(binary, work, number, ports, [], [])
    node.arguments += ["--region", region, "--peer-listen", f"127.0.0.1:{ports[0]}",
                       "--cell", seen["cell"]]
    for one in seen["members"]:
        if int(one["id"]) in known:
            node.arguments += ["--join", f"{one['id']}={one['region']}@{one['peer_address']}"]
    return node, f"{number}={region}@127.0.0.1:{ports[0]}"


def wait_said(node, words, since=0):
    end = time.monotonic() + PATIENCE
    while words not in node.log()[since:]:
        check(time.monotonic() < end, f"node {node.number} never said '{words}', see {node.log_path}")
        time.sleep(0.05)


def join(binary, work, cell, number, region, flags=()):
    """A node that joins by way of all of the cell, and votes."""
    node, name = joiner(binary, work, cell, number, region, {one.number for one in cell.nodes})
    node.arguments += flags
    node.begin()
    wait_said(node, "waiting to be added")
    node_command(binary, cell, "add", name)
    node.wait_ready()
    cell.nodes.append(node)
    node_command(binary, cell, "promote", str(number), "--wait")


def wait_ended(node, code, words):
    """Until the process has stopped by itself, saying why."""
    check(node.process.wait(timeout=PATIENCE) == code,
          f"node {node.number} ended with {node.process.returncode}, not {code}")
    node._forget()  # pylint: disable=protected-access
    check(words in node.log(), f"node {node.number} did not say '{words}', see {node.log_path}")


def leader_of(binary, cell):
    _, seen = members(binary, cell)
    return int(seen["leader"])


def grow(binary, work, load):
    """Replica 4 joins while it knows one member alone, which does not lead."""
    cell = load.cell
    follower = 1 if leader_of(binary, cell) != 1 else 2
    node, name = joiner(binary, work, cell, 4, "africa", {follower})
    node.begin()
    wait_said(node, "waiting to be added")
    wait_said(node, f"meridian node add {name}")
    _, why = node_command(binary, cell, "promote", "4", code=1)
    check("replica 4 is no member" in why, why)
    _, why = node_command(binary, cell, "add", name.replace("4=", "3="), code=1)
    check("id 3 was used before" in why and "take 4" in why, why)
    out, _ = node_command(binary, cell, "add", name)
    check("replica 4 is a learner now" in out and f"--cell" in out, out)
    _, why = node_command(binary, cell, "add", "5=us@" + name.split("@")[1], code=1)
    check("replica 4 is at" in why, why)
    node.wait_ready()
    cell.nodes.append(node)
    node_command(binary, cell, "promote", "4", "--wait")
    now, _ = members(binary, cell)
    check(now[4]["part"] == "voter" and now[4]["active"] and len(now) == 4, now)
    load.log.wait_for(50)
    return node


def restart(load, node):
    """Later starts remember what the first was told."""
    node.stop()
    keep = ["--grpc", "--http", "--data"]
    short = ["serve", "--dev"]
    for name in keep:
        short += [name, node.arguments[node.arguments.index(name) + 1]]
    node.arguments = short
    node.start()
    load.log.wait_for(50)


def remove_leader(binary, load):
    cell = load.cell
    leader = cell.node(leader_of(binary, cell))
    cell.nodes.remove(leader)
    began = time.monotonic()
    node_command(binary, cell, "remove", str(leader.number))
    wait_ended(leader, 1, f"replica {leader.number} was removed from its cell")
    print(f"the leader was removed, and stopped by itself, {time.monotonic() - began:.1f} s after the "
          f"command", flush=True)
    load.log.wait_for(50)
    now, seen = members(binary, cell)
    check(leader.number not in now and str(leader.number) in seen["ids_left"], seen)
    # It does not disturb the others when somebody starts it again: it is told and stops.
    term = seen["term"]
    leader.begin()
    wait_ended(leader, 1, "was removed from its cell")
    _, seen = members(binary, cell)
    check(seen["term"] == term, f"a removed replica raised the term from {term} to {seen['term']}")
    node_command(binary, cell, "remove", str(leader.number), code=1)


def replace_emptied(binary, work, load):
    cell = load.cell
    # A founder, so that it would begin the cell anew if it were let.
    victim = next(node for node in cell.nodes
                  if node.number != leader_of(binary, cell) and node.number <= 3)
    region = members(binary, cell)[0][victim.number]["region"]
    victim.kill()
    shutil.rmtree(victim.data)
    victim.begin()
    wait_ended(victim, 1, f"meridian node replace {victim.number} NEW={region}@HOST:PORT")
    cell.nodes.remove(victim)
    load.log.wait_for(50)
    # With one of three dead, another may not be removed: the rest could decide nothing.
    other = next(node for node in cell.nodes if node.number != leader_of(binary, cell))
    _, why = node_command(binary, cell, "remove", str(other.number), code=1)
    check("the cell would stop" in why, why)
    node, name = joiner(binary, work, cell, 5, region, {one.number for one in cell.nodes})
    command = ["replace", str(victim.number), name]
    _, why = node_command(binary, cell, *command, "--patience", "2", code=5)  # it does not run yet
    check("does not answer" in why and "meridian serve --data" in why, why)
    node.begin()
    began = time.monotonic()
    node_command(binary, cell, *command)
    print(f"replaced {time.monotonic() - began:.1f} s after the process began", flush=True)
    node.wait_ready()
    cell.nodes.append(node)
    out, _ = node_command(binary, cell, *command)  # again: nothing is left to be done
    check("votes in the place of" in out, out)
    now, seen = members(binary, cell)
    check(set(now) == {one.number for one in cell.nodes}, now)
    check(str(victim.number) in seen["ids_left"], seen)
    load.log.wait_for(50)


def test(binary, work):
    with Load(binary, work, "members") as load:
        load.log.wait_for(50)
        restart(load, grow(binary, work, load))
        remove_leader(binary, load)
        replace_emptied(binary, work, load)
    print(load.summary())


if __name__ == "__main__":
    cluster.main(test)
