#!/usr/bin/env python3
"""An authority that answers: join, renewal by itself, denial, and what happens when it is away.

A cell of three replicas in two regions gets every identity by join tokens from `meridian ca serve`, with
certificates that live for seconds, and is renewed by itself under load without a failed command, also while an
authority is killed and started again. A denial reaches everybody by itself within 5 s.
"""

import json
import select
import ssl
import subprocess
import time
import urllib.request
import uuid

import cluster
from cluster import check, run

DEPLOYMENT = "dev.invalid"
LIFETIME = 20
DENIAL_SECONDS_MAX = 5
AUTHORITIES_MAY = """  - who: ["spiffe://*.dev.invalid/ca/server", "spiffe://*.dev.invalid/service/*"]
    actions: issuances.record
    cells: all
"""


def said(binary, *arguments, patience=60):
    """Exit code and stderr of a command."""
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=patience)
    return done.returncode, done.stderr


class Authority:
    """`meridian ca serve` of a region: its directory and address stay, its process comes and goes."""

    def __init__(self, binary, bank, region, lifetime=LIFETIME):
        self.binary, self.region, self.lifetime = binary, region, lifetime
        self.directory = bank / "ca" / region
        self.domain = f"{region}.{DEPLOYMENT}"
        self.log_path = bank / f"serve-{region}.log"
        self.address = f"127.0.0.1:{cluster.free_ports(1)[0]}"
        self.process = None
        self.cell = ""  # whose records its journal becomes

    def start(self, *flags):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "ca", "serve", "--dir", self.directory, "--dev", "--listen", self.address,
                 "--lifetime", str(self.lifetime), *flags, *(["--record-to", self.cell] if self.cell else [])], stdout=subprocess.PIPE, stderr=log, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], cluster.START_PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        check(self.domain in line, f"no authority: {line!r}, see {self.log_path}")
        return self

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def ca(self, command, *arguments):
        return run(self.binary, "ca", command, "--dir", self.directory, "--dev", *arguments)

    def id(self, path):
        return f"spiffe://{self.domain}{path}"

    def token(self, path, *flags):
        return json.loads(self.ca("token", "--for", self.id(path), "--json", *flags))

    def join(self, path, out):
        token = self.token(path)
        run(self.binary, "join", "--authority", token["authority"], "--id", token["id"], "--bundle", token["bundle"],
            "--token", token["token"], "--out", out)
        return out

    def issued(self, path):
        return [one for one in json.loads(self.ca("list", "--json"))["issued"] if one["id"] == self.id(path)]


class Authorities:
    """Of all regions, with `meridian init`."""

    def __init__(self, binary, work, regions, lifetime=LIFETIME):
        self.bank = work / "bank"
        run(binary, "init", "--dir", self.bank, "--dev", "--deployment", DEPLOYMENT,
            *(f"--region={region}" for region in regions), "--officer", "ada", "--officer", "grace")
        self.of = {region: Authority(binary, self.bank, region, lifetime) for region in regions}

    def peers(self, region):
        return [f"--peer={other}={one.address}" for other, one in self.of.items() if other != region]

    def start(self, region):
        self.of[region].start(*self.peers(region))

    def __enter__(self):
        for region in self.of:
            self.start(region)
        return self

    def __exit__(self, *_):
        for one in self.of.values():
            one.kill()


class Keeper:
    """`meridian identity keep` of a directory."""

    def __init__(self, binary, identity):
        self.process = subprocess.Popen([binary, "identity", "keep", "--identity", identity],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        check("keeping" in self.process.stdout.readline(), "no keeper")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def check_tokens(binary, eu, work):
    """A token is good once, for one id, from who was told of by its digest."""
    token = eu.token("/service/x")
    line = ["join", "--authority", token["authority"], "--id", token["id"], "--out", work / "x"]
    code, words = said(binary, *line, "--bundle", "0" * 64, "--token", token["token"])
    check(code == 1 and "you were told" in words, f"another bundle: {code} {words}")
    code, words = said(binary, *line[:4], eu.id("/service/y"), *line[5:], "--bundle", token["bundle"], "--token",
                       token["token"])
    check(code == 1 and "it is for" in words, f"another id: {code} {words}")
    run(binary, *line, "--bundle", token["bundle"], "--token", token["token"])
    code, words = said(binary, *line, "--bundle", token["bundle"], "--token", token["token"])
    check(code == 1 and "it was used at" in words, f"a second time: {code} {words}")
    key = (work / "x/identity.pem").read_text()
    check("PRIVATE KEY" in key and key.split("-----END PRIVATE KEY-----")[0][64:] not in
          "".join(p.read_text(errors="replace") for p in eu.directory.rglob("*") if p.is_file()), "the key left")
    check([one["grounds"][:5] for one in eu.issued("/service/x")] == ["token"], eu.issued("/service/x"))
    code, words = said(binary, "ca", "serve", "--dir", eu.directory, "--dev", "--listen", "127.0.0.1:0")
    check(code != 0 and "served by another process" in words, f"a second server: {code} {words}")


def check_away(all_of, eu, binary, cell, client):
    """The authority is killed for longer than a retry takes; nobody notices."""
    eu.kill()
    time.sleep(LIFETIME / 4)
    run(binary, "bench", "transfers", "--count", "5000", "--batch", "500", "--server", cell.servers(),
        "--identity", client)
    all_of.start("eu")


def check_denial(binary, eu, cell, work):
    reader = eu.join("/service/reader", work / "reader")
    with Keeper(binary, reader):
        subscriber = subprocess.Popen([binary, "subscribe", "--all", "--server", cell.nodes[1].grpc, "--identity",
                                       str(reader)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(2)
        check(subscriber.poll() is None, "the subscription did not stay open")
        eu.ca("deny", "--id", eu.id("/service/reader"), "--reason", "laptop lost")
        began = time.monotonic()
        try:
            words = subscriber.communicate(timeout=DENIAL_SECONDS_MAX + 3)[1]
        except subprocess.TimeoutExpired:
            subscriber.kill()
            raise AssertionError("a denied subscriber went on")
        took = time.monotonic() - began
    check(took < DENIAL_SECONDS_MAX and "laptop lost" in words, f"after {took:.1f} s: {words}")
    code, words = said(binary, "join", "--identity", reader, "--out", work / "again")
    check(code == 1 and "laptop lost" in words, f"a denied one renewed: {code} {words}")
    print(f"a denial reached the subscriber's server by itself after {took:.1f} s")


def check_on_record(binary, eu, cell, client, work):
    """What the authority issued is in the ledger, byte for byte; a journal that was changed is found out."""
    journal = eu.directory / "journal"
    exported = work / "journal"

    def export():
        run(binary, "issuances", "export", "--trust-domain", eu.domain, "--out", exported, "--server", cell.servers(),
            "--identity", client)
        return exported.read_text()

    end = time.monotonic() + 30
    while not journal.read_text().startswith(export()) or export().count("\n") < 5:
        check(time.monotonic() < end, f"the journal is not on record: {export()}")
        time.sleep(1)
    listed = json.loads(run(binary, "issuances", "list", "--trust-domain", eu.domain, "--json", "--server",
                            cell.servers(), "--identity", client))
    serials = [one["serial"] for one in json.loads(eu.ca("list", "--json"))["issued"]]
    check([one["serial"] for one in listed] == serials[:len(listed)], "another list than the authority's")
    eu.kill()  # so that there is an issuance that nobody handed in
    eu.ca("issue", "--id", eu.id("/service/unrecorded"), "--out", work / "unrecorded")
    code, words = said(binary, "ca", "record", "--dir", eu.directory, "--dev", "--server", cell.servers(), "--identity",
                       client)
    check(code == 1 and "handed in by its authority, or by a person" in words, f"a service hands in: {code} {words}")
    # And its journal is cut.
    whole = journal.read_text()
    journal.write_text("".join(line + "\n" for line in whole.splitlines()[:3]))
    eu.start()
    end = time.monotonic() + 30
    while "ALARM" not in eu.log_path.read_text():
        check(time.monotonic() < end, "nobody noticed that the journal was cut")
        time.sleep(0.5)
    eu.kill()
    exported_lines = export()
    check(whole.startswith(exported_lines), "the records changed")
    journal.write_text(whole)
    eu.start()
    print(f"{len(listed)} issuances are on record; a journal that was cut was noticed")


def metric(cell, identity, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(identity / "identity.pem")
    url = f"https://127.0.0.1:{cell.nodes[0].http_port}/metrics"
    lines = urllib.request.urlopen(url, context=context, timeout=5).read().decode().splitlines()
    return [line for line in lines if line.startswith(name)]


def test(binary, work):
    cell_id = str(uuid.uuid4())
    with Authorities(binary, work, cluster.REGIONS) as all_of, \
            cluster.Cluster(binary, work, "--cell", cell_id) as cell:
        eu = all_of.of["eu"]
        check_tokens(binary, eu, work)
        policy = work / "policy.yaml"
        policy.write_text(cluster.SERVICES_MAY + AUTHORITIES_MAY)
        for node in cell.nodes:
            region = cluster.REGIONS[node.number - 1]
            path = f"/node/{cell_id}/{node.number}"
            node.arguments += ["--identity", str(all_of.of[region].join(path, work / f"id-{node.number}")),
                               "--first-policy", str(policy)]
        client = eu.join("/service/pay", work / "pay")
        cell.start()
        eu.cell = cell.servers()
        eu.kill()
        all_of.start("eu")
        with Keeper(binary, client):
            run(binary, "account", "create", "--id", "1", "--ledger", "1", "--code", "1", "--server", cell.servers(),
                "--identity", client)
            began, count = time.monotonic(), 0
            while time.monotonic() - began < 3 * LIFETIME:
                run(binary, "bench", "transfers", "--count", "20000", "--batch", "500", "--server", cell.servers(),
                    "--identity", client)
                count += 20_000
                if count == 60_000:
                    check_away(all_of, eu, binary, cell, client)
            renewals = len(eu.issued(f"/node/{cell_id}/1"))
            check(renewals >= 4, f"only {renewals} certificates in {3 * LIFETIME} s")
            done = metric(cell, client, 'meridian_mesh_renewals_total{outcome="done"}')
            check(done and int(float(done[0].split()[-1])) >= 3, f"no metric of renewals: {done}")
            print(f"{count} transfers in {3 * LIFETIME} s with certificates of {LIFETIME} s, none failed; node 1 had "
                  f"{renewals}")
            check_on_record(binary, eu, cell, client, work)
            check_denial(binary, eu, cell, work)
            cell.stop()
        print(f"{cell.verify()} records, the same on all")


if __name__ == "__main__":
    cluster.main(test)
