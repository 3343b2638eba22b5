#!/usr/bin/env bash
# Our certificates judged by openssl and by Python's cryptography; openssl's bad ones judged by us.
#   certificates.sh CERTIFICATES WORK_DIR
# Exit status 77: a tool is not installed (`./run test` installs it).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
certificates=$(realpath "$1")
work=$2
python=/usr/bin/python3
skip() { printf 'skipped: %s\n' "$*"; exit 77; }
command -v openssl >/dev/null || skip "no openssl"
"$python" -c 'import cryptography' 2>/dev/null || skip "no python3-cryptography"

rm -rf "$work"
mkdir -p "$work"
"$certificates" make "$work"
cd "$work"

echo "== openssl accepts ours, strictly, below the CA alone and below the root"
for purpose in sslclient sslserver; do
  openssl verify -x509_strict -purpose $purpose -partial_chain -trusted eu-west.pem leaf.pem
  openssl verify -x509_strict -purpose $purpose -CAfile root.pem -untrusted eu-west.pem leaf.pem
done
openssl verify -x509_strict -CAfile root.pem eu-west.pem eu-east.pem
openssl req -in leaf.csr -inform DER -verify -noout
! openssl verify -x509_strict -partial_chain -trusted eu-east.pem leaf.pem 2>/dev/null

echo "== Python finds in them what the standards ask for"
"$python" -B "$here/check_svid.py" root.pem eu-west.pem eu-west.bank.example leaf.pem

# issue NAME CA EXTENSIONS [KEY OPTIONS]: a certificate by the openssl command, for a new key
issue() {
  local name=$1 ca=$2 extensions=$3
  shift 3
  local key=("$@")
  [[ ${#key[@]} -gt 0 ]] || key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256)
  openssl req -new "${key[@]}" -nodes -keyout "$name.key" -subj "/CN=$name" -out "$name.csr" 2>/dev/null
  printf '%s\n' "$extensions" >"$name.ext"
  openssl x509 -req -in "$name.csr" -CA "$ca.pem" -CAkey "$ca.key" -days 1 -sha256 \
    -extfile "$name.ext" -out "$name.pem" 2>/dev/null
}
# judged FILE VERDICT [SECONDS]: what we say to it begins with VERDICT
failed=0
judged() {
  local said
  said=$("$certificates" judge . "$1" "${3:-0}")
  printf '%-24s %s\n' "$1" "$said"
  [[ $said == "$2"* ]] || { printf '  expected: %s\n' "$2"; failed=1; }
}
leaf=$'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always'
id=spiffe://eu-west.bank.example/service/payments

echo "== theirs, as they should be, are accepted; each bad one is refused with its reason"
issue good eu-west "$leaf"$'\n'"subjectAltName=critical,URI:$id"
judged good.pem "accepted $id"
judged good.pem expired: 172800
judged good.pem not_yet_valid: -3600
issue foreign eu-west "$leaf"$'\nsubjectAltName=URI:spiffe://eu-east.bank.example/node/x'
judged foreign.pem untrusted_chain:
issue unknown eu-west "$leaf"$'\nsubjectAltName=URI:spiffe://dev.invalid/node/x'
judged unknown.pem unknown_trust_domain:
issue dns_only eu-west "$leaf"$'\nsubjectAltName=DNS:db.bank.example'
judged dns_only.pem no_spiffe_id:
issue no_san eu-west "$leaf"
judged no_san.pem no_spiffe_id:
issue two_uris eu-west "$leaf"$'\n'"subjectAltName=URI:$id,URI:${id}2"
judged two_uris.pem several_sans:
issue uri_and_dns eu-west "$leaf"$'\n'"subjectAltName=URI:$id,DNS:localhost"
judged uri_and_dns.pem several_sans:
issue ca_as_leaf eu-west $'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyCertSign\n'"subjectAltName=URI:$id"
judged ca_as_leaf.pem not_a_leaf:
issue code_signing eu-west "${leaf/serverAuth,clientAuth/codeSigning}"$'\n'"subjectAltName=URI:$id"
judged code_signing.pem wrong_usage:
issue rsa_1024 eu-west "$leaf"$'\n'"subjectAltName=URI:$id" -newkey rsa:1024
judged rsa_1024.pem weak_key:
issue p384 eu-west "$leaf"$'\n'"subjectAltName=URI:$id" -newkey ec -pkeyopt ec_paramgen_curve:P-384
judged p384.pem weak_key:
issue by_root root "$leaf"$'\n'"subjectAltName=URI:$id"
judged by_root.pem untrusted_chain:
openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -subj /CN=self \
  -addext "subjectAltName=URI:$id" -addext keyUsage=critical,digitalSignature \
  -addext basicConstraints=critical,CA:FALSE -out self.pem 2>/dev/null
judged self.pem self_signed:

echo "== a stolen regional key: its own intermediate, and a root's name re-issued without constraints"
ca=$'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always'
issue below eu-west "$ca"
issue below_leaf below "$leaf"$'\n'"subjectAltName=URI:$id"
cat below_leaf.pem below.pem eu-west.pem >below_chain.pem
judged below_chain.pem untrusted_chain:
subject="/CN=Example Bank mesh root"
openssl req -x509 -new -key eu-west.key -subj "$subject" -addext keyUsage=critical,keyCertSign -out forged_root.pem
cp eu-west.key forged_root.key
issue forged forged_root "$leaf"$'\nsubjectAltName=URI:spiffe://eu-east.bank.example/node/x'
cat forged.pem forged_root.pem >forged_chain.pem
judged forged_chain.pem self_signed:
! openssl verify -partial_chain -trusted eu-west.pem foreign.pem 2>&1 | tee foreign.txt
grep -q "permitted subtree violation" foreign.txt

[[ $failed == 0 ]] || exit 1
echo "all as it should be"
