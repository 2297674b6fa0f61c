#!/usr/bin/env python3
"""./dev demo: breaks a real application in several ways, with Homeostat's loop off and on, and reports what came of it."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from runner.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
