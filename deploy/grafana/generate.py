#!/usr/bin/env python3
"""Writes dashboards/*.json from boards.py, or with --check says which are not what boards.py makes."""

import json
import pathlib
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from boards import ALL
from panels import finish

HERE = pathlib.Path(__file__).resolve().parent


def text_of(board):
    document = finish(json.loads(json.dumps(board.build(), cls=JSONEncoder)))
    for number, panel in enumerate(document["panels"], start=1):
        panel["id"] = number
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def main():
    wrong = []
    for name, make in ALL.items():
        path, text = HERE / "dashboards" / f"{name}.json", text_of(make())
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.append(path.name)
    wrong += [p.name for p in (HERE / "dashboards").glob("*.json") if p.stem not in ALL]
    if wrong:
        sys.exit(f"deploy/grafana/dashboards differs from boards.py: {', '.join(sorted(wrong))}; run ./dev grafana")


if __name__ == "__main__":
    main()
