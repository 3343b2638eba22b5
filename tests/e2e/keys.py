"""The keys of a node: what opens them (a passphrase from a file, or from a systemd credential), listing
them, and turning them over."""

import json
import subprocess

import meridian
from meridian import check

SAID = ("came at nine", "came at ten")


def records(server):
    server.run("account", "create", "--id", 1, "--ledger", 978, "--code", 1)
    for person, text in zip(("Ada", "Bob"), SAID):
        server.run("append", "visits", "visit", json.dumps(text), "--subject", person)
    server.run("log", "checkpoint")


def read(server):
    return server.run("read", "visits", "--json")


def listed(binary, data, *more, environment=None):
    out = json.loads(meridian.run(binary, "keys", "list", "--data", data, "--json", *more,
                                  environment=environment))
    return {(key["name"], key["version"]): key for key in out["keys"]}


def refusal(binary, *arguments):
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    check(done.returncode == 1, f"{arguments}: exit code {done.returncode}, not 1: {done.stderr}")
    return done.stderr


def turning(binary, work):
    """storage and epoch get new keys; files and persons open as before; the rest is refused."""
    data = work / "turning"
    rotate = ("keys", "rotate", "--data", data)
    with meridian.Server(binary, data) as server:
        records(server)
        keys = listed(binary, data)  # also while it is served
        check({name for name, _ in keys} == {"storage", "payload", "commit", "index", "log", "cosign",
                                             "epoch"}, str(keys))
        check(keys["storage", 1]["files"] > 0 and keys["storage", 1]["place"] == "keys/store", str(keys))
        check(len(keys["log", 1]["public_key"]) == 64 and "public_key" not in keys["epoch", 1], str(keys))
        table = meridian.run(binary, "keys", "list", "--data", data)
        check("signs tree heads" in table and "in use" in table, table)
        check("a server runs" in refusal(binary, *rotate, "storage"), "refused while it is served")
        server.stop()
    before = listed(binary, data)
    headers = sorted((data / "headers").iterdir())
    bytes_before = [path.read_bytes() for path in headers]
    turned = json.loads(meridian.run(binary, *rotate, "storage", "--json"))
    check(turned["version"] == 2 and turned["destroyed"] == [1], str(turned))
    check(turned["wrapped_anew"] == before["storage", 1]["files"], str(turned))
    for path, old in zip(headers, bytes_before):
        new = path.read_bytes()
        check(new[:128] != old[:128] and new[128:] == old[128:], f"{path}: only its header changes")
    turned = json.loads(meridian.run(binary, *rotate, "epoch", "--json"))
    check(turned["version"] == 2 and turned["destroyed"] == [1] and turned["wrapped_anew"] == 4,
          str(turned))
    after = listed(binary, data)
    check(("storage", 1) not in after and ("epoch", 1) not in after, str(after))
    check(meridian.verify(binary, data)["sound"], "it is sound with new keys")
    with meridian.Server(binary, data) as server:
        check(all(said in read(server) for said in SAID), "everything opens")
        server.run("subject", "forget", "Ada")
        check(SAID[0] not in read(server) and SAID[1] in read(server), "and forgetting goes on")
        server.stop()
    for name, why in (("log", "node replace"), ("cosign", "node replace"), ("exchange", "node replace"),
                      ("cell", "for ever"), ("index", "for ever"), ("nothing", "there is no key")):
        check(why in refusal(binary, *rotate, name), name)
    check(listed(binary, data).keys() >= {("log", 1), ("epoch", 3)}, "nothing of that changed a key")


def credentials(binary, work):
    """The same data opens by the file and by the credential, and by nothing else."""
    data, handed = work / "ledger", work / "credentials"
    handed.mkdir()
    (handed / "ledger").write_text("a passphrase of ours\n")
    (handed / "other").write_text("another passphrase\n")
    systemd = {"CREDENTIALS_DIRECTORY": str(handed)}
    by_name = ("--passphrase-credential", "ledger")
    with meridian.Server(binary, data, keys=("--dev", *by_name), environment=systemd) as server:
        server.run("account", "create", "--id", 1, "--ledger", 978, "--code", 1)
        server.run("log", "checkpoint")
        server.stop()
    check(not (data / "dev-passphrase").exists(), "no passphrase may lie beside the keys")
    meridian.run(binary, "verify", "--data", data, "--passphrase-file", handed / "ledger")
    meridian.run(binary, "verify", "--data", data, *by_name, environment=systemd)
    meridian.run(binary, "recovery", "inspect", "--data", data, *by_name, environment=systemd)
    backup = ("backup", "create", "--data", data, "--to", work / "backup", "--keys", work / "keys")
    meridian.run(binary, *backup, *by_name, "--backup-passphrase-credential", "other",
                 environment=systemd)
    meridian.run(binary, "backup", "verify", "--from", work / "backup", "--keys", work / "keys",
                 "--backup-passphrase-file", handed / "other")
    # Refused: another one, none, and two.
    meridian.run(binary, "verify", "--data", data, "--passphrase-credential", "other", expect=1,
                 environment=systemd)
    meridian.run(binary, "verify", "--data", data, *by_name, expect=1)
    meridian.run(binary, "verify", "--data", data, expect=1, environment=systemd)
    meridian.run(binary, "verify", "--data", data, *by_name, "--passphrase-file", handed / "ledger",
                 expect=2, environment=systemd)
    meridian.run(binary, *backup, *by_name, expect=1, environment=systemd)
    # Without a name the usual one is looked for.
    (handed / "meridian-passphrase").write_text("a passphrase of ours")
    meridian.run(binary, "verify", "--data", data, environment=systemd)


def test(binary, work):
    credentials(binary, work)
    turning(binary, work)


meridian.main(test)
