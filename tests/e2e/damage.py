"""Flips single bits of a stopped ledger: `verify` finds each, names the record, changes nothing."""

import hashlib
import os
import random
import shutil
import subprocess

import meridian
from meridian import check

FLIPS = int(os.environ.get("MERIDIAN_FLIPS", "40"))


def digest_of(folder):
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def test(binary, work):
    data = work / "ledger"
    with meridian.Server(binary, data) as server:
        for journal in sorted(meridian.SAMPLES.glob("*.journal")):
            server.run("import", "journal", journal)
        server.run("bench", "transfers", "--count", 3000, "--batch", 500, "--accounts", 100)
        server.stop()
    before = digest_of(data)
    check(meridian.verify(binary, data)["sound"], "a sound ledger is sound")
    check(digest_of(data) == before, "verify changed something")

    source = random.Random(20240601)
    # What a flip must not get past. The log beyond its last entry is padding.
    files = [path for folder in ("headers", "payloads", "tiles", "index", "state", "keys")
             for path in sorted((data / folder).rglob("*")) if path.is_file() and path.stat().st_size > 0]
    for number in range(FLIPS):
        path = files[number % len(files)] if number < len(files) else source.choice(files)
        at = source.randrange(path.stat().st_size)
        copy = work / "copy"
        shutil.copytree(data, copy)
        target = copy / path.relative_to(data)
        content = bytearray(target.read_bytes())
        content[at] ^= 1 << source.randrange(8)
        target.write_bytes(content)
        where = f"{path.relative_to(data)} byte {at}"
        done = subprocess.run([binary, "verify", "--data", copy], capture_output=True, text=True,
                              timeout=120)
        # A damaged key store does not open: a wrong passphrase (1) looks the same.
        check(done.returncode == 4 or (path.parent.name == "keys" and done.returncode in (1, 4)),
              f"{where}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        if path.parent.name in ("headers", "payloads") or "tiles/0/" in str(path):
            check("record" in done.stdout, f"{where}: no record is named\n{done.stdout}")
        shutil.rmtree(copy)


meridian.main(test)
