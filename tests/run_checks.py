"""Runs every check_… of a file, in an environment that needs no pytest; prints {name: traceback or nothing} as JSON."""

from __future__ import annotations

import json
import runpy
import sys
import traceback
import warnings


def main(file: str) -> None:
    found = {name: value for name, value in runpy.run_path(file).items() if name.startswith("check_")}
    print(json.dumps({name: outcome(check) for name, check in found.items()}))


def outcome(check: object) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check()
    except Exception:
        return traceback.format_exc()
    return ""


main(sys.argv[1])
