#!/usr/bin/env python3
"""People sign in at a provider of tests, get certificates from a running authority, and do with them what the policy
and the age of their second factor allow; what providers, tokens and networks do wrong is refused with a reason.
"""

import json
import os
import re
import subprocess
import sys
import time
import uuid

import meridian
from meridian import Served, check, read_until, run

try:
    import oidc_provider
except ImportError:
    print("skipped: no python3-cryptography")
    sys.exit(77)

DOMAIN = "eu.dev.invalid"


class Scene:
    """A region with its authority, and a provider."""

    def __init__(self, binary, work, provider):
        self.binary, self.work, self.provider = binary, work, provider
        self.bank, self.tries = work / "bank", 0
        run(binary, "init", "--dir", self.bank, "--dev", "--deployment", "dev.invalid", "--region", "eu",
            "--officer", "ada", "--officer", "grace")
        self.ca = self.bank / "ca/eu"
        self.address = None
        self.digest = self.token("/service/nobody", "--authority", "127.0.0.1:1")["bundle"]

    def settings(self, name, ca_file):
        path = self.work / name
        path.write_text(f"""meridian-oidc: 1
issuer: {self.provider.issuer}
client_id: meridian
people:
  8f2c: ada
  "77": grace
mfa:
  amr: [mfa, otp]
ca_file: {ca_file}
""")
        return path

    def serve(self, settings):
        served = Served(self.binary, r"authority of \S+ at (\S+)", "ca", "serve", "--dir", self.ca, "--dev", "--listen",
                        "127.0.0.1:0", "--oidc", settings, log=self.work / "authority.log")
        self.address = served.found[1]
        return served

    def token(self, path, *flags):
        return json.loads(run(self.binary, "ca", "token", "--dir", self.ca, "--dev", "--json", "--for",
                              f"spiffe://{DOMAIN}{path}", *flags))

    def issued(self):
        return json.loads(run(self.binary, "ca", "list", "--dir", self.ca, "--dev", "--json"))["issued"]

    def trust(self):
        """What a person is told the first time."""
        return ["--authority", self.address, "--bundle", self.digest]

    def sign_in(self, *arguments, out=None, browse=None, desktop=None):
        """Exit code, stdout and stderr; `browse(url)` in the place of a browser that does what it is told.
        `desktop`: a directory with an xdg-open."""
        self.tries += 1
        out = out or self.work / f"person-{self.tries}"
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        if desktop:
            environment["PATH"] = f"{desktop}:{environment['PATH']}"
        else:
            arguments = ("--no-browser", *arguments)
        process = subprocess.Popen([self.binary, "sign-in", "--json", "--out", str(out),
                                    *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment)
        try:
            seen = ""
            for line in process.stderr:
                seen += line
                if line.startswith("https://"):
                    (browse or oidc_provider.Browser(self.provider).go)(line.strip())
                    break
            more_out, more_err = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
        return process.returncode, more_out, seen + more_err

    def signs_in(self, *arguments, out):
        code, words, errors = self.sign_in(*arguments, out=out)
        check(code == 0, f"{arguments}: {code} {errors}")
        return json.loads(words)

    def refused(self, reason, *arguments, browse=None, code_wanted=1):
        """Nothing is issued, and the reason is said."""
        before = len(self.issued())
        began = time.monotonic()
        code, _, errors = self.sign_in(*self.trust(), *arguments, browse=browse)
        check(code == code_wanted and reason in errors, f"not refused with {reason!r}: {code} {errors}")
        check(len(self.issued()) == before, f"something was issued for a token that is refused: {reason}")
        self.provider.behave()
        return time.monotonic() - began


def check_good(scene):
    """First with what is to be believed, then with what the directory remembers."""
    out = scene.work / "ada"
    shown = scene.signs_in(*scene.trust(), out=out)
    check(shown["id"] == f"spiffe://{DOMAIN}/person/ada" and not shown["second_factor"], shown)
    check(abs(shown["not_after"] - time.time() - 3600) < 120, shown)
    check(time.time() - shown["auth_time"] > 3000, f"the session's time was not taken: {shown}")
    scene.provider.methods = ["pwd", "otp"]
    shown = scene.signs_in("--mfa", out=out)
    check(shown["second_factor"] and time.time() - shown["auth_time"] < 60, shown)
    check((out / "authority").read_text().strip() == scene.address, "the authority is not remembered")
    check([one["grounds"] for one in scene.issued()][-1] == f"sign-in at {scene.provider.issuer}", scene.issued())
    journal = (scene.ca / "journal").read_text()
    check("8f2c" not in re.sub(r"[0-9a-f]{32,}", "", journal), "the journal names the person")
    check_desktop(scene, out)
    scene.provider.subject = "77"
    code, _, errors = scene.sign_in("--mfa", out=out)
    check(code != 0 and "holds the identity of" in errors, f"grace took ada's directory: {code} {errors}")
    scene.provider.subject, scene.provider.methods = "8f2c", ["pwd"]
    code, _, errors = scene.sign_in("--mfa", out=out)
    check(code == 1 and "does not say that a second factor was used" in errors, f"{code} {errors}")
    print("ada signed in with one factor, and with two")


def check_desktop(scene, out):
    """The person's browser is opened, at the address that is printed."""
    desktop, opened = scene.work / "desktop", scene.work / "opened"
    desktop.mkdir()
    (desktop / "xdg-open").write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new && mv {opened}.new {opened}\n')
    (desktop / "xdg-open").chmod(0o755)

    def browse(url):
        end = time.monotonic() + 30
        while not opened.exists() and time.monotonic() < end:
            time.sleep(0.05)
        check(opened.exists() and opened.read_text() == url, "no browser was opened there")
        oidc_provider.Browser(scene.provider).go(url)

    code, _, errors = scene.sign_in(out=out, browse=browse, desktop=desktop)
    check(code == 0, errors)


def check_bad_tokens(scene):
    provider, now = scene.provider, int(time.time())
    for claims, reason in (({"aud": "another"}, "(aud)"), ({"aud": ["meridian", "another"]}, "(aud)"),
                           ({"iss": "https://evil.example"}, "(iss)"), ({"nonce": "another"}, "(nonce)"),
                           ({"nonce": None}, "(nonce)"), ({"exp": now - 120}, "it ended"),
                           ({"iat": now + 600}, "from the future"), ({"iat": now - 3600}, "too long ago"),
                           ({"azp": "another"}, "(azp)"), ({"sub": "nobody"}, "`people`")):
        provider.claims = claims
        scene.refused(reason)
    provider.forge = oidc_provider.unsigned
    scene.refused("ID token: ")
    for secret in (provider.keys[0].public_pem(), json.dumps(provider.keys[0].published()).encode()):
        provider.forge = oidc_provider.with_shared_secret(secret)
        scene.refused("its algorithm is not one")
    stranger = oidc_provider.Key("RS256")
    provider.forge = lambda header, claims: sign_with(stranger, {**header, "kid": stranger.id}, claims)
    scene.refused("no key that it names")
    provider.forge = lambda header, claims: sign_with(stranger, header, claims)
    scene.refused("its signature is wrong")
    print("tokens that are not what they should be are refused")


def sign_with(key, header, claims):
    data = oidc_provider.encode(header, claims)
    return data + "." + oidc_provider.b64(key.signature(data.encode()))


def check_stolen(scene):
    """A good token of ada's, brought by somebody else: it is bound to the key that asked for it."""
    provider, stolen = scene.provider, []

    def keep(header, claims):
        stolen.append(sign_with(provider.keys[0], header, claims))
        return stolen[-1]

    provider.forge = keep
    scene.signs_in(*scene.trust(), out=scene.work / "ada-2")
    provider.behave()
    provider.token = stolen[0]
    scene.refused("(nonce)")
    provider.challenge = "of-somebody-elses-browser"
    scene.refused("invalid_grant: wrong code_verifier")

    def misled(url):
        callback = re.search(r"redirect_uri=http%3A%2F%2F127\.0\.0\.1%3A(\d+)", url)[1]
        browser = oidc_provider.Browser(provider)
        status, _ = browser.go(f"http://127.0.0.1:{callback}/callback?code=evil&state=evil")
        check(status == 400, f"another answer was taken: {status}")
        status, page = browser.go(f"http://127.0.0.1:{callback}/callback?error=access_denied&state=evil")
        check(status == 400, f"another refusal was taken: {status} {page}")
        browser.go(url)

    code, _, errors = scene.sign_in(*scene.trust(), browse=misled)
    check(code == 0, f"an answer to somebody else ended the sign-in: {errors}")

    def unwilling(url):
        state = re.search(r"state=([^&]+)", url)[1]
        callback = re.search(r"redirect_uri=http%3A%2F%2F127\.0\.0\.1%3A(\d+)", url)[1]
        oidc_provider.Browser(provider).go(
            f"http://127.0.0.1:{callback}/callback?error=access_denied&state={state}&iss={provider.issuer}")

    scene.refused("the identity provider refused: access_denied", browse=unwilling)
    scene.refused("nobody came back", "--patience", "1", browse=lambda url: None, code_wanted=3)
    print("a stolen token, a stolen code and answers to nobody's question do nothing")


def check_broken_provider(scene):
    provider = scene.provider
    provider.giant = {"openid-configuration"}
    scene.refused("larger than 1 MiB")
    provider.giant = {"token"}
    scene.refused("larger than 1 MiB")
    provider.slow = {"openid-configuration"}
    took = scene.refused("no whole answer within 10 s", code_wanted=3)
    check(9.5 < took < 25, f"a slow provider held us for {took:.1f} s")
    provider.broken = {"token"}
    scene.refused("HTTP 503", code_wanted=3)
    provider.stop()
    scene.refused("/.well-known/openid-configuration: ", code_wanted=3)
    provider.start()
    # Keys change while the authority holds the old ones: it asks again, once a minute at most.
    time.sleep(max(0, provider.keys_asked_at + 61 - time.monotonic()))
    for algorithm in ("ES256", "PS256"):
        provider.keys.insert(0, oidc_provider.Key(algorithm))
    scene.signs_in(*scene.trust(), out=scene.work / "ada-3")
    provider.keys = provider.keys[1:2] + provider.keys[:1]
    scene.signs_in(*scene.trust(), out=scene.work / "ada-3")
    asked = provider.asked.count(f"{oidc_provider.PATH}/keys")
    provider.keys.insert(0, oidc_provider.Key("ES256"))
    scene.refused("once a minute")
    check(provider.asked.count(f"{oidc_provider.PATH}/keys") == asked, "a stranger's key became a question")
    del provider.keys[0]
    print("a provider that is giant, slow, broken or away is named; its new keys are found")


def check_untrusted(binary, scene):
    """The provider's TLS is not vouched for; the authority does not get its keys."""
    other = oidc_provider.Authority()
    (scene.work / "other-ca.pem").write_bytes(other.pem())
    with scene.serve(scene.settings("untrusted.yaml", "other-ca.pem")):
        scene.refused("certificate", code_wanted=3)
    with scene.serve(scene.settings("oidc.yaml", "provider-ca.pem")):
        scene.provider.broken = {"keys"}
        scene.refused("the identity provider does not answer as it should", code_wanted=3)
        time.sleep(5)  # it does not ask again at once
        scene.signs_in(*scene.trust(), out=scene.work / "back-again")
    (scene.work / "bad.yaml").write_text("meridian-oidc: 1\nisuer: x\n")
    words = subprocess.run([binary, "ca", "serve", "--dir", scene.ca, "--dev", "--oidc", scene.work / "bad.yaml"],
                           capture_output=True, text=True, timeout=60).stderr
    check("line 2: there is no key 'isuer'" in words, words)
    print("a provider whose TLS nobody vouches for is not asked, and says nothing")


def check_enforced(binary, scene):
    """A cell whose policy wants a second factor for what people alone may do."""
    cell, work = str(uuid.uuid4()), scene.work
    token = scene.token(f"/node/{cell}/1")
    run(binary, "join", "--authority", scene.address, "--id", token["id"], "--bundle", token["bundle"], "--token",
        token["token"], "--out", work / "node")
    text = f"""meridian-policy: 1
grants:
  - who: ["spiffe://{DOMAIN}/person/ada", "spiffe://{DOMAIN}/person/grace"]
    roles: [operator]
    cells: all
"""
    policy = work / "policy.yaml"
    policy.write_text(text)
    with Served(binary, r"serving grpc (\S+) http (\S+) ", "serve", "--data", work / "ledger", "--dev", "--cell", cell,
                "--identity", work / "node", "--first-policy", policy, "--grpc", "127.0.0.1:0", "--http",
                "127.0.0.1:0", log=work / "ledger.log") as served:
        def does(person, *arguments):
            done = subprocess.run([binary, *map(str, arguments), "--server", served.found[1], "--identity",
                                   str(work / person)], capture_output=True, text=True, timeout=60)
            return done.returncode, done.stdout, done.stderr

        def propose(person, note):
            policy.write_text(f"{text}# {note}\n")
            return does(person, "policy", "propose", "--file", policy, "--json")

        provider = scene.provider
        scene.signs_in(out=work / "ada")
        code, words, errors = does("ada", "status")
        check(code == 0, f"{words} {errors}")
        code, _, errors = propose("ada", "one factor")
        check(code == 1 and "second factor within the last 10 minutes, and none was used" in errors and
              "meridian sign-in --mfa" in errors, f"{code} {errors}")
        provider.methods = ["pwd", "otp"]
        provider.claims = {"auth_time": int(time.time()) - 700}
        scene.signs_in(out=work / "ada")
        provider.behave()
        code, _, errors = propose("ada", "long ago")
        check(code == 1 and "it was used longer ago" in errors, f"{code} {errors}")
        run(binary, "ca", "issue", "--dir", scene.ca, "--dev", "--id", f"spiffe://{DOMAIN}/person/ada", "--out",
            work / "by-hand")
        code, _, errors = propose("by-hand", "by hand")
        check(code == 1 and "nobody who signed in" in errors, f"{code} {errors}")
        scene.signs_in("--mfa", out=work / "ada")
        code, words, errors = propose("ada", "two factors")
        check(code == 0, errors)
        proposal = json.loads(words)["hash"]
        provider.subject = "77"
        scene.signs_in(*scene.trust(), out=work / "grace")
        code, _, errors = does("grace", "policy", "approve", proposal)
        check(code == 1 and "it was used longer ago" in errors, f"{code} {errors}")
        scene.signs_in("--mfa", out=work / "grace")
        code, _, errors = does("grace", "policy", "approve", proposal)
        check(code == 0, errors)
        lines = run("curl", "--silent", "--insecure", "--cert", work / "ada/identity.pem",
                    f"https://{served.found[2]}/metrics")
        for reason in ("no_sign_in", "one_factor", "too_old"):
            line = rf'meridian_mfa_denials_total{{reason="{reason}"}} [1-9]'
            check(re.search(line, lines), f"{reason} is not counted")
        provider.subject, provider.methods = "8f2c", ["pwd"]
    print("what people alone may do is done with a second factor of just now, and not without")


def check_not_renewed(binary, scene):
    """A person's certificate is over when it is over, and the keeper says what to do."""
    run(binary, "ca", "issue", "--dir", scene.ca, "--dev", "--id", f"spiffe://{DOMAIN}/person/eve", "--lifetime", "6",
        "--out", scene.work / "eve", "--authority", scene.address)
    keeper = subprocess.Popen([binary, "identity", "keep", "--identity", scene.work / "eve"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
    try:
        read_until(keeper, keeper.stderr, "is over: sign in again")
    finally:
        keeper.kill()
        keeper.communicate()
    check(len([one for one in scene.issued() if one["id"].endswith("/eve")]) == 1, "a person was renewed")
    print("nobody renews a person")


def test(binary, work):
    with oidc_provider.Provider(work) as provider:
        scene = Scene(binary, work, provider)
        check_untrusted(binary, scene)
        with scene.serve(scene.settings("oidc.yaml", "provider-ca.pem")):
            check_good(scene)
            check_bad_tokens(scene)
            check_stolen(scene)
            check_broken_provider(scene)
            check_enforced(binary, scene)
            check_not_renewed(binary, scene)


if __name__ == "__main__":
    meridian.main(test)
