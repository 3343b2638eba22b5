"""A node whose root keys are in a token (SoftHSM): it serves, restarts, is killed, forgets a person."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import meridian
from meridian import check

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "648219"
SKIPPED = 77  # for ctest

SAID = ("came at nine", "came at ten")


def make_token(work, *labels):
    (work / "tokens").mkdir()
    config = work / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {work / 'tokens'}\nobjectstore.backend = file\n"
                      "log.level = ERROR\nslots.removable = false\n")
    environment = {"SOFTHSM2_CONF": str(config)}
    for label in labels:
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN,
                        "--so-pin", "19283746"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, **environment})
    return environment


def uri(label):
    return f"pkcs11:token={label}?module-path={LIBRARY}"


class Place:
    def __init__(self, binary, work):
        self.binary, self.data = binary, work / "ledger"
        self.environment = make_token(work, "ledger", "other")
        self.pin = work / "pin"
        self.pin.write_text(PIN + "\n")
        self.keys = ("--key-store", uri("ledger"), "--passphrase-file", str(self.pin))

    def serve(self):
        return meridian.Server(self.binary, self.data, keys=("--dev", *self.keys), environment=self.environment)

    def run(self, *arguments, expect=0):
        return meridian.run(self.binary, *arguments, "--data", self.data, expect=expect,
                            environment=self.environment)

    def listed(self):
        out = json.loads(self.run("keys", "list", "--json", *self.keys))
        return {(key["name"], key["version"]): key for key in out["keys"]}

    def refusal(self, *arguments):
        done = subprocess.run([self.binary, *map(str, arguments), "--data", str(self.data)],
                              capture_output=True, text=True, timeout=60,
                              env={**os.environ, **self.environment})
        check(done.returncode != 0, f"{arguments}: it must be refused")
        return done.stderr


def read(server):
    return server.run("read", "visits", "--json")


def authority(binary, work, place):
    """The key of a regional authority is made in the token, and signs there."""
    for name in ("ada", "grace", "root"):
        (work / f"{name}.pass").write_text(f"a passphrase of {name}")
    run = lambda *arguments: meridian.run(binary, *arguments, environment=place.environment)
    deployment = work / "deployment"
    run("init", "--dir", deployment, "--deployment", "bank.example", "--region", "eu",
        "--officer", f"ada={work / 'ada.pass'}", "--officer", f"grace={work / 'grace.pass'}",
        "--root-passphrase-file", work / "root.pass", *place.keys)
    ca, identity = deployment / "ca" / "eu", work / "identity"
    check((ca / "ca.pem").exists() and not (ca / "ca.key").exists(), "its key is in no file")
    check((deployment / "root" / "ca.key").exists(), "the root is kept elsewhere")
    run("ca", "issue", "--dir", ca, "--id", "spiffe://eu.bank.example/service/x", "--out", identity,
        *place.keys)
    issued = json.loads(run("ca", "list", "--dir", ca, "--json", *place.keys))
    check("service/x" in json.dumps(issued), str(issued))
    (work / "root.pem").write_text((deployment / "root" / "ca.pem").read_text())
    certificates = [path for path in identity.rglob("*.pem")]
    check(certificates, "there is a certificate")
    def verified(directory):
        subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", work / "root.pem", "-untrusted",
                        ca / "ca.pem", *directory.rglob("*.pem")], check=True, stdout=subprocess.DEVNULL)
    verified(identity)

    # A new key, made in the token too; the one before goes when the new one issues.
    def versions():
        out = json.loads(meridian.run(binary, "keys", "list", "--data", ca, "--json", *place.keys,
                                      environment=place.environment))
        return [(key["version"], key["place"]) for key in out["keys"] if key["name"] == "ca"]
    officers = [f"{deployment / 'officers' / name}={work / f'{name}.pass'}" for name in ("ada", "grace")]
    rotate = ("ca", "rotate", "--dir", ca, *place.keys, "--officer", officers[0], "--officer", officers[1])
    by_root = ("--root", deployment / "root", "--root-passphrase-file", work / "root.pass")
    check([version for version, _ in versions()] == [1], str(versions()))
    first = (ca / "ca.pem").read_text()
    run(*rotate, *by_root, "--switch-after", "2")
    check([version for version, _ in versions()] == [1, 2], str(versions()))
    run("ca", "issue", "--dir", ca, "--id", "spiffe://eu.bank.example/service/y", "--out", work / "y", *place.keys)
    check((ca / "ca.pem").read_text() == first, "until then the old one issues")
    verified(work / "y")
    time.sleep(3)
    run("ca", "issue", "--dir", ca, "--id", "spiffe://eu.bank.example/service/z", "--out", work / "z", *place.keys)
    check((ca / "ca.pem").read_text() != first, "then the new one")
    verified(work / "z")
    there = versions()
    check([version for version, _ in there] == [2] and "token ledger" in there[0][1], str(there))
    check(not list(ca.glob("ca*.key")), "no key in a file")
    run(*rotate, "--finish", "--now")


def test(binary, work):
    place = Place(binary, work)
    with place.serve() as server:
        for person, text in zip(("Ada", "Bob"), SAID):
            server.run("append", "visits", "visit", json.dumps(text), "--subject", person)
        policy, receipt = work / "policy", work / "receipt"
        server.run("log", "policy", "-o", policy)
        server.run("receipt", "get", "--record", 0, "-o", receipt)
        meridian.run(binary, "receipt", "verify", receipt, "--policy", policy)
        keys = place.listed()  # while it is served: a second process at the token
        for name in ("storage", "epoch", "log", "cosign"):
            check("token ledger" in keys[name, 1]["place"], str(keys[name, 1]))
        for name in ("payload", "commit", "index"):
            check(keys[name, 1]["place"] == "keys/store", str(keys[name, 1]))
        server.stop()
    check(not (place.data / "dev-passphrase").exists(), "nothing that opens it lies beside it")
    old = work / "old"
    shutil.copytree(place.data / "keys", old)
    with place.serve() as server:
        check(all(said in read(server) for said in SAID), "after a restart")
        erased = server.json("subject", "forget", "Ada")
        check(erased["keys_destroyed"] >= 1, str(erased))
        check(SAID[0] not in read(server) and SAID[1] in read(server), "Ada is forgotten")
        server.run("append", "visits", "visit", json.dumps("came at eleven"), "--subject", "Bob")
        server.kill()
    with place.serve() as server:
        check(SAID[0] not in read(server) and "came at eleven" in read(server), "after kill -9")
        meridian.run(binary, "receipt", "verify", receipt, "--policy", policy)
        server.stop()
    keys = place.listed()
    check(("epoch", 1) not in keys and "token ledger" in keys["epoch", 2]["place"], str(keys))
    turned = json.loads(place.run("keys", "rotate", "storage", "--json", *place.keys))
    check(turned["version"] == 2 and turned["destroyed"] == [1], str(turned))
    check(json.loads(place.run("verify", "--json", *place.keys))["sound"], "sound")

    authority(binary, work, place)

    # What does not open it: no token, another one, another PIN, a passphrase.
    wrong = work / "wrong-pin"
    wrong.write_text("11111111")
    check("give --key-store" in place.refusal("verify", "--passphrase-file", str(wrong)),
          "by a passphrase")
    check("CKR_PIN_INCORRECT" in place.refusal("verify", "--key-store", uri("ledger"),
                                               "--passphrase-file", str(wrong)), "by a wrong PIN")
    check("another token" in place.refusal("verify", "--key-store", uri("other"), "--passphrase-file",
                                           str(place.pin)), "in another token")
    check("no PIN" in place.refusal("serve", "--dev", "--key-store", uri("ledger")), "without a PIN")
    # An old copy of table and key store, with token and PIN in hand: Ada stays forgotten.
    shutil.rmtree(place.data / "keys")
    shutil.copytree(old, place.data / "keys")
    check("is not there" in place.refusal("verify", *place.keys), "an old copy of the key store")


if not pathlib.Path(LIBRARY).exists():
    print("softhsm2 is not installed (./run installs it)")
    sys.exit(SKIPPED)
meridian.main(test)
