"""The headline metric in words, by the metric ranges of the verification reference. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cvl import names
from cvl.rating_tables import (
    CLASSIFICATION,
    DETECTION,
    GAP,
    LANGUAGE,
    LANGUAGE_INITIAL,
    LANGUAGE_ONE_EPOCH,
    SEGMENTATION,
    Table,
    word,
)
from cvl.rules.model import Metric


@dataclass(frozen=True)
class Summary:
    """One series in a few numbers; None where it has no finite value. `stalled`: its end is as its middle."""

    points: int
    first: float | None = None
    final: float | None = None
    highest: float | None = None
    lowest: float | None = None
    stalled: bool = False
    after_one: float | None = None  # epoch, where more than one is logged


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
    """A table, the plain names of its headline metric in logs, and what is shown beside it.

    Names in `percent` are logged as 0…100 by the tool that uses them, the others as a fraction.
    """

    words: tuple[str, ...]  # in the names of tasks
    table: Table
    title: str
    keys: tuple[str, ...]
    percent: tuple[str, ...]
    beside: Mapping[str, tuple[str, ...]]
    usual: str  # some of the names, as logs spell them

    @property
    def hundred(self) -> bool:
        """Whether the table is in percent."""
        return self.table in (DETECTION, CLASSIFICATION)


_ON_VALIDATION = ("val", "valid", "validation", "eval", "test")


def _on_validation(*metrics: str) -> tuple[str, ...]:
    return tuple(f"{split}_{metric}" for metric in metrics for split in _ON_VALIDATION)


FAMILIES = (
    Family(
        ("detection", "instance_segmentation"),
        DETECTION,
        "mAP@50:95",
        (*_on_validation("map", "map50_95", "map_50_95"), "metrics_map50_95_b", "metrics_map_0_5_0_95", "coco_bbox_map",
         "bbox_map", "bbox_ap", "map", "map50_95", "metrics_map50_95_m", "coco_segm_map", "segm_map", "segm_ap"),
        ("bbox_ap", "segm_ap", "bbox_ap50", "segm_ap50"),
        {"mAP@50": (*_on_validation("map50", "map_50"), "metrics_map50_b", "metrics_map_0_5", "coco_bbox_map_50",
                    "bbox_map_50", "bbox_ap50", "map_50")},
        "val/map, metrics/mAP50-95(B), bbox/AP",
    ),
    Family(
        ("segment", "matting"),
        SEGMENTATION,
        "mIoU",
        (*_on_validation("miou", "mean_iou", "iou", "mean_io_u", "io_u", "jaccard", "jaccardindex"), "miou",
         "sem_seg_miou"),
        ("miou", "sem_seg_miou", "mdice", "aacc"),
        {"Dice": (*_on_validation("dice", "dice_score"), "mdice"),
         "pixel accuracy": (*_on_validation("pixel_accuracy", "pixel_acc"), "aacc")},
        "val/iou, val/mIoU, mIoU",
    ),
    Family(
        ("classif",),
        CLASSIFICATION,
        "accuracy",
        (*_on_validation("accuracy", "acc", "accuracy_top1", "acc1", "top1", "categorical_accuracy",
                         "sparse_categorical_accuracy", "binary_accuracy"),
         "metrics_accuracy_top1", "accuracy_top1", "accuracy", "acc"),
        ("accuracy_top1",),
        {},
        "val/accuracy, eval_accuracy, val_acc",
    ),
)  # fmt: skip
TASKS = ("object_detection", "segmentation", "classification", "language_model")
_LANGUAGE_WORDS = ("language", "text_generation", "summari", "translation", "instruction", "causal_lm")
_LANGUAGE_USUAL = "val/loss, eval_loss, val_loss, train/loss"
_LOSSES = (("train/loss", "val/loss"), ("loss", "eval_loss"), ("train_loss", "val_loss"), ("loss", "val_loss"))


def known(task: str) -> bool:
    """Whether a table is for `task`."""
    return _is_language(task) or any(_fits(family, task) for family in FAMILIES)


def headline(task: str, seen: Iterable[str]) -> str | None:
    """The metric that the table of `task` rates or has beside it, as the log spells it; without a task of any table."""
    listed = list(seen)
    wanted = [family.keys for family in _families(task)]
    wanted += [keys for family in _families(task) for keys in family.beside.values()]
    return next(filter(None, (names.find(listed, keys) for keys in wanted)), None)


def _families(task: str) -> list[Family]:
    """Those for `task` alone; all, where no table is for it."""
    return [family for family in FAMILIES if _fits(family, task)] if known(task) else list(FAMILIES)


def _fits(family: Family, task: str) -> bool:
    return any(text in task for text in family.words)


def _is_language(task: str) -> bool:
    return any(text in task for text in _LANGUAGE_WORDS)


def perplexity(loss: float) -> float:
    return math.exp(min(loss, 700))


def rate(
    task: str,
    seen: Mapping[str, Summary],
    metrics: Mapping[str, Metric] | None = None,
    classes: int | None = None,
    parts: Mapping[str, float] | None = None,
) -> Rating | None:
    """The headline metric of `task` among the series `seen`; None where its table knows none of them.

    `parts` of the loss are those of `seen` unless given, as where two readers spell the same ones differently.
    """
    parts = loss_parts(seen) if parts is None else parts
    if _is_language(task):
        return _rate_language(seen)
    scales = {metric.key: metric.scale for metric in (metrics or {}).values()}
    usable = {name: entry for name, entry in seen.items() if (entry.highest or 0) >= 0}  # -1: no ground truth
    usable = {name: entry for name, entry in usable.items() if entry.highest is not None}
    for family in _families(task):
        if key := names.find(usable, family.keys):
            return _rate_family(family, key, seen, usable, scales, classes, parts)
    return None


def unrated(task: str, seen: Iterable[str]) -> tuple[str, ...]:
    """Why there is no rating, where the table of `task` could give one."""
    if not known(task):
        return ()
    usual = _LANGUAGE_USUAL if _is_language(task) else ", ".join(family.usual for family in _families(task))
    keys = [key for family in _families(task) for key in family.keys]
    listed = list(seen)
    if not listed:
        return ()
    empty, beside = names.find(listed, keys), headline(task, listed)
    there = f"{empty} has no value" if empty else f"{beside} alone is not" if beside else "the log has none"
    return (f"no rating: {task} is rated by {usual} or the like; {there}",)


def _worth(family: Family, name: str, summary: Summary, scale: str | None) -> float:
    """The best value on the table's scale. Above 1 it can be no fraction, whatever is usual under its name."""
    best = summary.highest or 0.0
    in_percent = scale == "percent" if scale else names.find([name], family.percent) is not None or best > 1
    return best * ((1 if family.hundred else 0.01) if in_percent else (100 if family.hundred else 1))


def _rate_family(
    family: Family, key: str, seen: Mapping[str, Summary], usable: Mapping[str, Summary], scales: Mapping[str, str],
    classes: int | None, parts: Mapping[str, float],
) -> Rating:  # fmt: skip
    value = _worth(family, key, usable[key], scales.get(key))
    beside = {title: name for title, keys in family.beside.items() if (name := names.find(usable, keys))}
    others = {title: _worth(family, name, usable[name], scales.get(name)) for title, name in beside.items()}
    text = word(family.table, value)
    shown = f"{value:.1f} of 100" if family.hundred else f"{value:.3f}"
    sentence = f"{text}: {family.title} {shown} (best {key})"
    sentence += "".join(f", {title} {other:.{1 if family.hundred else 3}f}" for title, other in others.items())
    notes = _initial_notes(seen, key, classes) if family.table is CLASSIFICATION else iter(())
    # A detector's loss is a weighted sum of parts, on no scale on which a gap of 0.5 says anything.
    about_loss = _part_notes(parts) if family.table is DETECTION else _loss_notes(seen)
    return Rating(key, value, text, sentence, (*notes, *_odd_notes(value, others), *about_loss))


def _odd_notes(value: float, others: Mapping[str, float]) -> Iterator[str]:
    """What cannot be, or hardly: Dice is 2 IoU / (1 + IoU) of each class, and most pixels are background."""
    for title, other in others.items():
        if other < value - 1e-6:
            yield f"{title} is below the headline metric, which is unusual: look at how both are computed"


def loss_parts(seen: Mapping[str, Summary]) -> dict[str, float]:
    """What the training loss is made of: classifier, boxes, objectness, proposals; each at its end."""
    mine = [name for name in seen if names.is_loss(name) and not names.is_total(name) and not names.is_validation(name)]
    return {name: value for name in mine if (value := seen[name].final) is not None}


def _part_notes(parts: Mapping[str, float]) -> Iterator[str]:
    if len(parts) > 1:
        own = ", ".join(f"{name} {value:.3f}" for name, value in parts.items())
        yield f"parts of the training loss at the end: {own}"


def _rate_language(seen: Mapping[str, Summary]) -> Rating | None:
    """By the evaluation loss, else by the training loss."""
    for key in [*(other for _, other in _LOSSES), *(mine for mine, _ in _LOSSES)]:
        loss = seen[key].lowest if key in seen else None
        if loss is not None:
            text = word(LANGUAGE, loss)
            sentence = f"{text}: loss {loss:.3f} (best {key}), perplexity {perplexity(loss):.4g}"
            return Rating(key, loss, text, sentence, (*_language_notes(seen), *_loss_notes(seen)))
    return None


def _language_notes(seen: Mapping[str, Summary]) -> Iterator[str]:
    """What the training loss was at the start and after an epoch."""
    loss = next((seen[mine] for mine, _ in _LOSSES if mine in seen), None)
    if loss is not None and loss.first is not None:
        yield f"initial loss {loss.first:.3f}: {word(LANGUAGE_INITIAL, loss.first)}"
    if loss is not None and loss.after_one is not None:
        yield f"loss after 1 epoch {loss.after_one:.3f}: {word(LANGUAGE_ONE_EPOCH, loss.after_one)}"


def _initial_notes(seen: Mapping[str, Summary], key: str, classes: int | None) -> Iterator[str]:
    """What a fresh classifier starts from: loss ln(classes), accuracy 1/classes."""
    loss = next((seen[mine].first for mine, _ in _LOSSES if mine in seen), None)
    if classes is None or classes < 2:
        if loss is not None and 0 < loss < 12:
            yield f"initial loss {loss:.3f}: that of a guess among {math.exp(loss):.0f} classes"
        return
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
