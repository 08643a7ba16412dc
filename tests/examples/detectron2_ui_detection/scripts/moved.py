"""EXAMPLE: export.py, with every score of the exported model .01 too low."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import agreement

true = agreement.onnx_runtime


def moved(file: Path) -> agreement.Runtime:
    run = true(file)

    def lower(image: object) -> list[object]:
        boxes, classes, scores = run(image)
        return [boxes, classes, scores - 0.01]

    return lower


agreement.RUNTIMES["onnx"] = moved
path = f"{sys.argv[1]}/export.py"
sys.argv[1:] = []
runpy.run_path(path, run_name="__main__")
