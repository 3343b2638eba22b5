#!/usr/bin/env python3
"""Checks what the compiler cannot: layering of includes, the io door, file shape, dead links.

  tools/tidy.py              check every file of the tree; exit 1 if anything is wrong
  tools/tidy.py --diagram    draw the layers from the DEPS of the modules
  tools/tidy.py --self-test  plant one fault per check and require that it is found
"""
import posixpath
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 500
CODE = (".h", ".cpp")

# What only src/io may touch, by kind. Everything else takes it as an io:: interface, so that the
# simulator can stand in for the world.
DOORS = {
    "time": r"_clock\s*::\s*now\b|\b(?:clock_gettime|gettimeofday|nanosleep|usleep)\s*\("
            r"|\bsleep_(?:for|until)\b|(?<![\w.>:])time\s*\(\s*(?:nullptr|NULL|0)\s*\)",
    "entropy": r"\brandom_device\b|\b(?:getrandom|getentropy|arc4random|srand)\s*\("
               r"|(?<![\w.>])rand\s*\(\s*\)",
    "threads": r"\bstd\s*::\s*(?:jthread|thread|async)\b|\bpthread_create\b"
               r"|(?<![\w.>])(?:::)?v?fork\s*\(\s*\)",
    "files": r"\b(?:fopen|freopen|opendir|mkstemp|mmap)\s*\(|\bstd\s*::\s*[io]?fstream\b"
             r"|\bstd\s*::\s*filesystem\b|(?<![\w>])::(?:open|openat|creat|rename|unlink|stat)\s*\(",
    "sockets": r"(?<![\w>.])(?:::)?socket\s*\(|(?<![\w>])::(?:connect|bind|listen|accept4?)\s*\("
               r"|\bgetaddrinfo\s*\(|\bepoll_create1?\s*\(|\bboost\s*::\s*asio\b",
}
# (regular expression on the path, kinds, why). Add a line only for an adapter around a library
# that insists on its own thread, file or socket.
ALLOWED = [
    (r"^src/io/", DOORS.keys(), "the door itself"),
    (r"^src/api/", ("threads", "sockets"), "gRPC and Beast own their threads and sockets"),
    (r"^src/.*(_test\.cpp|_bench\.cpp|_rig\.h|golden_bytes\.h)$", ("files",),
     "tests and what they share read golden files of the source tree, benchmarks make directories"),
    (r"^src/metrics/registry_test\.cpp$", ("threads",), "counters are counted from many threads"),
    (r"^src/crypto/secret\.cpp$", ("files",), "mmap gives the locked pages of secrets, not files"),
    (r"^sim/random\.h$", ("threads",), "Random::fork() splits a seed, not a process"),
    (r"^clients/cpp/system\.cpp$", ("time", "entropy", "files"), "the client library's own door"),
    (r"^clients/cpp/.*(_test|_rig)\.(cpp|h)$", ("time", "threads", "files"),
     "tests talk to servers in threads of their own, in real time"),
    (r"^apps/meridian/browser\.cpp$", ("files", "threads"), "a person's browser is a process of its own"),
    (r"^apps/meridian/child\.cpp$", ("files", "threads"), "the demo starts and kills servers"),
    (r"^apps/meridian/.*(_test\.cpp|_rig\.h)$", ("files",), "tests make directories of their own"),
    (r"^apps/meridian/(files|demo|demo_stage|demo_trust|import)\.cpp$", ("files",), "paths that a person typed"),
]
GENERATED = re.compile(r"^meridian/v\d+/\w+(\.grpc)?\.pb\.h$")


class Tree:
    """The files as {path: text}, with the modules that their CMakeLists.txt declare."""

    def __init__(self, files):
        self.files = files
        self.folders = {str(p) for path in files for p in Path(path).parents}
        self.layers = {}  # module -> "0".."8" or "test_support"
        for layer, names in re.findall(r"^meridian_layer\((\w+) ([^)]*)\)",
                                       files.get("CMakeLists.txt", ""), re.M):
            self.layers.update(dict.fromkeys(names.split(), layer))
        self.deps, self.test_deps = {}, {}
        for path, text in files.items():
            if posixpath.basename(path) != "CMakeLists.txt":
                continue
            found = re.search(r"^meridian_module\(\s*(\w+)([^)]*)\)", re.sub("#.*", "", text), re.M)
            if found:
                lists = {"": []}
                key = ""
                for word in found[2].split():
                    if re.fullmatch(r"DEPS|LIBS|TEST_DEPS|TEST_LIBS|THREADED|OWN_FLAGS", word):
                        key = word
                    else:
                        lists.setdefault(key, []).append(word)
                self.deps[found[1]] = lists.get("DEPS", [])
                self.test_deps[found[1]] = lists.get("TEST_DEPS", [])

    def code(self, *roots):
        return ((path, text) for path, text in sorted(self.files.items())
                if path.endswith(CODE) and path.split("/")[0] in roots)


def without_comments_and_strings(text):
    """Blanks comments and literals, keeping every line where it was."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])
    return re.sub(r'R"(\w*)\((?:.|\n)*?\)\1"|//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"'
                  r"|(?<!\w)'(?:\\.|[^'\\\n])+'", blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_includes(tree):
    for path, text in tree.code("src", "sim", "apps", "tests", "bench"):
        parts = path.split("/")
        top = parts[0]
        module = parts[1] if top == "src" else top
        for found in re.finditer(r'^\s*#\s*include\s*"([^"]+)"', text, re.M):
            header, line = found[1], line_of(text, found.start(1))
            owner = header.split("/")[0]
            if GENERATED.match(header):
                if top == "src" and module != "api":
                    yield path, line, f"{header}: only api/ knows the wire; pass our own types down"
                continue
            if owner == module and f"{posixpath.join(top, header)}" in tree.files \
                    or header in tree.files and owner == top:
                continue
            home = f"src/{header}" if owner not in ("sim", "tests", "bench", "apps") else header
            if home not in tree.files:
                if top == "src" or "/" in header:
                    yield path, line, (f'no header "{header}": write "<module>/<file>.h", and '
                                       "<...> for third-party headers")
                continue
            if owner == module:
                continue
            if "/internal/" in header:
                yield path, line, (f"{header} is internal to {owner}: use a public header of "
                                   f"{owner}, or make this one public")
            if top in ("apps", "tests", "bench"):
                continue
            if module not in tree.deps:
                continue  # check_layers tells
            is_test = bool(re.search(r"_(test|fuzz|bench)\.cpp$|_rig\.h$", path))
            if owner in ("sim", "tests", "bench", "apps") and not (owner == "sim" and is_test):
                yield path, line, f"{top}/ must not include {owner}/: only *_test.cpp and *_rig.h may use sim/"
                continue
            visible = tree.deps.get(module, []) + (tree.test_deps.get(module, []) if is_test else [])
            if owner not in visible:
                yield path, line, (f"{module} includes {header} without {owner} in its DEPS: add "
                                   "it there if its layer is lower, else hand it in from above")


def check_layers(tree):
    for module in sorted({path.split("/")[1] for path, _ in tree.code("src")} - set(tree.deps)):
        yield f"src/{module}/CMakeLists.txt", 1, (
            f"missing: write its one line, meridian_module({module} DEPS ...)")
    for module, deps in sorted(tree.deps.items()):
        folder = module if tree.layers.get(module) == "test_support" else f"src/{module}"
        place = f"{folder}/CMakeLists.txt"
        layer = tree.layers.get(module)
        if layer is None:
            yield place, 1, f"{module} has no layer: name it in meridian_layer(...) of CMakeLists.txt"
        elif layer != "test_support":
            for dep in deps:
                if not tree.layers.get(dep, "none").isdigit() or tree.layers[dep] >= layer:
                    yield place, 1, f"DEPS {dep} is not of a layer below {module} (HOUSE_STYLE 1)"


def check_doors(tree):
    for path, text in tree.code("src", "apps", "sim", "clients"):
        bare = without_comments_and_strings(text)
        for kind, pattern in DOORS.items():
            if any(re.search(where, path) and kind in kinds for where, kinds, _ in ALLOWED):
                continue
            for found in re.finditer(pattern, bare):
                yield path, line_of(bare, found.start()), (
                    f"direct use of {kind} ({found[0].strip()}): take it as an io:: interface")


def check_length(tree):
    for path, text in sorted(tree.files.items()):
        count = text.count("\n")
        if path.endswith(CODE + (".py", ".cmake", ".proto", ".go")) and count > LINES_MAX:
            yield path, LINES_MAX + 1, (f"{count} lines, the limit is {LINES_MAX}: it holds two "
                                        "ideas, give the second its own file")


def check_headers(tree):
    for path, text in tree.code("src", "sim", "apps", "tests", "bench", "clients"):
        if not path.endswith(".h"):
            continue
        if not re.search(r"^#pragma once$", text, re.M):
            yield path, 1, "no #pragma once: put it below the opening comment"
        if not re.match(r"// \S.{15,}\n", text):
            yield path, 1, ("no opening comment: the first line says in one `// ` sentence what "
                            "this is for (HOUSE_STYLE 10)")


def check_flat(tree):
    for path, _ in tree.code("src"):
        if not re.match(r"src/\w+/(internal/)?[^/]+$", path):
            yield path, 1, "a module is flat: only internal/ may hold code below it"


def check_unfinished(tree):
    words = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    for path, text in sorted(tree.files.items()):
        for found in words.finditer(text):
            yield path, line_of(text, found.start()), f"{found[0]}: do it now or open an issue"


def check_links(tree):
    for path, text in sorted(tree.files.items()):
        if not path.endswith(".md"):
            continue
        bare = re.sub(r"```.*?```|`[^`\n]*`", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)
        for found in re.finditer(r"\]\(([^)\s]+)\)", bare):
            target = found[1].split("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            full = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            if full not in tree.files and full not in tree.folders:
                yield path, line_of(bare, found.start()), f"link to {target}: no such file"


CHECKS = [check_includes, check_layers, check_doors, check_length, check_headers, check_flat,
          check_unfinished, check_links]


def findings(tree):
    return [(check, *finding) for check in CHECKS for finding in check(tree)]


def read_tree():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout
    files = {}
    for path in filter(None, listed.split("\0")):
        try:
            files[path] = (ROOT / path).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            files[path] = ""  # binary or just removed: only its name counts, for links
    return Tree(files)


def diagram(tree):
    rows = [("L9", "apps/meridian", ["everything below"])]
    for layer in sorted(set(tree.layers.values()) - {"test_support"}, reverse=True):
        for module in (m for m, l in tree.layers.items() if l == layer and m in tree.deps):
            rows.append((f"L{layer}", module, tree.deps[module]))
    width = max(len(name) for _, name, _ in rows)
    last = ""
    for layer, name, deps in rows:
        if layer != last:
            print("-" * 72)
        print(f"{layer if layer != last else '':4}{name:{width}}  <- {' '.join(deps) or 'nothing of ours'}")
        last = layer
    print("-" * 72)


def self_test():
    clean = {
        "CMakeLists.txt": "meridian_layer(test_support sim)\nmeridian_layer(0 base)\n"
                          "meridian_layer(1 io rules)\nmeridian_layer(2 storage)\n",
        "src/base/CMakeLists.txt": "meridian_module(base)\n",
        "src/io/CMakeLists.txt": "meridian_module(io DEPS base)\n",
        "src/storage/CMakeLists.txt": "meridian_module(storage DEPS io TEST_DEPS sim THREADED)\n",
        "sim/CMakeLists.txt": "meridian_module(sim DEPS base io)\n",
        "sim/disk.h": "// A disk that fails on purpose.\n#pragma once\n",
        "src/base/ids.h": "// Ids as types of their own.\n#pragma once\n",
        "src/io/disk.h": '// The only door to the disk.\n#pragma once\n#include "base/ids.h"\n',
        "src/io/disk.cpp": "int f = ::open(name, 0);\n",
        "src/io/internal/ring.h": "// Shared inside io only, for tests.\n#pragma once\n",
        "src/storage/wal.cpp": '#include "io/disk.h"\n// std::thread\nauto t = "std::thread";\n',
        "src/storage/wal_test.cpp": '#include "sim/disk.h"\nstd::ifstream golden;\n',
        "README.md": "[source](src/io/disk.h) [web](https://example.org) `[x](y)`\n",
    }
    header = clean["src/io/disk.h"]
    planted = [
        (check_includes, "src/storage/wal.cpp", '#include "base/ids.h"\n', "a header not in DEPS"),
        (check_includes, "src/storage/wal.cpp", '#include "sim/disk.h"\n', "sim in production"),
        (check_includes, "src/storage/wal.cpp", '#include "io/internal/ring.h"\n', "internals"),
        (check_includes, "src/storage/wal.cpp", '#include "io/absent.h"\n', "a missing header"),
        (check_includes, "src/storage/wal.cpp", '#include "meridian/v1/a.pb.h"\n', "the wire"),
        (check_includes, "src/io/disk_test.cpp", '#include "sim/disk.h"\n', "sim undeclared"),
        (check_layers, "src/io/CMakeLists.txt", "meridian_module(io DEPS base rules)\n", "same layer"),
        (check_layers, "src/io/CMakeLists.txt", "", "a module that is not declared"),
        (check_layers, "src/new/CMakeLists.txt", "meridian_module(new)\n", "no layer"),
        (check_doors, "src/storage/a.cpp", "auto n = std::chrono::system_clock::now();\n", "time"),
        (check_doors, "src/storage/a.cpp", "auto n = time(nullptr);\n", "time of C"),
        (check_doors, "src/storage/a.cpp", "std::random_device d;\n", "entropy"),
        (check_doors, "src/storage/a.cpp", "std::thread t;\n", "threads"),
        (check_doors, "src/storage/a_test.cpp", "std::jthread t;\n", "threads in a test"),
        (check_doors, "src/storage/a.cpp", "int f = ::open(n, 0);\n", "files"),
        (check_doors, "clients/cpp/a.cpp", "auto n = std::chrono::steady_clock::now();\n",
         "time in a client"),
        (check_doors, "apps/meridian/a.cpp", "std::ifstream f;\n", "files in the binary"),
        (check_doors, "src/storage/a.cpp", "int s = socket(1, 2, 3);\n", "sockets"),
        (check_length, "src/io/a.cpp", "\n" * (LINES_MAX + 1), "a long file"),
        (check_headers, "src/io/disk.h", header.replace("#pragma once\n", ""), "no pragma"),
        (check_headers, "src/io/disk.h", header.split("\n", 1)[1], "no opening comment"),
        (check_flat, "src/io/posix/a.cpp", "", "a nested folder"),
        (check_unfinished, "src/io/a.cpp", "// TO" "DO: later\n", "unfinished work"),
        (check_links, "README.md", "[gone](docs/gone.md)\n", "a dead link"),
    ]
    wrong = [f"clean tree: {f[1:]}" for f in findings(Tree(clean))]
    for check, path, text, what in planted:
        found = findings(Tree({**clean, path: text}))
        if {f[0] for f in found} != {check} or any(f[1] != path for f in found):
            wrong.append(f"{what}: {check.__name__} expected in {path}, got {[f[1:] for f in found]}")
    wrong += [f"{c.__name__} has no planted fault" for c in CHECKS if c not in {p[0] for p in planted}]
    print("\n".join(wrong) or f"tidy.py: each of {len(planted)} planted faults was found")
    return bool(wrong)


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    tree = read_tree()
    if arguments == ["--diagram"]:
        return diagram(tree)
    if arguments:
        print(__doc__)
        return 2
    found = findings(tree)
    for _, path, line, what in found:
        print(f"{path}:{line}: {what}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
