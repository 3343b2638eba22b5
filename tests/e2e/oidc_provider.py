"""An OpenID Connect provider for tests: discovery, authorization with consent of its own accord, tokens, keys.

It does what a real one does (PKCE with S256, codes that are good once, keys that change), and on request what a broken
or hostile one does: see the attributes of Provider. Everything over TLS, with a CA of its own.
"""

import base64
import datetime
import hashlib
import http.server
import ipaddress
import json
import secrets
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID

PATH = "/realms/staff"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size):
    return b64(value.to_bytes(size, "big"))


class Key:
    """A signing key of the provider; `algorithm` is what it signs in."""

    def __init__(self, algorithm):
        self.algorithm, self.id = algorithm, secrets.token_hex(4)
        is_rsa = algorithm in ("RS256", "PS256")
        self.private = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())

    def published(self):
        public = self.private.public_key().public_numbers()
        common = {"kid": self.id, "use": "sig", "alg": self.algorithm}
        if self.algorithm == "ES256":
            return {**common, "kty": "EC", "crv": "P-256", "x": number(public.x, 32), "y": number(public.y, 32)}
        return {**common, "kty": "RSA", "n": number(public.n, 256), "e": number(public.e, 3)}

    def signature(self, data):
        if self.algorithm == "ES256":
            r, s = utils.decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        pad = padding.PKCS1v15() if self.algorithm == "RS256" else \
            padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
        return self.private.sign(data, pad, hashes.SHA256())

    def public_pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo)


class Authority:
    """A CA for the provider's TLS."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._make(f"test provider CA {secrets.token_hex(4)}", self.key.public_key(), None)

    def _make(self, name, public_key, address):
        now = datetime.datetime.utcnow()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if address is None else self.certificate.subject
        made = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=2))
                .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True))
        if address is not None:
            made = made.add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        return made.sign(self.key, hashes.SHA256())

    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, directory):
        """A file with key and certificate of a server at 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        path = directory / f"server-{secrets.token_hex(4)}.pem"
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()) +
                         self._make("127.0.0.1", key.public_key(), "127.0.0.1")
                         .public_bytes(serialization.Encoding.PEM))
        return path


class Provider:
    def __init__(self, work):
        self.authority = Authority()
        self.ca_file = work / "provider-ca.pem"
        self.ca_file.write_bytes(self.authority.pem())
        self.server_pem = self.authority.issue(work)
        self.port = 0
        self.keys = [Key("RS256")]  # the first one signs, all are published
        self.subject, self.methods = "8f2c", ["pwd"]
        # Of a broken or hostile one:
        self.claims = {}       # in the place of what it would say; None: left out
        self.forge = None      # (header, claims) -> token
        self.token = None      # given whatever was asked
        self.challenge = None  # in the place of what the browser brought
        self.giant, self.slow, self.broken = set(), set(), set()  # of paths
        self.asked, self.keys_asked_at = [], 0.0  # paths, in their order
        self.codes = {}
        self.server = None

    @property
    def issuer(self):
        return f"https://127.0.0.1:{self.port}{PATH}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_pem)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that go away are part of it
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def behave(self):
        """As it should, again."""
        self.claims, self.forge, self.token, self.challenge = {}, None, None, None
        self.giant, self.slow, self.broken = set(), set(), set()

    def document(self):
        return {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
                "code_challenge_methods_supported": ["S256"], "response_types_supported": ["code"],
                "authorization_response_iss_parameter_supported": True}

    def authorize(self, query):
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256", query
        assert query["redirect_uri"].startswith("http://127.0.0.1:") and "openid" in query["scope"].split(), query
        code = secrets.token_urlsafe(16)
        # A person who has a session is asked again only if that is too long ago for the client.
        since = 3600 if int(query["max_age"]) >= 3600 else 0
        self.codes[code] = {**query, "auth_time": int(time.time()) - since}
        return query["redirect_uri"] + "?" + urllib.parse.urlencode(
            {"code": code, "state": query["state"], "iss": self.issuer})

    def give_token(self, form):
        asked = self.codes.pop(form["code"], None)
        if asked is None:
            return 400, {"error": "invalid_grant", "error_description": "no such code"}
        challenge = self.challenge or asked["code_challenge"]
        if b64(hashlib.sha256(form["code_verifier"].encode()).digest()) != challenge:
            return 400, {"error": "invalid_grant", "error_description": "wrong code_verifier"}
        if form["redirect_uri"] != asked["redirect_uri"] or form["client_id"] != asked["client_id"]:
            return 400, {"error": "invalid_grant", "error_description": "another client"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.token or self.sign(asked)}

    def sign(self, asked):
        now, key = int(time.time()), self.keys[0]
        claims = {"iss": self.issuer, "sub": self.subject, "aud": asked["client_id"], "nonce": asked["nonce"],
                  "iat": now, "exp": now + 300, "auth_time": asked["auth_time"], "amr": self.methods, **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": key.algorithm, "kid": key.id, "typ": "JWT"}
        if self.forge:
            return self.forge(header, claims)
        data = encode(header, claims)
        return data + "." + b64(key.signature(data.encode()))

    def _handler(provider):  # noqa: N805: its methods have a `self` of their own
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                provider.asked.append(path)
                if path == f"{PATH}/.well-known/openid-configuration":
                    return self.answer(200, provider.document())
                if path == f"{PATH}/keys":
                    provider.keys_asked_at = time.monotonic()
                    return self.answer(200, {"keys": [key.published() for key in provider.keys]})
                if path == f"{PATH}/authorize":
                    self.send_response(302)
                    self.send_header("Location", provider.authorize(dict(urllib.parse.parse_qsl(query))))
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                return self.answer(404, {})

            def do_POST(self):
                provider.asked.append(self.path)
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.answer(*provider.give_token(dict(urllib.parse.parse_qsl(form))))

            def answer(self, status, document):
                last = self.path.partition("?")[0].rsplit("/", 1)[1]
                body = json.dumps(document).encode()
                if last in provider.broken:
                    status, body = 503, b"<html>come again</html>"
                if last in provider.giant:
                    body = json.dumps({**document, "more": "x" * (2 << 20)}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if last not in provider.giant:  # else it does not say how much there is
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    for i in range(0, len(body), 1 if last in provider.slow else 1 << 16):
                        self.wfile.write(body[i:i + (1 if last in provider.slow else 1 << 16)])
                        if last in provider.slow:
                            time.sleep(0.5)
                except OSError:
                    pass  # the client had enough

            def log_message(self, *_):
                pass

        return Handler


def encode(header, claims):
    return b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())


def unsigned(header, claims):
    return encode({**header, "alg": "none"}, claims) + "."


def with_shared_secret(secret):
    """HS256, the secret being what everybody knows."""
    def forge(header, claims):
        data = encode({**header, "alg": "HS256"}, claims)
        mac = hmac.HMAC(secret, hashes.SHA256())
        mac.update(data.encode())
        return data + "." + b64(mac.finalize())
    return forge


class Browser:
    """Follows a person's way: the provider's page, then wherever it sends them."""

    def __init__(self, provider):
        self.context = ssl.create_default_context(cafile=provider.ca_file)

    def go(self, url):
        """Status and text of the last page."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=self.context))
        try:
            with opener.open(url, timeout=30) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
