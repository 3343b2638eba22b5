#!/usr/bin/python3
"""Verifies Meridian receipts and prints the record as JSON.

Written from docs/formats/proof.md and docs/formats/header.md alone; shares no code with Meridian.
Needs Python 3 and its package `cryptography` (Debian: python3-cryptography), for Ed25519 only.

  verify_receipt.py --policy FILE RECEIPT...
  verify_receipt.py --vkey VKEY RECEIPT...     quorum: none
  --quiet          print nothing but refusals
  --flip-bits N    besides, flip one bit in every N-th byte of each receipt: all must be refused

Exit status: 0 all are good, 1 a receipt was refused, 2 the policy or the call is wrong.
"""
import argparse
import base64
import binascii
import hashlib
import json
import pathlib
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from header import Refused, decode_header

TREE_SIZE_MAX = 1 << 40
TIME_MAX = (1 << 63) - 1


def need(condition, why):
    if not condition:
        raise Refused(why)


def decimal(text, most=(1 << 64) - 1):
    need(re.fullmatch(r"0|[1-9][0-9]{0,19}", text, re.A), f"{text!r} is not a decimal")
    need(int(text) <= most, f"{text} is above {most}")
    return int(text)


def unbase64(text, size=None):
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"{text[:40]!r} is not base64") from None
    need(base64.b64encode(data).decode() == text, f"{text[:40]!r} is not canonical base64")
    need(size is None or len(data) == size, f"{text[:40]!r} has {len(data)} bytes, not {size}")
    return data


def key_name(name):
    need(name and "+" not in name and not any(c.isspace() or c == "\x85" for c in name),
         f"{name!r} cannot name a key")
    return name


class Key:
    """A verifier key, proof.md section 3."""

    def __init__(self, vkey):
        parts = vkey.split("+", 2)
        need(len(parts) == 3, f"{vkey!r} is not name+id+key")
        self.name = key_name(parts[0])
        data = unbase64(parts[2], 33)
        self.type, self.public = data[0], data[1:]
        need(self.type in (1, 4), f"key type {self.type} is not known here")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        need(re.fullmatch("[0-9a-f]{8}", parts[1]) and self.id.hex() == parts[1],
             f"the id of {vkey!r} is not that of its key")

    def signed(self, signature, message):
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise Refused(f"the signature of {self.name} ({self.id.hex()}) is wrong") from None


class Note:
    """A signed note, section 3."""

    def __init__(self, data):
        need(len(data) <= 512 * 1024, "the note is too long")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("the note is not UTF-8") from None
        need(not re.search(r"[\x00-\x09\x0b-\x1f]", text), "a control character in the note")
        head, blank, tail = text.rpartition("\n\n")
        need(blank and tail.endswith("\n"), "no signatures behind an empty line")
        self.text = head + "\n"
        self.lines = []
        for line in tail[:-1].split("\n"):
            need(line.startswith("— ") and line.count(" ") == 2, "a malformed signature line")
            _, name, signature = line.split(" ")
            signature = unbase64(signature)
            need(len(signature) > 4, "a signature without bytes")
            self.lines.append((key_name(name), signature[:4], signature[4:]))
        need(len(self.lines) <= 64, "too many signatures")

    def lines_of(self, key):
        return [s for name, key_id, s in self.lines if (name, key_id) == (key.name, key.id)]

    def by_log(self, key):
        """True if the key signed; refuses if it is said to have and has not."""
        for signature in self.lines_of(key):
            need(len(signature) == 64, "a signature of a wrong size")
            key.signed(signature, self.text.encode())
        return bool(self.lines_of(key))

    def cosigned_times(self, key):
        times = []
        for signature in self.lines_of(key):
            need(len(signature) == 72, "a cosignature of a wrong size")
            time = int.from_bytes(signature[:8], "big")
            need(time <= TIME_MAX, "a cosignature after the end of time")
            key.signed(signature[8:], f"cosignature/v1\ntime {time}\n{self.text}".encode())
            times.append(time)
        return times


class Policy:
    """Section 8."""

    def __init__(self, data):
        self.logs, self.witnesses, self.groups = [], {}, {}
        self.quorum, self.versioned, members = None, False, set()
        need(len(data) <= 1 << 20 and data.endswith(b"\n"), "too long, or the last line has no end")
        need(not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", data), "a control character")
        for line in data[:-1].decode("utf-8", "surrogateescape").split("\n"):
            items = re.split("[ \t]+", line.strip(" \t"))
            verb, rest = items[0], items[1:]
            if verb == "#meridian":
                self.directive(rest)
            elif verb == "" or verb.startswith("#"):
                continue
            elif verb == "log" and len(rest) in (1, 2):
                key = Key(rest[0])
                need(key.type == 1, "a log key has type 1")
                need(all(log["key"].public != key.public for log in self.logs), "a log key twice")
                self.logs.append({"key": key, "sizes": (0, TREE_SIZE_MAX)})
            elif verb == "witness" and len(rest) in (2, 3):
                key = Key(rest[1])
                need(key.type == 4, "a witness key has type 4")
                need(all(w["key"].public != key.public for w in self.witnesses.values()),
                     "a witness key twice")
                self.new_name(rest[0])
                self.witnesses[rest[0]] = {"key": key, "role": None, "times": (0, TIME_MAX)}
            elif verb == "group" and len(rest) >= 3:
                names = rest[2:]
                self.new_name(rest[0])
                for name in names:
                    need(self.known(name) and name not in members, f"{name!r} cannot be a member")
                    members.add(name)
                k = {"all": len(names), "any": 1}.get(rest[1])
                k = decimal(rest[1]) if k is None else k
                need(1 <= k <= len(names), "a threshold out of range")
                self.groups[rest[0]] = (k, names)
            elif verb == "quorum" and len(rest) == 1 and self.quorum is None:
                need(rest[0] == "none" or self.known(rest[0]), f"no {rest[0]!r} to be the quorum")
                self.quorum = rest[0]
            else:
                raise Refused(f"line {line!r}")
        need(self.quorum is not None, "no quorum line")

    @classmethod
    def of_vkey(cls, vkey):
        return cls(f"log {vkey}\nquorum none\n".encode())

    def known(self, name):
        return name in self.witnesses or name in self.groups

    def new_name(self, name):
        need(name != "none" and not self.known(name), f"the name {name!r} is taken")

    def directive(self, items):
        if items[:1] == ["policy"]:
            need(items == ["policy", "1"] and not self.versioned, "#meridian policy 1 is known here")
            self.versioned = True
            return
        need(self.versioned, "#meridian policy 1 must come first")
        if items[:1] in (["replica"], ["outside"]) and len(items) == 3:
            witness = self.witnesses.get(items[1])
            need(witness and witness["role"] is None, f"no witness {items[1]!r} without a role")
            witness["role"], witness["place"] = items[0], items[2]
        elif items[:1] == ["log-key"] and len(items) == 5 and items[2] == "sizes":
            logs = [log for log in self.logs if log["key"].id.hex() == items[1]]
            need(len(logs) == 1, f"not one log with the key id {items[1]}")
            logs[0]["sizes"] = self.range(items[3:], TREE_SIZE_MAX)
        elif items[:1] == ["witness-key"] and len(items) == 5 and items[2] == "times":
            need(items[1] in self.witnesses, f"no witness {items[1]!r}")
            self.witnesses[items[1]]["times"] = self.range(items[3:], TIME_MAX)
        else:
            raise Refused(f"#meridian {' '.join(items)}")

    @staticmethod
    def range(items, most):
        first, last = decimal(items[0], most), most if items[1] == "-" else decimal(items[1], most)
        need(first <= last, "an empty range")
        return first, last

    def evaluate(self, note, origin, size):
        """The witnesses that count, by name, and the level."""
        by_log = False
        for log in self.logs:
            signed = note.by_log(log["key"]) and log["key"].name == origin
            by_log |= signed and log["sizes"][0] <= size <= log["sizes"][1]
        need(by_log, f"no valid key of the policy signed for the log {origin!r}")
        counted = {}
        for name, witness in self.witnesses.items():
            first, last = witness["times"]
            for time in note.cosigned_times(witness["key"]):
                if first <= time <= last:
                    counted.setdefault(name, time)
        reached = set(counted)
        for name, (k, names) in self.groups.items():
            if len(reached.intersection(names)) >= k:
                reached.add(name)
        need(self.quorum == "none" or self.quorum in reached,
             f"the quorum {self.quorum!r} is not reached; signed: {sorted(counted)}")
        places = {role: {self.witnesses[n]["place"] for n in counted
                         if self.witnesses[n]["role"] == role} for role in ("replica", "outside")}
        levels = ["global"] * (len(places["replica"]) > 1) + ["witnessed"] * bool(places["outside"])
        return counted, "+".join(levels) or "local"


def root_of_path(leaf, index, size, path):
    """Section 1."""
    fn, sn, r = index, size - 1, leaf
    for p in path:
        need(sn != 0, "the path is too long")
        if fn % 2 == 1 or fn == sn:
            r = hashlib.sha256(b"\x01" + p + r).digest()
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "the path is too short")
    return r


def verify(data, policy):
    """Section 7. Returns what to print."""
    need(len(data) <= 1 << 20, "the receipt is too long")
    head, blank, rest = data.partition(b"\n\n")
    need(blank, "no empty line behind the path")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Refused("the receipt's head is not ASCII") from None
    need(lines[0] == "c2sp.org/tlog-proof@v1", "the first line is not c2sp.org/tlog-proof@v1")
    need(len(lines) >= 3 and lines[1].startswith("extra ") and lines[2].startswith("index "),
         "the second and third line are not extra and index")
    header = unbase64(lines[1][6:])
    need(1 <= len(header) <= 65535, "a header of a wrong size")
    index = decimal(lines[2][6:], TREE_SIZE_MAX - 1)
    path = [unbase64(line, 32) for line in lines[3:]]
    need(len(path) <= 41, "the path is too long")

    note = Note(rest)
    text = note.text[:-1].split("\n")
    need(len(text) >= 3 and all(text), "the checkpoint has an empty line or too few")
    origin, size, root = text[0], decimal(text[1], TREE_SIZE_MAX), unbase64(text[2], 32)
    counted, level = policy.evaluate(note, origin, size)
    need(index < size, f"index {index} is not below the size {size}")
    leaf = hashlib.sha256(b"\x00" + header).digest()
    need(root_of_path(leaf, index, size, path) == root, "the path does not lead to the root")
    record = decode_header(header)
    need(record["record_index"] == index, "the header is of another record_index")
    return {"log": origin, "size": size, "index": index, "cosigned": counted, "level": level,
            "record": record}


def flipped_refusals(data, policy, step):
    """How many of the sampled one-bit changes are refused, and how many there were."""
    refused = tried = 0
    for at in range(0, len(data), step):
        changed = bytearray(data)
        changed[at] ^= 1 << (at // step + at) % 8
        tried += 1
        try:
            verify(bytes(changed), policy)
        except Refused:
            refused += 1
        else:
            print(f"accepted with bit {(at // step + at) % 8} of byte {at} flipped", file=sys.stderr)
    return refused, tried


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    trust = parser.add_mutually_exclusive_group(required=True)
    trust.add_argument("--policy", type=pathlib.Path)
    trust.add_argument("--vkey")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--flip-bits", type=int, metavar="N")
    parser.add_argument("receipts", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    try:
        policy = (Policy.of_vkey(arguments.vkey) if arguments.vkey
                  else Policy(arguments.policy.read_bytes()))
    except (Refused, OSError) as error:
        print(f"policy: {error}", file=sys.stderr)
        return 2
    failed = tried = 0
    for path in arguments.receipts:
        try:
            data = path.read_bytes()
            result = verify(data, policy)
        except (Refused, OSError) as error:
            print(f"{path}: REFUSED: {error}", file=sys.stderr)
            failed += 1
            continue
        if not arguments.quiet:
            print(json.dumps(result, indent=2))
        if arguments.flip_bits:
            refused, flips = flipped_refusals(data, policy, arguments.flip_bits)
            failed += refused != flips
            tried += flips
    if arguments.flip_bits:
        print(f"{len(arguments.receipts)} receipts, {tried} flipped bits")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
