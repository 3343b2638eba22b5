#!/usr/bin/env python3
"""clang-tidy over the sources, each as often as its verdict can change.

  tools/clang_tidy.py                     every source, changed ones first
  tools/clang_tidy.py src/io apps         the sources below these paths
  tools/clang_tidy.py --budget 600        start no further file after ten minutes; name those left
  tools/clang_tidy.py --jobs 1 --fresh    one at a time; forget what passed before

Needs build/ci/compile_commands.json with the generated headers (`./run build ci <a target>`); the
precompiled header of the other presets is GCC's. Exits 1 if there were findings.

What passed is remembered in ~/.cache/meridian/clang-tidy under a hash of everything the verdict
depends on: clang-tidy, .clang-tidy, the command, each file included. clang-tidy 14 also matches
every declaration of every system header, most of its time, to then drop what it found there; a
shim (clang_tidy_scope.cpp, preloaded) spares it that, where the headers of clang are installed.
"""
import argparse
import hashlib
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/ci"
CONFIG = ROOT / ".clang-tidy"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "meridian/clang-tidy"
KEPT_DAYS = 30
# Findings in what ships matter most, those in tests least.
ORDER = ("src", "apps", "sim", "bench", "tests")


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def sources(below):
    """The tracked and new sources below these paths, in the order to check them."""
    listed = output_of("git", "ls-files", "-co", "--exclude-standard", "--", *below).split("\n")
    base = output_of("git", "merge-base", "origin/main", "HEAD").strip() or "HEAD"
    changed = set(output_of("git", "diff", "--name-only", base).split("\n"))

    def rank(path):
        is_test = bool(re.search(r"_(test|fuzz|bench)\.cpp$", path))
        return path not in changed, is_test, ORDER.index(path.split("/")[0]), path

    return sorted((p for p in listed if p.endswith(".cpp") and p.split("/")[0] in ORDER
                   and (ROOT / p).exists()), key=rank)


def arguments_by_file():
    """For each compiled source the compiler's arguments, without its name and its output."""
    database = BUILD / "compile_commands.json"
    if not database.exists():
        sys.exit(f"no {database.relative_to(ROOT)}: run `cmake --preset ci` first")
    commands = {}
    for entry in json.loads(database.read_text(encoding="utf-8")):
        words = shlex.split(entry["command"])
        output = words.index("-o")
        del words[output:output + 2]
        compiler = next(i for i, word in enumerate(words) if word.endswith("++"))
        commands[os.path.relpath(entry["file"], ROOT)] = [
            word for word in words[compiler + 1:] if word != "-c"]
    return commands


@lru_cache(maxsize=None)
def hash_of(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def verdict_key(tool, arguments):
    """A hash of all that decides the verdict; None when clang cannot even find the includes."""
    found = subprocess.run(["clang++", "-M", "-w", *arguments], cwd=BUILD, capture_output=True,
                           text=True, check=False)
    if found.returncode:
        return None
    included = sorted(set(re.sub(r"\\\n", " ", found.stdout).split()[1:]))
    key = hashlib.sha256(tool.encode())
    for word in arguments + [f"{name}={hash_of(BUILD / name)}" for name in included]:
        # Clones in other folders share what passed.
        key.update(word.replace(str(ROOT), "").encode() + b"\0")
    return key.hexdigest()


def scope_shim():
    """The shim compiled, or None where clang's headers are missing: the checks then take longer."""
    source, shim = ROOT / "tools/clang_tidy_scope.cpp", BUILD / "clang_tidy_scope.so"
    if shim.exists() and shim.stat().st_mtime > source.stat().st_mtime:
        return shim
    include = Path(os.path.realpath(output_of("sh", "-c", "command -v clang-tidy").strip()))
    include = include.parent.parent / "include"
    made = subprocess.run(["g++", "-std=c++17", "-O1", "-fno-rtti", "-w", "-fPIC", "-shared",
                           f"-I{include}", source, "-o", shim], capture_output=True, check=False)
    return None if made.returncode else shim


class Run:
    """Checks files on several threads until a deadline; keeps what was found."""

    def __init__(self, options):
        self.deadline = time.monotonic() + options.budget
        self.fresh = options.fresh
        self.commands = arguments_by_file()
        self.environment = dict(os.environ)
        shim = scope_shim()
        if shim:
            self.environment["LD_PRELOAD"] = str(shim)
        else:
            print("no headers of clang (Debian: libclang-14-dev, llvm-14-dev): this takes about "
                  "five times longer", flush=True)
        self.tool = output_of("clang-tidy", "--version") + hash_of(CONFIG) + str(bool(shim))
        self.print_lock = threading.Lock()
        self.remembered = self.checked = 0
        self.failed, self.unreached = [], []

    def check(self, path):
        if path not in self.commands:
            return  # no target of this preset compiles it
        if time.monotonic() > self.deadline:
            self.unreached.append(path)
            return
        key = verdict_key(self.tool, self.commands[path])
        remembered = CACHE / key if key else None
        if remembered and remembered.exists() and not self.fresh:
            remembered.touch()
            self.remembered += 1
            return
        found = subprocess.run(
            ["clang-tidy", "--quiet", "-p", BUILD, "--extra-arg=-w", path],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        self.checked += 1
        if found.returncode == 0 and remembered:
            remembered.touch()
        elif found.returncode:
            self.failed.append(path)
            with self.print_lock:
                print(found.stdout or found.stderr, end="", flush=True)


def forget_old():
    CACHE.mkdir(parents=True, exist_ok=True)
    for verdict in CACHE.iterdir():
        if time.time() - verdict.stat().st_mtime > KEPT_DAYS * 86400:
            verdict.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description="clang-tidy over the sources (see the top of it)")
    parser.add_argument("below", nargs="*", default=list(ORDER))
    parser.add_argument("--budget", type=float, default=3600, metavar="SECONDS")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    forget_old()
    run = Run(options)
    began = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(run.check, sources(options.below)))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.unreached:
        print(f"not reached within {options.budget:.0f} s:", *run.unreached, sep="\n  ")
    print(f"clang-tidy: {run.checked} files checked, {run.remembered} unchanged since they passed, "
          f"{len(run.unreached)} not reached, {len(run.failed)} with findings; "
          f"{time.monotonic() - began:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU")
    return bool(run.failed)


if __name__ == "__main__":
    sys.exit(main())
