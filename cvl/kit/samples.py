"""The small data sets that come with cvl, so that every example runs without a download."""

from __future__ import annotations

from pathlib import Path

from cvl.errors import DataError

ROOT = Path(__file__).parent / "samples"


def folder(name: str) -> Path:
    """The folder of the sample `name`."""
    found = ROOT / name
    if not found.is_dir():
        there = ", ".join(sorted(path.name for path in ROOT.glob("*") if path.is_dir())) or "none"
        raise DataError(f"there is no sample {name} (there is: {there})", hint="give your own data with DATA_DIR")
    return found
