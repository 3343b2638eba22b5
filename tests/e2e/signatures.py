#!/usr/bin/env python3
"""Requests that clients sign, against real nodes: an account that requires it, evidence that is checked offline, and
signatures that are altered, stolen or meant for another cell.

The client by HTTP is written here from docs/formats/signature.md, with the openssl command alone.
"""

import base64
import hashlib
import json
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

import meridian
from meridian import Served, check, run, verify

DOMAIN = "eu.dev.invalid"


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Person:
    """A directory with an identity, and what its key signs."""

    def __init__(self, directory):
        self.directory = directory
        pem = (directory / "identity.pem").read_text()
        self.certificates = re.findall(r"-----BEGIN CERTIFICATE-----\n(.+?)-----END", pem, re.S)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.context.load_cert_chain(directory / "identity.pem")

    def sign(self, cell, by, lines, at=None, version=1, domain=DOMAIN):
        at = int(time.time()) if at is None else at
        text = (f"meridian-request {version}\ncell {cell}\nby spiffe://{domain}{by}\nat {at}\ncommands {len(lines)}\n"
                + "".join(line + "\n" for line in lines))
        header = b64url(json.dumps({"alg": "ES256", "x5c": ["".join(one.split()) for one in self.certificates]})
                        .encode())
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.directory / "identity.pem"],
                             input=f"{header}.{b64url(text.encode())}".encode(), capture_output=True,
                             check=True).stdout
        return f"{at} {header}..{b64url(raw_signature(der))}"

    def post(self, address, path, body, signature=None):
        """Status and what was answered."""
        headers = {"Content-Type": "application/json"}
        if signature:
            headers["Meridian-Signature"] = signature
        request = urllib.request.Request(f"https://{address}{path}", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=20, context=self.context) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["error"]


def raw_signature(der):
    """r and s, of a SEQUENCE of two INTEGERs."""
    numbers, at = b"", 2
    for _ in range(2):
        size = der[at + 1]
        numbers += der[at + 2:at + 2 + size].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + size
    return numbers


class Scene:
    def __init__(self, binary, work):
        self.binary, self.work = binary, work
        run(binary, "init", "--dir", work / "bank", "--dev", "--deployment", "dev.invalid", "--region", "eu",
            "--officer", "ada", "--officer", "grace")
        self.ca = work / "bank/ca/eu"
        self.policy = work / "policy.yaml"
        self.policy.write_text(f"""meridian-policy: 1
mfa: not-needed
grants:
  - who: "spiffe://{DOMAIN}/service/*"
    roles: [writer, reader, auditor]
    cells: all
    ledgers: all
    streams: all
""")

    def issue(self, path):
        out = self.work / path.strip("/").replace("/", "-")
        run(self.binary, "ca", "issue", "--dir", self.ca, "--dev", "--id", f"spiffe://{DOMAIN}{path}", "--out", out)
        return Person(out)

    def serve(self, cell):
        node = self.work / f"node-{cell}"
        if not node.exists():
            run(self.binary, "ca", "issue", "--dir", self.ca, "--dev", "--id", f"spiffe://{DOMAIN}/node/{cell}/1",
                "--out", node)
        return Served(self.binary, r"serving grpc (\S+) http (\S+) ", "serve", "--data", self.data(cell), "--dev",
                      "--cell", cell, "--identity", node, "--first-policy", self.policy, "--grpc", "127.0.0.1:0",
                      "--http", "127.0.0.1:0", log=self.work / f"{cell}.log")

    def data(self, cell):
        return self.work / f"ledger-{cell}"

    def does(self, served, *arguments, expect=0, who="service-payments"):
        return run(self.binary, *arguments, "--server", served.found[1], "--identity", self.work / who, expect=expect)


def transfer(number, **more):
    return {"id": str(number), "debit_account_id": "1", "credit_account_id": "2", "amount": "5", "ledger": 978,
            "code": 1, **more}


def line(number, amount=5):
    return f"transfer id={number} debit_account_id=1 credit_account_id=2 amount={amount} ledger=978 code=1"


def check_account(scene, served):
    """By the commands: what touches the account is signed, also what was pending."""
    create = ["account", "create", "--ledger", "978", "--code", "10"]
    scene.does(served, *create, "--id", "1", "--flag", "requires_signature", "--sign")
    scene.does(served, *create, "--id", "2")
    move = ["transfer", "--debit", "1", "--credit", "2", "--amount", "5", "--ledger", "978", "--code", "1"]
    said = scene.does(served, *move, "--id", "10", expect=1)
    check("debit_account_requires_signature" in said, said)
    said = json.loads(scene.does(served, *move, "--id", "10", "--sign", "--json"))
    check(said["status"] == "created" and said["signed"], said)
    back = ["transfer", "--debit", "2", "--credit", "1", "--amount", "1", "--ledger", "978", "--code", "1"]
    said = scene.does(served, *back, "--id", "11", expect=1)
    check("credit_account_requires_signature" in said, said)
    for number in (20, 21):
        scene.does(served, *move, "--id", number, "--pending", "--sign")
    for number, how in ((30, "--post"), (31, "--void")):
        pending = "20" if how == "--post" else "21"
        said = scene.does(served, "transfer", "--id", number, how, pending, expect=1)
        check("debit_account_requires_signature" in said, said)
        scene.does(served, "transfer", "--id", number, how, pending, "--sign")
    print("an account that requires signatures moves by signed requests alone")


def check_evidence(scene, served):
    """What was signed is fetched, and checked without a server."""
    work, binary = scene.work, scene.binary
    scene.does(served, "log", "policy", "-o", work / "ledger.policy")
    for number in (10, 30):
        scene.does(served, "receipt", "get", "--transfer", number, "-o", work / f"{number}.tlog-proof")
        scene.does(served, "evidence", "get", "--transfer", number, "-o", work / f"{number}.jws")
    bundle = work / "service-payments" / f"bundles/{DOMAIN}.note"

    def judged(jws="10.jws", receipt="10.tlog-proof", *more, expect=0):
        done = subprocess.run([binary, "evidence", "verify", work / jws, "--receipt", work / receipt, "--policy",
                               work / "ledger.policy", "--bundle", bundle, *more], capture_output=True, text=True,
                              timeout=60)
        check(done.returncode == expect, f"{jws} {receipt} {more}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    said = judged()
    check(f"spiffe://{DOMAIN}/service/payments signed this" in said and line(10) in said, said)
    said = json.loads(judged("30.jws", "30.tlog-proof", "--json", "--journal", scene.ca / "journal"))
    check(said["valid"] and said["in_journal"] and "pending_id=20" in said["command"], said)
    check("debit_account_id" not in said["command"], "the post did not say that")
    check("is not what record" in judged("30.jws", expect=1), "evidence of another record")
    # Altered, digest and all: a receipt of whoever made it up would be needed too.
    header, _, signature = (work / "10.jws").read_text().strip().split(".")
    text = run(binary, "evidence", "show", work / "10.jws").split("signed by the key")[0]
    forged = f"{header}.{b64url(text.replace('amount=5', 'amount=6').encode())}.{signature}"
    (work / "forged.jws").write_text(forged)
    check("is not what record" in judged("forged.jws", expect=1), "another text")
    shown = subprocess.run([binary, "evidence", "show", work / "forged.jws"], capture_output=True, text=True, timeout=60)
    check(shown.returncode == 1 and "signature is not by the key" in shown.stderr, shown)
    (work / "empty").write_text(f"meridian.issuance-journal/1 {DOMAIN}\n")
    said = judged("10.jws", "10.tlog-proof", "--journal", work / "empty", expect=1)
    check("did not write down" in said, said)
    scene.does(served, "receipt", "get", "--record", 0, "-o", work / "0.tlog-proof")
    check("did not sign" in judged("10.jws", "0.tlog-proof", expect=1), "a record that nobody signed")
    # By other people's code: the JWS with the certificate in it, by openssl.
    digest = hashlib.sha256((work / "10.jws").read_bytes().strip()).hexdigest()
    said = run(binary, "receipt", "verify", work / "10.tlog-proof", "--policy", work / "ledger.policy")
    check(f"signature_digest: {digest}" in said and "meridian evidence verify" in said, said)
    print("evidence is checked offline, from the record's header to the trust bundle")


def check_http(scene, served, other, cell, payments, thief):
    """A client that is written from the document alone."""
    body = {"transfers": [transfer(40), transfer(41)]}
    lines = [line(40), line(41)]
    by = "/service/payments"
    address = served.found[2]

    def refused(reason, signature, who=payments, to=address, what=body):
        status, said = who.post(to, "/v1/transfers", what, signature)
        check(status in (400, 403) and reason in said["message"], f"{reason}: {status} {said}")

    good = payments.sign(cell, by, lines)
    refused("signed something else", good, what={"transfers": [transfer(40), transfer(41, amount="6")]})
    refused("signed something else", good, what={"transfers": [transfer(41), transfer(40)]})
    refused("who signs has to be who sends", good, who=thief)
    refused("who signs has to be who sends", thief.sign(cell, "/service/thief", lines))
    refused("signed something else", thief.sign(cell, "/service/payments", lines), who=thief)
    refused("sign again", payments.sign(cell, by, lines, at=int(time.time()) - 400))
    refused("signed something else", good, to=other)
    refused("is no JWS", good.replace("..", "."))
    before = records(scene, served)
    refused("signed something else", payments.sign(str(uuid.uuid4()), by, lines))
    check(records(scene, served) == before, "something was written")
    status, said = payments.post(address, "/v1/transfers", body)
    check(status == 200 and {one["name"] for one in said["results"]} == {"debit_account_requires_signature"}, said)
    status, said = payments.post(address, "/v1/transfers", body, good)
    check(status == 200 and {one["name"] for one in said["results"]} == {"created"}, said)
    status, said = payments.post(address, "/v1/transfers", body, good)
    check(status == 200 and {one["name"] for one in said["results"]} == {"exists"}, said)
    status, said = payments.post(address, "/v1/events", {"events": [
        {"event_id": "1", "stream": "a-1", "type": "t", "data": {}}]}, good)
    check(status == 400 and "signature_salt of event 1" in said["message"], said)
    metrics = urllib.request.urlopen(f"https://{address}/metrics", timeout=20, context=payments.context).read().decode()
    for outcome in ("wrong", "of_another", "not_of_now", "malformed", "unsupported"):
        check(re.search(rf'request_signatures_total{{outcome="{outcome}"}} [1-9]', metrics), f"{outcome} is not counted")
    print("signatures that are altered, stolen, old or for another cell do nothing")


def records(scene, served):
    return json.loads(scene.does(served, "status", "--json"))["records"]


def check_library(scene, served, cell, client_load):
    """The C++ library, written from the document too."""
    if not client_load:
        return 0
    done = subprocess.run([client_load, "2", f"{scene.work}/service-payments@{cell}", served.found[1]],
                          capture_output=True, text=True, timeout=60)
    ends = [line.split()[1] for line in done.stdout.splitlines() if not line.startswith("asked")]
    check(done.returncode == 0 and ends and set(ends) == {"done"}, f"{done.returncode} {set(ends)} {done.stderr}")
    print(f"the library signed an event and {len(ends)} transfers")
    return len(ends)


def test(binary, work):
    client_load = sys.argv[3] if len(sys.argv) > 3 else ""
    scene = Scene(binary, work)
    payments, thief = scene.issue("/service/payments"), scene.issue("/service/thief")
    cell, other = str(uuid.uuid4()), str(uuid.uuid4())
    with scene.serve(cell) as served, scene.serve(other) as elsewhere:
        check_account(scene, served)
        check_evidence(scene, served)
        check_http(scene, served, elsewhere.found[2], cell, payments, thief)
        by_library = check_library(scene, elsewhere, other, client_load)
        served.process.kill()
        served.process.wait()
    with scene.serve(cell) as served:
        again = scene.does(served, "evidence", "get", "--transfer", "10").strip()
        check(again == (work / "10.jws").read_text().strip(), "evidence is another one after kill -9")
    report = verify(binary, scene.data(cell))
    # account 1; transfers 10, 20, 21, 30, 31; 40 and 41 twice
    check(report["sound"] and report["client_signed_records"] == 10 and report["client_signatures"] == 7 and
          report["client_signed_unread"] == 0, report)
    report = verify(binary, scene.data(other))
    check(report["sound"] and report["client_signed_unread"] == 0, report)
    # two accounts and an event more
    check(report["client_signed_records"] == by_library + (3 if by_library else 0), f"{by_library} {report}")
    check(report["client_signed_contents"] == (1 if by_library else 0), report)
    print("after kill -9 and offline all of it is there")


if __name__ == "__main__":
    meridian.main(test)
