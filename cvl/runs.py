"""Run folders and their records."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cvl import console, contract, machine
from cvl.errors import JobError, UsageError

LATEST = "latest"
STATUSES = ("running", "done", "failed", "interrupted", "timed_out", "stopped", "lost")
UNFINISHED = ("running", "stopped")  # what its rules want at the end may be missing


@dataclass
class Record:
    """run.json: everything that is needed to judge, compare and repeat a run."""

    run: str
    example: str
    preset: str
    status: str = "running"
    engine: str = ""
    command: str = ""
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> value, source
    extra: list[str] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)  # image or interpreter, with versions
    mounts: list[dict[str, Any]] = field(default_factory=list)
    cvl: str = contract.VERSION
    git: dict[str, Any] = field(default_factory=dict)
    content_hash: str = ""
    proof: dict[str, str] = field(default_factory=dict)  # what it ran with, as hashes
    hardware: dict[str, Any] = field(default_factory=dict)
    device: str = ""
    split_sizes: dict[str, int] = field(default_factory=dict)
    started: str = ""
    ended: str = ""
    seconds: float | None = None
    exit_code: int | None = None  # the job's own
    reason: str = ""  # why the run was stopped
    post_mortem: dict[str, Any] = field(default_factory=dict)  # why the job failed: cause, what, fix, evidence
    resumes: list[str] = field(default_factory=list)  # when the run was gone on with
    verdict: str = ""  # pass, fail or not judged
    health_only: bool = False
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    rating: str = ""
    images_per_s: float | None = None
    peak_memory_gb: float | None = None
    notes: list[str] = field(default_factory=list)
    pid: int = 0


def now() -> str:
    """The present in ISO 8601, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def new_name(preset: str) -> str:
    """`<preset>-YYYYmmdd-HHMMSS-<4 hex>`, local time."""
    return f"{preset}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def check_name(name: str) -> str:
    """`name` itself, fit for a folder and a container label."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or name == LATEST:
        raise UsageError(f"--name {name!r}: a run's name has letters, digits, `.`, `_` and `-` only")
    return name


def save(folder: Path, record: Record) -> None:
    """Writes run.json whole or not at all; JobError where the disk is full or the folder gone."""
    temporary = folder / f".{contract.RECORD}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, folder / contract.RECORD)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise JobError(
            f"cannot write {folder / contract.RECORD}: {error.strerror}",
            hint="what the run wrote before is kept; make room, or --output DIR puts runs elsewhere",
        ) from None


def recorded(folder: Path) -> bool:
    """Whether `folder` has a record of ours, be it damaged; others write a run.json too."""
    try:
        raw = json.loads((folder / contract.RECORD).read_bytes())
    except OSError:
        return False
    except ValueError:
        return True
    return isinstance(raw, dict) and {"run", "example", "preset"} <= raw.keys()


def load(folder: Path) -> Record:
    """The record of the run in `folder`; a run whose process is gone without a word is `lost`."""
    path = folder / contract.RECORD
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not recorded(folder):
            raise _no_run(folder)
        known = {f.name for f in fields(Record)}
        record = Record(**{key: value for key, value in raw.items() if key in known})
        _check_types(record)
    except FileNotFoundError:
        raise _no_run(folder) from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="`cvl runs list` shows the runs there are") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a run record ({error})") from None
    if record.status == "running" and not machine.process_runs(record.pid):
        record.status = "lost"
    return record


def _no_run(folder: Path) -> UsageError:
    return UsageError(
        f"{folder} is no run of cvl", hint=f"`cvl check {folder}` judges it, `cvl report {folder}` draws it"
    )


def hardware(record: Record) -> str:
    """The GPU that the job trained on, or the CPU, as the machine names it."""
    gpus = record.hardware.get("gpus") if record.device == "cuda" else None
    return str(gpus[0]).partition(",")[0] if gpus else str(record.hardware.get("cpu", ""))


def tail(path: Path, size: int) -> bytes:
    """The last `size` bytes of a file; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read()
    except OSError:
        return b""


def _check_types(record: Record) -> None:
    """TypeError where another program's run.json has, say, a list for our text."""
    for name, default in vars(Record("", "", "")).items():
        wanted = type(default) if default is not None else (int, float, type(None))
        if not isinstance(getattr(record, name), wanted):
            raise TypeError(f"{name} is of another type")
    if not all(isinstance(entry, dict) and {"value", "source"} <= set(entry) for entry in record.parameters.values()):
        raise TypeError("a parameter has no value or no source")


def within(output: Path) -> Iterator[tuple[Path, Record | str]]:
    """Each run folder in `output`, the first started first, with its record, or with what is wrong with it."""
    found: list[tuple[str, float, Path, Record | str]] = []
    for path in output.glob(f"*/{contract.RECORD}"):
        if path.parent.is_symlink():
            continue
        written = path.stat().st_mtime
        try:
            record = load(path.parent)
            found.append((record.started, written, path.parent, record))
        except UsageError as error:
            started = datetime.fromtimestamp(written, timezone.utc).isoformat(timespec="seconds")
            found.append((started, written, path.parent, error.message))
    yield from ((path, record) for *_, path, record in sorted(found, key=lambda item: item[:2]))


def point_latest(output: Path, run: str) -> None:
    """Points `outputs/latest` at `run`, in one step."""
    temporary = output / f".{LATEST}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(run)
    os.replace(temporary, output / LATEST)


def find(word: str, outputs: list[Path]) -> Path:
    """The run folder that `word` means: a path, or a name (or unique beginning) in one of `outputs`."""
    path = Path(word)
    if path.is_dir():
        return path.resolve()
    if path.is_file():
        return _folder_of(path.resolve())
    if "/" in word:
        raise UsageError(f"there is no folder {word}", hint="`cvl runs list` shows the runs there are")
    found = {(output / word).resolve() for output in outputs if (output / word).is_dir()} or _named(word, outputs)
    if len(found) == 1:
        return found.pop()
    if found:
        names = ", ".join(sorted(p.name for p in found))
        raise UsageError(f"{word!r} fits several runs: {names}", hint="write more of the name, or the folder's path")
    raise UsageError(f"there is no run {word!r}", hint="`cvl runs list` shows the runs there are")


def _folder_of(file: Path) -> Path:
    """The run, or the folder of logs, that `file` lies in."""
    folder = next((parent for parent in file.parents[:2] if recorded(parent)), file.parent)
    console.say(f"{file.name} is a file; taking its folder {folder}")
    return folder


def _named(word: str, outputs: list[Path]) -> set[Path]:
    """Runs that were called `word` before their folder was renamed; else those whose name begins so."""
    known = [(path.resolve(), record) for output in outputs for path, record in within(output)]
    names = {path: {path.name, record.run if isinstance(record, Record) else path.name} for path, record in known}
    called = {path for path, both in names.items() if word in both}
    return called or {path for path, both in names.items() if any(name.startswith(word) for name in both)}
