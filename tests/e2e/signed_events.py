"""Events that clients sign, with a person's data: compared with what was signed, offline, until the person is
forgotten; then the signature is good, and nothing is left that what it held could be guessed by.

The client by HTTP is written here from docs/formats/signature.md, with the openssl command alone.
"""

import base64
import hmac
import json
import os
import pathlib
import re
import struct
import subprocess

import meridian
from meridian import check, run
from signatures import Person

SCHEMA = {
    "type": "object",
    "properties": {
        "ward": {"type": "string", "x-fact": "channel", "x-classification": "public"},
        "patient": {"x-tags": ["PHI"], "x-subject": "/patient/id", "x-classification": "restricted",
                    "properties": {"id": {"type": "string"}, "pulse": {"type": "number"}}},
        "nurse": {"type": "string", "x-tags": ["PII"], "x-subject": "/nurse"}}}
VISIT = {"patient": {"pulse": 61.5, "id": "P-17", "note": "\u00e9 \"well\"\n"}, "nurse": "bert", "ward": "icu-2"}


def field(data):
    return struct.pack("<I", len(data)) + data


def content(event, salt):
    """As docs/formats/signature.md has it, of data without compartments."""
    data = json.dumps(event["data"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    subject = event.get("subject", "")
    about = hmac.digest(salt, b"meridian/signed-about/1" + subject.encode(), "sha256") if subject else bytes(32)
    fields = (event["stream"], event["type"], "application/json", "", data)
    return hmac.digest(salt, b"meridian/signed-event/1" + b"".join(field(one.encode()) for one in fields) + about,
                       "sha256").hex()


def salted(event):
    """With its salt, and the line that is signed."""
    salt = os.urandom(32)
    return ({**event, "signature_salt": base64.b64encode(salt).decode()},
            f"event id={event['event_id']} content={content(event, salt)}", salt)


class Client:
    """Who the server takes the user's commands for, by HTTP and by hand."""

    def __init__(self, server):
        self.person = Person(pathlib.Path(meridian.dev_caller()))
        self.server = server
        said = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in",
                               self.person.directory / "identity.pem"], capture_output=True, text=True, check=True)
        self.domain, self.path = re.search(r"URI:spiffe://([^/]+)(/\S+)", said.stdout).groups()
        cell = json.loads(server.run("status", "--json"))["cell"]
        self.cell = f"{cell[:8]}-{cell[8:12]}-{cell[12:16]}-{cell[16:20]}-{cell[20:]}" if "-" not in cell else cell

    def post(self, path, body, lines):
        signature = self.person.sign(self.cell, self.path, lines, version=2, domain=self.domain)
        return self.person.post(self.server.http, path, body, signature)


class Judge:
    """Whoever has files and no server."""

    def __init__(self, binary, server, work):
        self.binary, self.server, self.work = binary, server, work
        server.run("log", "policy", "-o", work / "ledger.policy")
        self.bundle = next((pathlib.Path(meridian.dev_caller()) / "bundles").glob("*.note"))

    def fetch(self, event):
        self.server.run("receipt", "get", "--event", event, "-o", self.work / f"{event}.tlog-proof")
        self.fetch_content(event)

    def fetch_content(self, event, *more):
        self.server.run("evidence", "get", "--event", event, "-o", self.work / f"{event}.jws", "--content",
                        self.work / f"{event}.json", *more)

    def verify(self, event, *more, expect=0, file=None):
        done = subprocess.run(
            [self.binary, "evidence", "verify", self.work / f"{event}.jws", "--receipt",
             self.work / f"{event}.tlog-proof", "--policy", self.work / "ledger.policy", "--bundle", self.bundle,
             "--content", file or self.work / f"{event}.json", *more], capture_output=True, text=True, timeout=60)
        check(done.returncode == expect, f"{event} {more}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def changed(self, event, **values):
        path = self.work / "changed.json"
        path.write_text(json.dumps({**json.loads((self.work / f"{event}.json").read_text()), **values}))
        return self.verify(event, expect=1, file=path)


def b64(text):
    return base64.b64encode(text.encode()).decode()


def by_command(server, judge):
    data = '{"name": "Ada Example", "diagnosis": "none"}'
    append = ["append", "patient-17", "visited", data, "--subject", "Ada Example"]
    said = server.json(*append, "--id", "78", "--sign")
    check(said["status"] == "created" and said["signed"], said)
    judge.fetch(78)
    said = judge.verify(78)
    check("signed this at" in said and "event id=78 content=" in said and "is what was signed" in said, said)
    shown = run(judge.binary, "evidence", "show", judge.work / "78.jws")
    check("meridian-request 2" in shown and "patient-17" not in shown and "Ada" not in shown, shown)
    said = json.loads(judge.verify(78, "--json", "--about", "Ada Example"))
    check(said["content"] == "same", said)
    check("somebody else" in judge.verify(78, "--about", "Bert", expect=1), "another person")
    for change in ({"data_base64": b64(data.replace("none", "some"))}, {"stream": "patient-18"}, {"type": "died"},
                   {"metadata_base64": b64("x")}, {"signature_salt": base64.b64encode(os.urandom(32)).decode()},
                   {"signature_about": [base64.b64encode(bytes(32)).decode()]},
                   {"more": [{"retention": 0, "content_base64": ""}]}):
        check("an event with another content" in judge.changed(78, **change), f"{change}")
    check("no content of an event" in judge.changed(78, signature_salt="x"), "no salt")
    check("of another event" in judge.changed(78, event_id="79"), "another event")
    judge.fetch_content(78, "--stream", "patient-17")
    judge.verify(78)
    server.run("append", "patient-17", "visited", "{}", "--id", "79")
    server.run("evidence", "get", "--event", "79", expect=1)
    return json.loads((judge.work / "78.json").read_text())["signature_salt"]


def by_hand(server, judge, client):
    """With a schema, which puts the data together in another order; and what is changed on the way."""
    server_schema = judge.work / "schema.json"
    server_schema.write_text(json.dumps(SCHEMA))
    server.run("schema", "set", "admission", "--file", server_schema)
    event, line, salt = salted({"event_id": "80", "stream": "admissions", "type": "admission", "data": VISIT})

    def refused(status, reason, body, lines):
        got, said = client.post("/v1/events", {"events": [body]}, lines)
        check(got == status and reason in said["message"], f"{reason}: {got} {said}")

    refused(403, "signed something else", {**event, "data": {**VISIT, "nurse": "carl"}}, [line])
    refused(403, "signed something else", {**event, "stream": "others"}, [line])
    refused(403, "signed something else", {**event, "signature_salt": base64.b64encode(os.urandom(32)).decode()},
            [line])
    refused(400, "32 random bytes", {**event, "signature_salt": base64.b64encode(salt[1:]).decode()}, [line])
    refused(400, "32 random bytes", {**event, "signature_salt": ""}, [line])
    refused(400, "facts.channel", {**event, "facts": {"channel": "icu-3"}},
            [line.replace(" content", " channel=icu-3 content")])
    got, said = client.person.post(server.http, "/v1/events", {"events": [event]})
    check(got == 400 and "no signature came with" in said["message"], said)
    got, said = client.post("/v1/events", {"events": [event]}, [line])
    check(got == 200 and said["results"][0]["name"] == "created", said)
    got, said = client.post("/v1/events", {"events": [event]}, [line])
    check(got == 200 and said["results"][0]["name"] == "exists", said)
    judge.fetch(80)
    kept = json.loads((judge.work / "80.json").read_text())
    check(base64.b64decode(kept["data_base64"]).startswith(b'{"ward"'), "the schema put it together")
    check("is what was signed" in judge.verify(80), "the same JSON")
    return base64.b64encode(salt).decode()


def with_transfers(server, client):
    """One transaction of both, on an account that takes nothing unsigned."""
    server.run("account", "create", "--ledger", "978", "--code", "1", "--id", "1", "--flag", "requires_signature",
               "--sign")
    server.run("account", "create", "--ledger", "978", "--code", "1", "--id", "2")
    event, line, _ = salted({"event_id": "81", "stream": "order-1", "type": "paid", "data": {"by": "Ada"}})
    body = {"transactions": [{"commands": [
        {"create_transfer": {"id": "90", "debit_account_id": "1", "credit_account_id": "2", "amount": "5",
                             "ledger": 978, "code": 1}},
        {"append_event": event}]}]}
    moved = "transfer id=90 debit_account_id=1 credit_account_id=2 amount=5 ledger=978 code=1 flags=1"
    got, said = client.post("/v1/transactions", body, [moved, line])
    check(got == 200 and {one["name"] for one in said["results"]} == {"created"}, said)


def found_on_disk(data, salts):
    """Files that hold one of them, as bytes or in a text."""
    needles = [needle for salt in salts for raw in [base64.b64decode(salt)]
               for needle in (raw, raw[:16], raw.hex().encode(), salt.encode())]
    files = [path for path in pathlib.Path(data).rglob("*") if path.is_file()]
    check(len(files) > 10, files)
    return [path for path in files if any(needle in path.read_bytes() for needle in needles)]


def forgotten(server, judge, salts):
    """Ada is gone, and one of two of the other event."""
    for name in ("Ada Example", "bert"):
        server.run("subject", "forget", name)
    for number in (78, 80):
        judge.fetch_content(number)
        kept = json.loads((judge.work / f"{number}.json").read_text())
        check(kept["gone"] and "signature_salt" not in kept, kept)
        said = judge.verify(number)
        check("signed this at" in said and "can no longer be checked" in said, said)
        check(json.loads(judge.verify(number, "--json"))["content"] == "gone", "so it says")
    left = json.loads(meridian.get(server.http, "/v1/streams/admissions"))["events"][0]
    check(left["data"]["patient"]["id"] == "P-17" and left["parts_forgotten"] == 1, left)
    check("signature_salt" not in left and "signature_about" not in left, left)
    check(not any(salt in json.dumps(left) for salt in salts), "a salt")


def test(binary, work):
    data = work / "ledger"
    with meridian.Server(binary, data) as server:
        judge, client = Judge(binary, server, work), Client(server)
        salts = [by_command(server, judge), by_hand(server, judge, client)]
        with_transfers(server, client)
        told = {path.name for path in found_on_disk(work, salts)}
        check({"78.json", "80.json"} <= told, f"content files hold them: {told}")
        check(not found_on_disk(data, salts), "a salt is on the disk")
        server.kill()
    report = meridian.verify(binary, data)
    # events 78, 80 (twice), 81; account 1 and transfer 90
    check(report["sound"] and report["client_signed_records"] == 6 and report["client_signatures"] == 5 and
          report["client_signed_contents"] == 3 and report["client_signed_unread"] == 0, report)
    with meridian.Server(binary, data) as server:
        judge = Judge(binary, server, work)
        judge.verify(78)
        forgotten(server, judge, salts)
        check(not found_on_disk(data, salts), "a salt is on the disk")
        server.stop()
    report = meridian.verify(binary, data)
    check(report["sound"] and report["client_signed_records"] == 6 and report["client_signed_contents"] == 1, report)
    print("what was signed can be compared until a person in it is forgotten, and not guessed then")


meridian.main(test)
