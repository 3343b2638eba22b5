"""Decodes a record's header, written from docs/formats/header.md (and the facts of payload.md)."""
import re


class Refused(Exception):
    """The bytes are not what the documents say; the message names what is wrong."""


class Reader:
    def __init__(self, data):
        self.rest = data

    def take(self, size):
        if len(self.rest) < size:
            raise Refused("the header ends early")
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def zero(self, size, where):
        if any(self.take(size)):
            raise Refused(f"the reserved bytes of {where} are not zero")

    def id(self):
        """128-bit ids are printed as 32 hexadecimal digits, the most significant first."""
        return f"{self.number(16):032x}"

    def fields(self, *pairs):
        """(name, size) in order; size "id" for an opaque id."""
        return {name: self.id() if size == "id" else self.number(size) for name, size in pairs}


CREATED = 65535
WIDE, REQUESTED, IMPORTED, FACTS, CLIENT, RULES, PAYLOAD = (1 << bit for bit in range(7))
KINDS = {1: "account", 2: "transfer", 3: "event", 4: "stream deletion", 16: "open_generation",
         17: "set_feature_level", 18: "expiry", 19: "state_digest", 20: "time_advance",
         21: "erase_subject", 22: "door_refusals", 23: "dropped_tail",
         24: "member_change", 25: "cell_key_grant", 26: "subject_key", 27: "turn_epoch",
         28: "entry_skipped",
         32: "set_retention", 33: "place_hold", 34: "release_hold", 35: "forget_subject",
         36: "erase_key", 37: "expire_class", 38: "set_residency", 39: "residency_key",
         40: "turn_residency"}
CLASSES = ["none", "public", "internal", "confidential", "restricted"]
DECISIONS = ["none", "allowed", "refused", "flagged"]
ATTESTERS = {1: "door", 2: "client signature", 3: "replica"}
FACT_NAMES = {1: "country", 2: "channel", 3: "screening_list", 4: "screening_verdict", 5: "purpose"}


def named(names, value, what):
    try:
        return names[value]
    except (KeyError, IndexError):
        raise Refused(f"{what} {value} is not known") from None


def decode_transfer(reader, created, wide):
    body = reader.fields(
        ("id", "id"), ("debit_account_id", "id"), ("credit_account_id", "id"), ("amount", 16),
        ("pending_id", "id"), ("user_data_128", "id"), ("user_data_64", 8), ("user_data_32", 4),
        ("timeout", 4), ("ledger", 4), ("code", 2), ("flags", 2))
    if created:
        size = 16 if wide else 8
        names = ["debits_pending", "debits_posted", "credits_pending", "credits_posted"]
        for side in ("debit_account", "credit_account"):
            body[side] = reader.fields(*((name, size) for name in names))
        values = [*body["debit_account"].values(), *body["credit_account"].values()]
        if wide != (max(values) >= 1 << 64):
            raise Refused("the section bit for wide balances does not fit the balances")
        body.update(reader.fields(("previous_debit", 8), ("previous_credit", 8)))
    elif wide:
        raise Refused("wide balances of a transfer that was not made")
    return body


def decode_account(reader):
    return reader.fields(
        ("id", "id"), ("debits_pending", 16), ("debits_posted", 16), ("credits_pending", 16),
        ("credits_posted", 16), ("user_data_128", "id"), ("user_data_64", 8), ("user_data_32", 4),
        ("reserved", 4), ("ledger", 4), ("code", 2), ("flags", 2))


def decode_event(reader):
    return reader.fields(
        ("event_id", "id"), ("stream", "id"), ("category", "id"), ("type", "id"), ("revision", 8),
        ("expected_revision", 8), ("previous", 8), ("payload_size", 4), ("expected", 1),
        ("content_type", 1), ("flags", 2))


def decode_deletion(reader):
    body = reader.fields(("event_id", "id"), ("stream", "id"), ("revision", 8),
                         ("expected_revision", 8), ("previous", 8))
    reader.zero(4, "a stream deletion")
    body["expected"] = reader.number(1)
    reader.zero(1, "a stream deletion")
    body["flags"] = reader.number(2)
    return body


def decode_facts(data):
    reader, facts, last = Reader(data), {}, 0
    if not 1 <= len(data) <= 256:
        raise Refused(f"facts of {len(data)} bytes")
    while reader.rest:
        tag, size = reader.number(1), reader.number(1)
        if tag <= last:
            raise Refused("the tags of facts do not ascend")
        name, value, last = named(FACT_NAMES, tag, "fact"), reader.take(size), tag
        if name == "screening_verdict":
            if size != 1:
                raise Refused("a screening verdict is one byte")
            facts[name] = named({1: "clear", 2: "possible", 3: "hit"}, value[0], "verdict")
            continue
        text = value.decode("latin-1")
        shape = {"country": "[A-Z]{2}", "purpose": "[a-z0-9-]{1,64}"}.get(name, "[a-z0-9-]{1,32}")
        if not re.fullmatch(shape, text, re.A):
            raise Refused(f"the fact {name} is {text!r}")
        facts[name] = text
    return facts


def decode_header(data):
    if len(data) > 2048:
        raise Refused("a header has at most 2,048 bytes")
    reader = Reader(data)
    version, kind, sections = reader.number(1), reader.number(1), reader.number(2)
    if version != 1:
        raise Refused(f"header version {version} is not known here")
    if sections >> 7:
        raise Refused(f"sections {sections:#x} are not known")
    record = {"version": version, "kind": named(KINDS, kind, "kind")}
    outcome = reader.number(2)
    record["outcome"] = "created" if outcome == CREATED else outcome
    record["classification"] = named(CLASSES, reader.number(1), "classification")
    record["retention"] = reader.number(1)
    record.update(reader.fields(("cell", "id"), ("record_index", 8), ("term", 8),
                                ("entry_index", 8), ("time", 8), ("clock_uncertainty", 4)))
    record["attester"] = named(ATTESTERS, reader.number(1), "attester")
    record["decision"] = named(DECISIONS, reader.number(1), "decision")
    reader.zero(2, "the common fields")
    record["actor"] = reader.id()
    record["salt"] = reader.take(16).hex()

    if kind in (2, 18):
        record["body"] = decode_transfer(reader, outcome == CREATED, bool(sections & WIDE))
    elif sections & WIDE:
        raise Refused("wide balances of a record that is no transfer")
    elif kind == 1:
        record["body"] = decode_account(reader)
    elif kind == 3:
        record["body"] = decode_event(reader)
    elif kind == 4:
        record["body"] = decode_deletion(reader)
    else:
        record["body"] = reader.take(128).hex()

    if sections & REQUESTED:
        if kind != 2:
            raise Refused("a requested amount of a record that is no transfer")
        record["requested_amount"] = reader.number(16)
        if record["requested_amount"] == record["body"]["amount"]:
            raise Refused("the requested amount is the one applied: the section must be absent")
    if sections & IMPORTED:
        if kind not in (1, 2):
            raise Refused("an imported time of a record that is no account or transfer")
        record["imported_time"] = reader.number(8)
    if sections & FACTS:
        record["facts"] = decode_facts(reader.take(reader.number(2)))
    if sections & CLIENT:
        record["client_signature"] = reader.take(32).hex()
    if sections & RULES:
        record["rule_set"] = reader.take(32).hex()
        record["aggregates"] = reader.take(reader.number(2)).hex()
    if sections & PAYLOAD:
        record["payload_commitment"] = reader.take(32).hex()
    if reader.rest:
        raise Refused(f"{len(reader.rest)} bytes behind the header")
    return record
