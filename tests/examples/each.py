"""EXAMPLE CASES: a script for each (name, parameters), in one process; prints [exit code, what it said] of each."""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys

example, cases = sys.argv[1:]
sys.argv[1:] = []
sys.path.insert(0, example)
base = dict(os.environ)
answers = []
for script, environment in json.loads(cases):
    os.environ.clear()
    os.environ.update({**base, **environment})
    code = 0
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(said):
        try:
            runpy.run_path(f"{example}/{script}", run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
    answers.append([code, said.getvalue()])
print(json.dumps(answers))
