#!/usr/bin/env python3
"""The rules of the house, as a test of the source. Prints file:line: what is wrong, and what to do instead.

  layering   a module includes only what it declared in src/CMakeLists.txt (transitive includes are rejected)
  quarantine third-party libraries that only one module may see
  banned     calls that have a replacement of ours (time, randomness, threads let loose, left-over marks)
  names      no two types of one name in one namespace: the linker would take either (a crash, once)
  size       lines, functions and files stay readable
"""
import pathlib
import re
import subprocess
import sys

LINE_MAX = 125  # the formatter breaks code at 120; comments and Python may run a little over
FILE_MAX = {".cpp": 500, ".h": 250, ".py": 500}
FUNCTION_MAX = 80
ROOT = pathlib.Path(__file__).resolve().parent.parent

QUARANTINE = {  # include prefix -> the only modules that may have it
    "boost/": {"net"},
    "grpc": {"net"},
    "openssl/": {"net", "security", "ledger"},
    "yaml-cpp/": {"config", "rules"},
    "dlfcn.h": {"store/engine"},
    "protozero/": {"base", "wire/otlp", "wire/prometheus", "net"},
}
# the edges to libraries
CATCHERS = ("src/net/", "src/store/", "src/config/", "src/app/", "src/wire/", "src/rules/yaml.cpp", "_test.cpp")
BANNED = [  # pattern, where it is allowed, what to use instead
    (r"system_clock::now|steady_clock::now|\bclock_gettime\(", ("src/io/", "src/base/log.cpp"), "take an io::Clock"),
    (r"\brand\(\)|random_device|mt19937", ("src/io/", "_test.cpp"), "take an io::Random"),
    (r"\.detach\(\)", (), "own the thread and join it"),
    (r"\bco_await\b", ("src/net/",), "coroutines stay in net/"),
    (r"\bthrow\b(?!s)|\bcatch \(", CATCHERS, "return a Result"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", ("tools/tidy.py",), "finish it, or write an issue"),
]


def tracked():
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [p for p in out.stdout.splitlines() if (ROOT / p).is_file()]


def modules():
    """Folder -> declared dependencies (as folders), from src/CMakeLists.txt."""
    text = (ROOT / "src/CMakeLists.txt").read_text()
    found = {}
    for call in re.findall(r"hs_module\(([^)]*)\)", text):
        words = call.split()
        deps, into = [], None
        for word in words[1:]:
            if word in ("DEPS", "LIBS", "PRIVATE_LIBS", "TEST_DEPS"):
                into = word
            elif into in ("DEPS", "TEST_DEPS"):
                deps.append((word, into))
        found[words[0]] = deps
    return found


def module_of(path, names):
    folder = path.removeprefix("src/").rsplit("/", 1)[0]
    return folder if folder in names else None


def check_layering(path, lines, declared, problems):
    name = module_of(path, declared)
    if name is None:
        return
    is_test = path.endswith(("_test.cpp", "_fuzz.cpp", "_bench.cpp")) or "/test_" in path
    allowed = {d for d, kind in declared[name] if kind == "DEPS" or is_test} | {name.replace("/", "_")}
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#include\s+["<]([^">]+)[">]', line)
        if not match:
            continue
        target = match[1]
        folder = target.rsplit("/", 1)[0] if "/" in target else ""
        if folder in declared and folder.replace("/", "_") not in allowed:
            problems.append(f"{path}:{number}: {name} may not include {folder} (declared: {sorted(allowed)})")
        for prefix, only in QUARANTINE.items():
            if target.startswith(prefix) and name not in only:
                problems.append(f"{path}:{number}: {target} may be included only in {sorted(only)}")


def check_lines(path, lines, problems):
    of_product = path.endswith((".cpp", ".h")) and not path.startswith("demo/")  # the shop is an application like any
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            problems.append(f"{path}:{number}: line of {len(line)} characters (at most {LINE_MAX})")
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line.split("//")[0]) if path.endswith((".cpp", ".h")) else line
        for pattern, allowed, instead in BANNED:
            if of_product and re.search(pattern, code) and not any(a in path for a in allowed):
                problems.append(f"{path}:{number}: `{line.strip()[:60]}`: {instead}")


def types_of(lines):
    """(namespace::name, line) of types outside unnamed namespaces and other types."""
    spaces = []
    for number, line in enumerate(lines, 1):
        opened = re.match(r"^(?:inline )?namespace ?([\w:]*) ?\{", line)
        if opened:
            spaces.append(opened[1])
        elif re.match(r"^\}.*// namespace", line) and spaces:
            spaces.pop()
        named = re.match(r"^(?:class|struct|enum class|enum|union) (\w+)(?: final)?(?: :|[^;:]*\{)", line)
        if named and "" not in spaces:
            yield "::".join([*spaces, named[1]]), number


def check_names(path, lines, known, problems):
    if not path.endswith((".h", ".cpp")) or path.startswith("demo/"):
        return
    for name, number in types_of(lines):
        first = known.setdefault(name, path)
        if first != path:
            problems.append(f"{path}:{number}: {name} is defined in {first} too: the linker would take either")


def check_sizes(path, lines, problems):
    suffix = pathlib.Path(path).suffix
    if suffix in FILE_MAX and len(lines) > FILE_MAX[suffix] and "_test" not in path:
        problems.append(f"{path}: {len(lines)} lines (at most {FILE_MAX[suffix]}): split it by idea")
    if suffix not in (".cpp", ".h"):
        return
    start = None
    for number, line in enumerate(lines, 1):  # the formatter puts a function's closing brace at its opening's indent
        if re.match(r"^(\w|~|\[\[).*\)( const| noexcept| override)* \{$", line):
            start = number
        if line == "}" and start is not None:
            if number - start > FUNCTION_MAX:
                problems.append(f"{path}:{start}: function of {number - start} lines (at most {FUNCTION_MAX})")
            start = None


def main():
    declared, problems, types = modules(), [], {}
    for path in tracked():
        if not path.endswith((".cpp", ".h", ".py", ".sh", ".cmake")) and path != "dev":
            continue
        lines = (ROOT / path).read_text(errors="replace").splitlines()
        check_layering(path, lines, declared, problems)
        check_lines(path, lines, problems)
        check_sizes(path, lines, problems)
        check_names(path, lines, types, problems)
    print("\n".join(problems) if problems else "tidy: the house is in order")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
