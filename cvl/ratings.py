"""The headline metric in words, by the metric ranges of the verification reference. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cvl.rules.model import Metric

# A table is a row of (upper bound, whether it belongs to the row, word).
Table = tuple[tuple[float, bool, str], ...]

DETECTION: Table = (
    (20, False, "poor detection"),
    (40, False, "decent detection"),
    (60, True, "good detection"),
    (math.inf, True, "strong detection"),
)
SEGMENTATION: Table = (
    (0.3, False, "poor segmentation"),
    (0.5, False, "decent segmentation"),
    (0.7, True, "good segmentation"),
    (math.inf, True, "excellent segmentation"),
)
CLASSIFICATION: Table = (
    (70, True, "not yet a decent model"),
    (85, True, "decent model"),
    (95, True, "good model"),
    (math.inf, True, "state of the art (on data like ImageNet)"),
)
LANGUAGE: Table = (
    (0.5, False, "overfitted"),
    (1, False, "between overfitted and well trained"),
    (3, True, "well trained"),
    (4, False, "between one epoch and well trained"),
    (8, True, "as after one epoch"),
    (12, True, "as at random initialisation"),
    (math.inf, True, "worse than random initialisation"),
)
LANGUAGE_INITIAL: Table = (
    (8, False, "below random initialisation (8-12): pretrained weights, or a small vocabulary"),
    (12, True, "as expected of random initialisation (8-12)"),
    (math.inf, True, "above random initialisation (8-12): look at the initialisation and the labels"),
)
GAP: Table = (
    (0, False, "below the training loss, usual with dropout and augmentation"),
    (0.1, False, "close to the training loss"),
    (0.5, True, "tracks the training loss (within 0.1-0.5)"),
    (math.inf, True, "overfitting: train less, or regularise"),
)


@dataclass(frozen=True)
class Summary:
    """One series in a few numbers; None where it has no finite value. `stalled`: its end is as its middle."""

    points: int
    first: float | None = None
    final: float | None = None
    highest: float | None = None
    lowest: float | None = None
    stalled: bool = False


@dataclass(frozen=True)
class Rating:
    """`value` is on the scale of the table; the notes rate what else the tables know."""

    metric: str
    value: float
    word: str
    sentence: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """A table, its headline metric's names in logs (with what one unit of the log is worth in it), and neighbours."""

    words: tuple[str, ...]  # in the names of tasks
    table: Table
    title: str
    keys: Mapping[str, float]
    percent: bool
    beside: Mapping[str, tuple[str, ...]]


FAMILIES = (
    Family(
        ("detection",),
        DETECTION,
        "mAP@50:95",
        {"val/map": 100, "metrics/mAP50-95(B)": 100, "bbox/AP": 1, "metrics/mAP50-95(M)": 100, "segm/AP": 1},
        True,
        {"mAP@50": ("val/map50", "metrics/mAP50(B)", "bbox/AP50")},
    ),
    Family(
        ("segment", "matting"),
        SEGMENTATION,
        "mIoU",
        {"val/miou": 1, "val/iou": 1, "val/mean_iou": 1, "mIoU": 0.01, "sem_seg/mIoU": 0.01},
        False,
        {"Dice": ("val/dice",), "pixel accuracy": ("val/pixel_accuracy",)},
    ),
    Family(
        ("classif",),
        CLASSIFICATION,
        "accuracy",
        {"val/accuracy": 100, "val/acc": 100, "metrics/accuracy_top1": 100, "eval_accuracy": 100, "val_accuracy": 100},
        True,
        {},
    ),
)
_LANGUAGE_WORDS = ("language", "text_generation", "summari", "translation", "instruction", "causal_lm")
_LOSSES = (("train/loss", "val/loss"), ("loss", "eval_loss"), ("train_loss", "val_loss"), ("loss", "val_loss"))


def word(table: Table, value: float) -> str:
    """The table's word for `value`."""
    rounded = round(value, 9)  # 0.58 as a fraction is 57.99999999999999 %
    return next(text for upper, within, text in table if rounded < upper or (within and rounded == upper))


def perplexity(loss: float) -> float:
    return math.exp(min(loss, 700))


def rate(
    task: str, seen: Mapping[str, Summary], metrics: Mapping[str, Metric] | None = None, classes: int | None = None
) -> Rating | None:
    """The headline metric of `task` among the series `seen`; None where no table knows any of them."""
    if any(text in task for text in _LANGUAGE_WORDS):
        return _rate_language(seen)
    scales = {metric.key: metric.scale for metric in (metrics or {}).values()}
    for family in sorted(FAMILIES, key=lambda family: not any(text in task for text in family.words)):
        for key, unit in family.keys.items():
            best = seen[key].highest if key in seen else None
            if best is not None and best >= 0:  # -1 says that there is no ground truth
                return _rate_family(family, key, best * _unit(family, scales.get(key), unit), seen, classes, scales)
    return None


def _unit(family: Family, scale: str | None, usual: float) -> float:
    """What one unit of the log is worth in the table."""
    if scale is None:
        return usual
    return (1 if family.percent else 0.01) if scale == "percent" else (100 if family.percent else 1)


def _rate_family(
    family: Family, key: str, value: float, seen: Mapping[str, Summary], classes: int | None, scales: Mapping[str, str]
) -> Rating:
    text = word(family.table, value)
    shown = f"{value:.1f} of 100" if family.percent else f"{value:.3f}"
    sentence = f"{text}: {family.title} {shown} (best {key})"
    for title, keys in family.beside.items():
        for other in keys:
            best = seen[other].highest if other in seen else None
            if best is not None and best >= 0:
                usual = 1 if other.startswith("bbox/") else 100 if family.percent else 1
                worth = best * _unit(family, scales.get(other), usual)
                sentence += f", {title} {worth:.1f}" if family.percent else f", {title} {worth:.3f}"
                break
    notes = [*_initial_notes(seen, key, classes)] if family.table is CLASSIFICATION else []
    # A detector's loss is a weighted sum of parts, on no scale on which a gap of 0.5 says anything.
    notes += [] if family.table is DETECTION else _loss_notes(seen)
    return Rating(key, value, text, sentence, tuple(notes))


def _rate_language(seen: Mapping[str, Summary]) -> Rating | None:
    """By the evaluation loss, else by the training loss."""
    for key in [*(other for _, other in _LOSSES), *(mine for mine, _ in _LOSSES)]:
        loss = seen[key].lowest if key in seen else None
        if loss is not None:
            text = word(LANGUAGE, loss)
            sentence = f"{text}: loss {loss:.3f} (best {key}), perplexity {perplexity(loss):.4g}"
            return Rating(key, loss, text, sentence, (*_language_initial(seen), *_loss_notes(seen)))
    return None


def _language_initial(seen: Mapping[str, Summary]) -> Iterator[str]:
    for mine, _ in _LOSSES:
        first = seen[mine].first if mine in seen else None
        if first is not None:
            yield f"initial loss {first:.3f}: {word(LANGUAGE_INITIAL, first)}"
            return


def _initial_notes(seen: Mapping[str, Summary], key: str, classes: int | None) -> Iterator[str]:
    """What a fresh classifier starts from: loss ln(classes), accuracy 1/classes."""
    if classes is None or classes < 2:
        return
    loss = next((seen[mine].first for mine, _ in _LOSSES if mine in seen), None)
    if loss is not None:
        yield f"initial loss {loss:.3f}: {initial(loss, math.log(classes))} ln({classes}) = {math.log(classes):.3f}"
    accuracy = seen[key].first
    if accuracy is not None:
        yield f"initial accuracy {accuracy:.3f}: {initial(accuracy, 1 / classes)} 1/{classes} = {1 / classes:.3f}"


def initial(value: float, expected: float) -> str:
    """Where `value` stands to what chance gives, a fifth of it being the same."""
    if abs(value - expected) <= 0.2 * expected * (1 + 1e-9):
        return "about"
    return "above" if value > expected else "below"


def _loss_notes(seen: Mapping[str, Summary]) -> Iterator[str]:
    """The evaluation loss beside the training loss."""
    for mine, other in _LOSSES:
        train, other_loss = (seen[key].final if key in seen else None for key in (mine, other))
        if train is not None and other_loss is not None:
            gap = other_loss - train
            yield f"{other} is {gap:+.3f} from {mine}: {word(GAP, gap)}"
            if seen[mine].stalled and seen[other].stalled:
                yield "both losses stand still: more epochs, or a higher learning rate"
            return
