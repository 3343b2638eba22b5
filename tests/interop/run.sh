#!/usr/bin/env bash
# Makes logs of sizes around every tile edge and has them judged by verifiers that share no code
# with us: verify_receipt.py (from the documents alone) and verify_log (Go, x/mod/sumdb).
#   run.sh MAKE_LOG WORK_DIR
# Exit status 77: a tool is not installed (`./run test` installs it).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
make_log=$1
work=$2
python=/usr/bin/python3
go=$(command -v go || true)
go_packages=/usr/share/gocode
sizes=(1 2 3 9 255 256 257 511 512 513 65535 65536 65537)

skip() { printf 'skipped: %s\n' "$*"; exit 77; }
"$python" -c 'import cryptography' 2>/dev/null || skip "no python3-cryptography"
[[ -n $go ]] || skip "no go (Debian: golang-go)"
[[ -d $go_packages/src/golang.org/x/mod/sumdb ]] || skip "no golang-golang-x-mod-dev"

rm -rf "$work/logs"
mkdir -p "$work/logs"
export PYTHONDONTWRITEBYTECODE=1
# Offline, from Debian's source packages, without modules: nothing is downloaded.
export GO111MODULE=off GOPATH=$go_packages GOTOOLCHAIN=local GOFLAGS= GOCACHE=$work/go-cache
(cd "$here/verify_log" && "$go" build -o "$work/verify_log" .)

small=() large=()
for size in "${sizes[@]}"; do
  "$make_log" "$work/logs/$size" "$size"
  if ((size < 1000)); then small+=("$work/logs/$size"); else large+=("$work/logs/$size"); fi
done

echo "== the golden log is what make_log writes today, byte for byte"
diff -r "$here/../../docs/formats/golden/proof" "$work/logs/9"

echo "== Go: checkpoint, root from entries, every tile, inclusion, receipts; flipped bits refused"
"$work/verify_log" -flips 200 "${small[@]}"
"$work/verify_log" -flips 20 "${large[@]}"

echo "== Python: receipts under their policy and under the log's key; flipped bits refused"
for size in "${sizes[@]}"; do
  log=$work/logs/$size
  "$python" "$here/verify_receipt.py" --quiet --policy "$log/policy" --flip-bits 19 \
    "$log"/receipts/*.tlog-proof
  "$python" "$here/verify_receipt.py" --quiet --vkey "$(<"$log/log.vkey")" \
    "$log"/receipts/*.tlog-proof
done

echo "== a receipt of one log is refused with the Merkle path or the checkpoint of another"
mixed=$work/logs/mixed.tlog-proof
sed '/^$/q' "$work/logs/513/receipts/2.tlog-proof" >"$mixed"
cat "$work/logs/512/checkpoint" >>"$mixed"
if "$python" "$here/verify_receipt.py" --quiet --policy "$work/logs/513/policy" "$mixed"; then
  echo "accepted $mixed" >&2
  exit 1
fi

echo "== every tool refuses a log with a tile of another log, and one with a tile missing"
for damage in 'cp 512/tile/0/001 511/tile/0/001.p/255' 'cp 257/tile/1/000.p/1 513/tile/1/000.p/2' \
  'rm 65536/tile/1/000' 'cp 65535/checkpoint 65537/checkpoint' 'cp 2/tile/0/000.p/2 1/tile/0/000.p/2'; do
  (cd "$work/logs" && $damage)
done
for size in 511 513 65536 65537 1; do
  if "$work/verify_log" "$work/logs/$size"; then
    echo "accepted the damaged log $size" >&2
    exit 1
  fi
done
rm -rf "$work/logs"
echo "all as it should be"
