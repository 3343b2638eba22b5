"""Events whose type has a schema: checked, sealed field by field, and read without who was forgotten."""

import json

import meridian
from meridian import check

SCHEMA = {
    "type": "object", "required": ["ward", "patient"], "properties": {
        "ward": {"type": "string", "x-classification": "public", "x-fact": "channel"},
        "note": {"type": "string"},
        "patient": {"type": "object", "required": ["number"], "x-classification": "restricted",
                    "x-tags": ["PII", "PHI"], "x-subject": "/patient/number", "x-retention": 7,
                    "properties": {"number": {"type": "string"}}},
        "nurse": {"type": "string", "x-tags": ["PII"], "x-subject": "/nurse"}}}
EVENT = {"ward": "icu-2", "patient": {"number": "P-1", "pulse": 61}, "nurse": "bert"}


def check_files(binary, work):
    """`schema check` shows what becomes of an event, and names what is wrong with a schema."""
    (work / "schema.json").write_text(json.dumps(SCHEMA))
    (work / "event.json").write_text(json.dumps(EVENT))
    shown = json.loads(meridian.run(binary, "schema", "check", "--file", work / "schema.json",
                                    "--event", work / "event.json", "--json"))
    check(shown["event"]["classification"] == "restricted", shown)
    check(shown["event"]["for_nobody"] == {"ward": "icu-2"}, shown)
    check([part["subject"] for part in shown["event"]["for_persons"]] == ["P-1", "bert"], shown)
    (work / "wrong.json").write_text('{"const": 1}')
    meridian.run(binary, "schema", "check", "--file", work / "wrong.json", expect=1)


def append(server, event, expect=0):
    return server.run("append", "admissions", "admission", json.dumps(event), expect=expect)


def newest(server):
    lines = server.run("read", "admissions", "--json").splitlines()
    return json.loads(lines[-1])


def sealed_by_field(binary, work):
    data = work / "ledger"
    with meridian.Server(binary, data) as server:
        append(server, [1])  # anything, as long as there is no schema
        server.run("schema", "set", "admission", "--file", work / "schema.json")
        append(server, [1], expect=1)
        append(server, {**EVENT, "note": "IBAN DE89370400440532013000"}, expect=1)
        append(server, EVENT)
        check(newest(server)["data"] == EVENT, newest(server))
        server.stop()
    with meridian.Server(binary, data) as server:
        append(server, [1], expect=1)  # also after a restart
        check([one["type"] for one in server.json("schema", "list")] == ["admission"], "the list")
        check(json.loads(server.run("schema", "show", "admission")) == SCHEMA, "the schema")
        server.run("subject", "forget", "P-1")
        event = newest(server)
        check(event["data"] == {"ward": "icu-2", "nurse": "bert"}, event)
        check(event["parts_forgotten"] == 1, event)
        server.run("append", "$schemas", "x", "1", expect=1)
        server.run("schema", "remove", "admission")
        append(server, [2])
        server.stop()
    check(meridian.verify(binary, data)["findings"] == 0, "the ledger is sound")


def test(binary, work):
    check_files(binary, work)
    sealed_by_field(binary, work)


meridian.main(test)
