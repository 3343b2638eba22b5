#!/usr/bin/env python3
"""Checks a leaf, its CA and the root against X509-SVID, RFC 5280 and docs/decisions/0025.

  check_svid.py ROOT CA TRUST_DOMAIN LEAF     all PEM; prints nothing if all is well

Written from the documents, on Python's cryptography; shares no code with what it judges.
"""
import sys
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

wrong = []


def check(is_so, what):
    if not is_so:
        wrong.append(what)


def extension(certificate, oid):
    try:
        return certificate.extensions.get_extension_for_oid(oid)
    except x509.ExtensionNotFound:
        return None


def load(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def check_common(name, certificate, issuer):
    check(certificate.version == x509.Version.v3, f"{name}: version 3")
    key = certificate.public_key()
    check(isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1",
          f"{name}: a key on P-256")
    check(isinstance(certificate.signature_hash_algorithm, SHA256), f"{name}: signed with SHA-256")
    check(0 < certificate.serial_number < 1 << 128, f"{name}: serial positive, at most 128 bits")
    check(certificate.serial_number >> 120, f"{name}: serial of full length")
    check(certificate.issuer == issuer.subject, f"{name}: names its issuer")
    issuer.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes,
                               ec.ECDSA(certificate.signature_hash_algorithm))
    ski = extension(certificate, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    check(ski is not None and not ski.critical, f"{name}: subject key identifier, not critical")
    if issuer is not certificate:
        aki = extension(certificate, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
        check(aki is not None and aki.value.key_identifier
              == extension(issuer, ExtensionOID.SUBJECT_KEY_IDENTIFIER).value.digest,
              f"{name}: authority key identifier is its issuer's")


def check_ca(name, certificate, path_length):
    basic = extension(certificate, ExtensionOID.BASIC_CONSTRAINTS)
    check(basic is not None and basic.critical and basic.value.ca
          and basic.value.path_length == path_length, f"{name}: CA, path length {path_length}")
    usage = extension(certificate, ExtensionOID.KEY_USAGE)
    check(usage is not None and usage.critical and usage.value.key_cert_sign
          and usage.value.crl_sign and not usage.value.digital_signature,
          f"{name}: key usage keyCertSign and cRLSign, critical")


def check_constraints(certificate, domain):
    found = extension(certificate, ExtensionOID.NAME_CONSTRAINTS)
    check(found is not None and found.critical, "CA: name constraints, critical")
    if found is None:
        return
    check(found.value.permitted_subtrees == [x509.UniformResourceIdentifier(domain)],
          "CA: permits exactly the URIs of its domain")
    excluded = found.value.excluded_subtrees or []
    found_names = {(type(name), str(name.value)) for name in excluded}
    for kind, value in ((x509.DNSName, ""), (x509.IPAddress, "0.0.0.0/0"), (x509.IPAddress, "::/0"),
                        (x509.RFC822Name, "")):
        check((kind, value) in found_names, f"CA: excludes all of {kind.__name__} {value}")


def check_leaf(certificate, domain):
    basic = extension(certificate, ExtensionOID.BASIC_CONSTRAINTS)
    check(basic is not None and not basic.value.ca, "leaf: not a CA")
    usage = extension(certificate, ExtensionOID.KEY_USAGE)
    check(usage is not None and usage.critical and usage.value.digital_signature
          and not usage.value.key_cert_sign and not usage.value.crl_sign
          and not usage.value.key_encipherment, "leaf: key usage digitalSignature, critical")
    extended = extension(certificate, ExtensionOID.EXTENDED_KEY_USAGE)
    check(extended is not None and set(extended.value)
          == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH},
          "leaf: server and client authentication")
    names = extension(certificate, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    check(names is not None and len(list(names.value)) == 1, "leaf: exactly one name")
    if names is None:
        return
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    check(len(uris) == 1 and uris[0].startswith(f"spiffe://{domain}/"), "leaf: it is a SPIFFE id")
    check(len(certificate.subject) > 0 or names.critical, "leaf: no subject, so the name is critical")
    lifetime = certificate.not_valid_after - certificate.not_valid_before
    check(lifetime == timedelta(seconds=3660), f"leaf: an hour and the minute before, not {lifetime}")


def main(root_path, ca_path, domain, leaf_path):
    root, ca, leaf = load(root_path), load(ca_path), load(leaf_path)
    check_common("root", root, root)
    check_common("CA", ca, root)
    check_common("leaf", leaf, ca)
    check_ca("root", root, 1)
    check_ca("CA", ca, 0)
    check_constraints(ca, domain)
    check_leaf(leaf, domain)
    for what in wrong:
        print(f"not so: {what}")
    return bool(wrong)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
