"""Builds the shop: each part only when its sources changed since the last time."""
import hashlib
import os
import pathlib
import shutil
import subprocess

from .places import BIN, DEMO

SHOP = DEMO / "shop"
GO_NEEDED = (1, 24)


class CannotBuild(Exception):
    pass


def _digest(folder):
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and parts[0] not in ("node_modules", "target"):
            found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


def _run(arguments, directory, environment=None):
    env = {**os.environ, **(environment or {})}
    done = subprocess.run([str(a) for a in arguments], cwd=directory, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise CannotBuild(f"{' '.join(map(str, arguments))} (in {directory}) failed:\n{tail}")
    return done.stdout


def go_program():
    """A Go that is new enough: the installed one, or the toolchain that an older one fetches as a module."""
    go = shutil.which("go")
    version = _run([go, "env", "GOVERSION"], DEMO).strip().removeprefix("go").split(".")
    if (int(version[0]), int(version[1].split("-")[0])) >= GO_NEEDED:
        return go
    name = "golang.org/toolchain@v0.0.1-go1.24.9.linux-amd64"
    _run([go, "mod", "download", name], DEMO / "load", {"GONOSUMDB": "", "GOFLAGS": "-mod=mod"})
    cache = _run([go, "env", "GOMODCACHE"], DEMO).strip()
    program = pathlib.Path(cache) / name / "bin" / "go"
    for tool in [program, *(pathlib.Path(cache) / name / "pkg/tool").rglob("*")]:
        if tool.is_file():
            tool.chmod(0o755)
    return program


def _go(folder, targets):
    go = go_program()
    for package, out in targets.items():
        _run([go, "build", "-trimpath", "-o", BIN / out, package], folder)


def _gateway(folder):
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], folder)


def _catalog(folder):
    _run(["mvn", "-q", "-B", "package"], folder)


def _inventory(folder):
    compiler = next(c for c in ("clang++-19", "g++", "c++") if shutil.which(c))
    _run([compiler, "-std=c++20", "-O1", "-pthread", "-o", BIN / "inventory", *folder.glob("*.cpp")], folder)


PARTS = [  # name, folder, how, what it leaves
    ("load generator and peers (Go)", DEMO / "load", lambda f: _go(f, {"./cmd/load": "load", "./cmd/peers": "peers"}),
     BIN / "load"),
    ("checkout (Go)", SHOP / "checkout", lambda f: _go(f, {".": "checkout"}), BIN / "checkout"),
    ("gateway (Node)", SHOP / "gateway", _gateway, SHOP / "gateway/node_modules"),
    ("catalog (Java)", SHOP / "catalog", _catalog, SHOP / "catalog/target/catalog.jar"),
    ("inventory (C++)", SHOP / "inventory", _inventory, BIN / "inventory"),
]


def build(say):
    BIN.mkdir(parents=True, exist_ok=True)
    for name, folder, how, result in PARTS:
        stamp = BIN / f"{folder.name}.digest"
        digest = _digest(folder)
        if result.exists() and stamp.exists() and stamp.read_text() == digest:
            continue
        say(f"building {name}")
        how(folder)
        stamp.write_text(_digest(folder))
