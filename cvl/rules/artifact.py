"""The rule on files: there, whole, and the best checkpoint as good as the log says."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from cvl.readers.base import Series
from cvl.rules.case import NO_FINITE, Finding, exceeds, failed, passed, shown
from cvl.rules.comparisons import spellings
from cvl.rules.log import Log, Missing, best, finite
from cvl.rules.model import Metric, Rule, Status, Where

_TORCH = {".pt", ".pth", ".ckpt", ".bin"}
_ZIP = {".zip", ".npz"}
_LOST = "the job stopped before it saved, the disk is full, or the path in the manifest is another"


def inside(pattern: str) -> bool:
    """Whether `pattern` stays in the run's folder."""
    path = PurePosixPath(pattern)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "**" not in pattern


def judge_files(rule: Rule, log: Log) -> Finding:
    """Every file that the path describes; a folder stands for all the files in it."""
    pattern, folder = str(rule.options["path"]), log.context.folder
    wanted = f"{pattern}, whole"
    matches = sorted(folder.glob(pattern)) if inside(pattern) else []
    files = [file for match in matches for file in (sorted(match.rglob("*")) if match.is_dir() else [match])]
    files = [file for file in files if file.is_file()]
    if not files:
        return failed(wanted, "missing", Where(pattern), hint=_LOST)
    for file in files:
        name = file.relative_to(folder).as_posix()
        if wrong := _wrong(file):
            return failed(wanted, f"{name}: {wrong}", Where(name), hint=_LOST)
    return passed(wanted, f"{len(files)} file{'s' * (len(files) > 1)}", Where(pattern))


def judge_reload(rule: Rule, log: Log) -> Finding:
    """The metric measured again on the checkpoint read from disk, against what was logged when it was the best."""
    metric, tolerance = log.metrics[str(rule.options["reload"])], float(str(rule.options.get("tol", 0.01)))
    decides = _decides(rule, log, metric)
    if decides is None:
        unknown = f"the best goes by {rule.options['best_by']}, which is not known here"
        return Finding(Status.NOT_RUN, rule.terms(), reason=unknown)
    logged, by = log.get(metric.name), log.get(decides.name)
    again = log.find([f"reload/{name}" for name in spellings(metric)])
    kept = metric.name if decides == metric else f"{metric.name} of best {decides.name}"
    wanted = f"{again.name} = {'best ' * (decides == metric)}{kept} ± {tolerance:g}"
    top, points = _at_best(logged, by, decides), finite(again)
    if top is None or not points or points[-1] != len(again) - 1:
        return failed(wanted, NO_FINITE, log.where(again, len(again) - 1), hint="the saved weights are not finite")
    value, expected = again.value[-1], logged.value[top]
    found = f"{shown(value)}, logged {shown(expected)}"
    if not exceeds(abs(value - expected), tolerance):
        return passed(wanted, found, log.where(logged, top))
    hint = "the file is not the best epoch's: saved before the update, EMA and raw weights mixed, or keys not loaded"
    return failed(wanted, found, log.where(again, len(again) - 1), hint=hint)


def _decides(rule: Rule, log: Log, metric: Metric) -> Metric | None:
    """The metric that the best checkpoint goes by: `best_by`, or the one that the parameter of that name says.

    None where nothing is known of the parameter.
    """
    named = str(rule.options.get("best_by", metric.name))
    if named not in log.metrics and named not in log.context.parameters:
        return None
    name = str(log.context.parameters.get(named, named))
    if name not in log.metrics:
        raise Missing(name, f"best_by: {named} names no metric of the manifest")
    return log.metrics[name]


def _at_best(logged: Series, by: Series, decides: Metric) -> int | None:
    """Index in `logged` of the step at which `by` was best; None where there is none."""
    top = best(by, decides.better or ("lower" if decides.kind == "loss" else "higher"))
    return logged.step.index(by.step[top]) if top is not None and by.step[top] in logged.step else None


def _wrong(file: Path) -> str:
    """What is wrong with `file`, or an empty string."""
    try:
        if file.stat().st_size == 0:
            return "empty"
        suffix = file.suffix.lower()
        if suffix == ".safetensors":
            return _wrong_safetensors(file)
        if suffix in _ZIP or (suffix in _TORCH and not _is_pickle(file)):
            return _wrong_zip(file)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _is_pickle(file: Path) -> bool:
    """Checkpoints older than torch 1.6 are bare pickles, which only loading could check."""
    with file.open("rb") as stream:
        return stream.read(1) == b"\x80"


def _wrong_zip(file: Path) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, EOFError, ValueError, RuntimeError, zlib.error) as error:
        return f"broken archive ({error})"
    return f"broken archive ({broken})" if broken else ""


def _wrong_safetensors(file: Path) -> str:
    """The header must fit, and the tensors must end where the file does."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        try:
            header = json.loads(stream.read(length) if 8 + length <= size else b"")
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, AttributeError, LookupError, TypeError):
            return "broken header"
    return "" if 8 + length + max(ends, default=0) == size else "cut off, or longer than its header says"
