"""Cuts links between replicas, each way apart, inside a network namespace of the test's own.

A replica runs under a group id of its own, and every message from one to another goes over a
connection that the sender made; so a firewall rule on (group, port of the receiver) stops exactly
that way. Packets vanish, nobody is told. Clients are not touched. Needs root, nft and setpriv.
"""

import os
import shutil
import subprocess
import sys

INSIDE = "MERIDIAN_IN_NETWORK"
FIRST_GROUP = 52000


def is_possible():
    if not all(shutil.which(tool) for tool in ("ip", "nft", "setpriv", "unshare")):
        return False
    return subprocess.run(["unshare", "--net", "nft", "add", "table", "inet", "links"],
                          capture_output=True, check=False).returncode == 0


def enter():
    """Starts the script again in a namespace of its own, which ends with it; returns there."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, "-B", *sys.argv])


def within(number):
    """What starts a process as replica `number`."""
    return ["setpriv", "--regid", str(FIRST_GROUP + number), "--clear-groups"]


class Links:
    def __init__(self):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self._nft("add", "table", "inet", "links")
        self._nft("add", "chain", "inet", "links", "out",
                  "{ type filter hook output priority 0 ; policy accept ; }")

    def cut_way(self, sender, receiver):
        """Nothing of `sender` reaches `receiver` any more."""
        self._nft("add", "rule", "inet", "links", "out", "meta", "skgid",
                  str(FIRST_GROUP + sender.number), "tcp", "dport", str(receiver.peer_port), "drop")

    def cut(self, a, b):
        self.cut_way(a, b)
        self.cut_way(b, a)

    def heal(self):
        self._nft("flush", "chain", "inet", "links", "out")

    @staticmethod
    def _nft(*words):
        subprocess.run(["nft", *words], check=True)
