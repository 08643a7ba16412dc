"""How long `cvl --help`, `list` and `verify` take for 10, 100 and 1,000 examples, against check-jsonschema.

python tests/benchmarks/startup.py [ROUNDS]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.benchmarks.timing import medians, table  # noqa: E402
from tests.examples_factory import make_example  # noqa: E402

SIZES = (10, 100, 1_000)
SCHEMA = REPOSITORY / "schemas" / "example.schema.json"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"medians of {rounds} interleaved rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            catalogue = Path(folder) / "examples"
            for i in range(size):
                make_example(catalogue, f"toy-{i:04}")
            found = medians(
                commands(catalogue), rounds=rounds, cwd=catalogue.parent, environ={"PYTHONPATH": str(REPOSITORY)}
            )
        print(f"\n{size} examples\n{table(found, ['python', 'check-jsonschema'])}")


def commands(catalogue: Path) -> dict[str, list[str]]:
    cvl = [sys.executable, "-m", "cvl"]
    manifests = [str(path) for path in sorted(catalogue.glob("*/example.yaml"))]
    return {
        "python": [sys.executable, "-c", "pass"],
        "cvl --help": [*cvl, "--help"],
        "cvl list": [*cvl, "list"],
        "cvl verify": [*cvl, "verify"],
        "check-jsonschema": [sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), *manifests],
    }


if __name__ == "__main__":
    main()
