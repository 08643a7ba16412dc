"""The written training report: a summary in Markdown that can go into a wiki or a pull request as it is."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cvl import contract, evaluations
from cvl.evaluations import Evaluation
from cvl.judge import Judgement
from cvl.readers.base import Series
from cvl.report import facts
from cvl.report.facts import Best
from cvl.report.markdown import plain
from cvl.rules import Status
from cvl.rules.case import shown
from cvl.rules.log import finite
from cvl.runs import Record

UNKNOWN = "not recorded"
DETECTION = {
    "mAP": ("val/map", "metrics/mAP50-95(B)", "bbox/AP"),
    "mAP50": ("val/map50", "metrics/mAP50(B)", "bbox/AP50"),
    "mAP75": ("val/map75", "metrics/mAP75(B)", "bbox/AP75"),
}
OTHERS = {
    "mIoU": ("val/miou", "val/iou", "mIoU"),
    "Dice": ("val/dice",),
    "accuracy": ("val/accuracy", "metrics/accuracy_top1", "eval_accuracy", "val_accuracy"),
    "loss": ("val/loss", "eval_loss", "val_loss"),
}
_TROUBLE = (Status.FAIL, Status.WARN)


def render(judgement: Judgement) -> str:
    record, top = facts.record_of(judgement.folder), facts.best_of(judgement)
    evaluation = evaluations.read(judgement.folder)
    if record and not judgement.verdicts:
        return _not_trained(judgement, record, evaluation)
    parts = [
        "## Training Summary",
        _list(_summary(judgement, record, top)),
        "### Final Metrics",
        _list(_metrics(judgement, evaluation, top)),
        "### Hardware Used",
        _list(_hardware(record, "Total Training Time")),
        "### Key Findings",
        _numbered(_findings(judgement, record, evaluation)),
        "### Recommendations for Next Steps",
        _numbered(_recommendations(judgement, record, evaluation, top)),
    ]
    return "\n\n".join(parts)


def _not_trained(judgement: Judgement, record: Record, evaluation: Evaluation) -> str:
    """Of a job that looks at data, or evaluates."""
    parts = {
        "## Summary": _list(iter([("Dataset", facts.data(record)), ("Date", _dates(record))])),
        "### Metrics": _list(_metrics(judgement, evaluation, None)),
        "### Hardware Used": _list(_hardware(record, "Total Time")),
        "### Key Findings": _numbered(_findings(judgement, record, evaluation)),
    }
    return "\n\n".join(f"{title}\n\n{text}" for title, text in parts.items() if text)


def _dates(record: Record) -> str:
    """Each day once."""
    return " to ".join(dict.fromkeys(text[:10] for text in (record.started, record.ended) if text)) or UNKNOWN


def _summary(judgement: Judgement, record: Record | None, top: Best | None) -> Iterator[tuple[str, str]]:
    epochs = facts.last_epoch(judgement)
    checkpoint = next(judgement.folder.glob(f"{contract.CHECKPOINTS}/best_model.*"), None)
    yield "Model", facts.model(record) if record else UNKNOWN
    yield "Dataset", facts.data(record) if record else UNKNOWN
    yield "Training Date", _dates(record) if record else UNKNOWN
    yield "Total Epochs", UNKNOWN if math.isnan(epochs) else f"{epochs:g}"
    yield "Best Epoch", UNKNOWN if top is None or math.isnan(top.epoch) else f"{top.epoch:g} (by {top.name})"
    yield "Best Checkpoint", f"{contract.CHECKPOINTS}/{checkpoint.name}" if checkpoint else UNKNOWN


def _metrics(judgement: Judgement, evaluation: Evaluation, top: Best | None) -> Iterator[tuple[str, str]]:
    """As in the best epoch: those of the best checkpoint."""
    detects = facts.found(judgement, *DETECTION["mAP"], *DETECTION["mAP50"]) is not None
    for title, names in (DETECTION if detects else OTHERS).items():
        series = facts.found(judgement, *names)
        value = _at(series, top) if series else None
        if value is not None or detects:
            yield f"Validation {title}", "not measured" if value is None else shown(value)
    if evaluation.split == "test":
        for title, names in {**DETECTION, **OTHERS}.items():
            short = names[0].rpartition("/")[2]
            if short in evaluation.metrics:
                yield f"Test {title}", shown(evaluation.metrics[short])


def _at(series: Series, top: Best | None) -> float | None:
    """The last finite value, up to the best point."""
    points = [i for i in finite(series) if top is None or series.step[i] <= top.step]
    return series.value[points[-1]] if points else None


def _hardware(record: Record | None, time: str) -> Iterator[tuple[str, str]]:
    if record is None:
        yield "GPU(s)", UNKNOWN
        return
    memory = UNKNOWN if record.peak_memory_gb is None else f"{record.peak_memory_gb:.2f} GB"
    on_gpu = record.device != "cpu" and record.hardware.get("gpus")
    yield "GPU(s)", facts.hardware(record) if on_gpu else f"none; {facts.hardware(record)}"
    yield time, facts.took(record.seconds) or UNKNOWN
    yield "Peak GPU Memory", memory if on_gpu else f"none used (memory of the process: {memory})"


def _findings(judgement: Judgement, record: Record | None, evaluation: Evaluation) -> Iterator[str]:
    ended = record.status if record and record.status != "done" else ""
    yield f"Verdict: {judgement.outcome}" + (f"; the run ended as {ended.replace('_', ' ')}" if ended else "")
    if judgement.rating:
        yield judgement.rating[0].upper() + judgement.rating[1:]
    yield from judgement.notes
    for verdict in judgement.verdicts:
        if verdict.status in _TROUBLE:
            name = f"{verdict.rule} {verdict.metric}".strip()
            place = f" ({verdict.where})" if str(verdict.where) else ""
            yield f"{name}: wanted {verdict.wanted}, found {verdict.found}{place}"
    if weakest := _weakest(evaluation):
        yield weakest
    yield from judgement.problems
    yield from record.notes if record else ()


def _weakest(evaluation: Evaluation) -> str:
    """The class or prompt that is found worst, by the first metric that all have."""
    present = {name: group for name, group in evaluation.groups.items() if group.get("n", 1)}
    metrics = [m for m in next(iter(present.values()), {}) if m != "n" and all(m in g for g in present.values())]
    if not metrics or len(present) < 2:
        return ""
    name = min(present, key=lambda name: present[name][metrics[0]])
    count = f", {present[name]['n']:g} examples" if "n" in present[name] else ""
    return f"Weakest group: {name} ({metrics[0]} {shown(present[name][metrics[0]])}{count})"


def _recommendations(
    judgement: Judgement, record: Record | None, evaluation: Evaluation, top: Best | None
) -> Iterator[str]:
    hints = [verdict.hint for verdict in judgement.verdicts if verdict.status in _TROUBLE and verdict.hint]
    yield from (hint[0].upper() + hint[1:] for hint in dict.fromkeys(hints))
    if top and top.epoch == top.epochs:
        yield "The best epoch is the last one: train for more epochs"
    elif top and top.epoch < top.epochs / 2:
        yield f"The best epoch is {top.epoch:g} of {top.epochs:g}: stop earlier, or regularise"
    if record and evaluation.split != "test" and record.split_sizes.get("test", 1):
        yield "Evaluate the best checkpoint on the test split"
    if judgement.outcome.health_only:
        yield "Calibrated ranges did not apply to these settings: repeat with the preset's own to compare"


def _list(facts: Iterator[tuple[str, str]]) -> str:
    return "\n".join(f"- **{title}:** {plain(text)}" for title, text in facts)


def _numbered(lines: Iterator[str]) -> str:
    return "\n".join(f"{n}. {plain(line)}" for n, line in enumerate(lines, 1)) or "1. None"
