"""A Node program of apptest/programs beside the packages that tools/deps/<name>/package-lock.json pins."""
import hashlib
import os
import pathlib
import shutil
import subprocess

from harness import ROOT


def cache():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "homeostat"


def node_program(name, program):
    """-> path of the program, installed once."""
    source = ROOT / "tools/deps" / name
    text = (ROOT / "apptest/programs" / program).read_bytes()
    digest = hashlib.sha256((source / "package-lock.json").read_bytes() + text).hexdigest()[:12]
    home = cache() / f"{name}-{digest}"
    if not (home / "ready").exists():
        home.mkdir(parents=True, exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, home)
        (home / program).write_bytes(text)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=home, check=True)
        (home / "ready").touch()
    return home / program
