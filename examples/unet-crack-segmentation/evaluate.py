"""Evaluate a checkpoint on a split: every metric, precision over recall, what is taken for what, worst pictures first.

    cvl run unet-crack-segmentation evaluate                                   the model trained last, on val
    CHECKPOINT=best_model.pt SPLIT=test cvl run unet-crack-segmentation evaluate --data my-roads

The threshold is the one that training chose on val, whatever the split: one chosen on test would flatter. THRESHOLD
sets another. Scores come over all pixels and as the mean of the pictures, and for pictures with and without a crack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import isfinite
from typing import Any

import data
import numpy as np
import pictures
import plots
import scoring
import session
import writing
from metrics import Scores
from scoring import Judged

from cvl import params as parameters
from cvl.formats.masks import Picture
from cvl.kit import processes, run
from cvl.kit.runlog import write_json
from cvl.params import Values

Groups = dict[str, tuple[Picture, ...]]


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    used = session.begin(__file__, params)
    fabric = processes.fabric(params.PRECISION, devices=1)
    model = fabric.to_device(used.model)

    split = params.SPLIT
    sets = data.prepare(params, needs=(split,))
    groups = divide(sets.data.splits[split])
    whole = tuple(picture for group in groups.values() for picture in group)
    gallery = pictures.Gallery(whole, params.NUM_SAMPLES, used.threshold)
    keep = each(gallery.keep, *writers(whole, used, params))

    # Each group by itself; what was counted on them adds up to the split.
    judged: dict[str, Judged] = {}
    done = 0
    for name, group in groups.items():
        seen = partial(shifted, keep, done)
        judged[name] = scoring.judge(
            model, data.whole_pictures(group, params), used.tiles, fabric=fabric, threshold=used.threshold, seen=seen
        )
        done += len(group)
    total = together(judged.values(), used.threshold)

    folder = used.folder / "evaluation"
    numbers = {name: as_group(judged[name], len(group)) for name, group in groups.items()}
    write_json(folder / "metrics.json", scoring.as_json(split, total) | {"groups": numbers} | used.about())
    write_json(folder / "precision_recall.json", total.scores.curve())
    write_json(folder / "pictures.json", ranking(whole, total))
    title = f"{used.name}: {split}, {len(whole)} pictures"
    plots.precision_recall(total.scores, used.threshold, title, folder / "precision_recall.png")
    if params.SAVE_CONFUSION_MATRIX:
        matrix = total.scores.confusion(used.threshold)
        plots.confusion(matrix, f"{title}, threshold {used.threshold:g}", folder / "confusion_matrix.png")
    gallery.write(used.folder / "visualizations", prefix=split)
    print(f"{title}, threshold {used.threshold:g}:\n{scoring.table(total.metrics)}\n{summary(numbers, total)}")
    run.say(f"pictures, worst first: {used.folder / 'visualizations'}; plots, masks and JSON: {folder}")


def divide(whole: Iterable[Picture]) -> Groups:
    """Pictures with a crack and those without, where there are any."""
    found = tuple(whole)
    groups = {
        "with crack": tuple(picture for picture in found if picture.foreground),
        "without crack": tuple(picture for picture in found if not picture.foreground),
    }
    return {name: group for name, group in groups.items() if group}


def writers(whole: tuple[Picture, ...], used: session.Session, params: Values) -> list[Callable[..., None]]:
    """What writes the mask of each picture, and its probabilities, as SAVE_PREDICTIONS and SAVE_PROBABILITIES ask."""
    names, folder = writing.names([picture.path for picture in whole]), used.folder / "evaluation"

    def mask(number: int, probability: np.ndarray, truth: np.ndarray) -> None:
        writing.mask(probability >= np.float32(used.threshold), folder / "predictions" / f"{names[number]}.png")

    def probabilities(number: int, probability: np.ndarray, truth: np.ndarray) -> None:
        writing.probability(probability, folder / "probabilities" / f"{names[number]}.png")

    return [*([mask] if params.SAVE_PREDICTIONS else []), *([probabilities] if params.SAVE_PROBABILITIES else [])]


def each(*functions: Callable[..., None]) -> Callable[..., None]:
    """All of them, one after the other."""

    def call(*values: Any) -> None:
        for function in functions:
            function(*values)

    return call


def shifted(seen: Callable[..., None], first: int, number: int, *rest: np.ndarray) -> None:
    """Numbers of a group as those of the split: its pictures begin at `first`."""
    seen(first + number, *rest)


def together(judged: Iterable[Judged], threshold: float) -> Judged:
    """The split as a whole from its groups."""
    scores = Scores(thresholds=(threshold,))
    dice: list[float] = []
    for part in judged:
        scores.merge(part.scores)
        dice += part.dice
    return Judged(scores, threshold, float("nan"), tuple(dice))


def as_group(judged: Judged, count: int) -> dict[str, float]:
    """A group in metrics.json; without a crack there is no score over all pixels, only those of the pictures."""
    finite = {name: value for name, value in judged.metrics.items() if isfinite(value)}
    return {**finite, "positive_share": judged.positive_share, "n": count}


def ranking(whole: tuple[Picture, ...], judged: Judged) -> list[dict[str, Any]]:
    """Every picture with its Dice, the worst first."""
    order = sorted(range(len(whole)), key=lambda number: judged.dice[number])
    return [{"file": str(whole[i].path), "dice": judged.dice[i], "crack_share": whole[i].foreground} for i in order]


def summary(groups: Mapping[str, Mapping[str, float]], total: Judged) -> str:
    """What the table does not say."""
    lines = [f"average precision {total.metrics['average_precision']:.4f}"]
    if found := groups.get("with crack"):
        share, true = found["positive_share"], total.all_foreground_iou
        lines.append(f"{found['n']} with a crack: Dice {found['dice']:.4f}; crack on {true:.2%} of all pixels")
        lines[-1] += f", predicted on {total.positive_share:.2%}" if share else ", nothing predicted"
    if empty := groups.get("without crack"):
        clean = round(empty["dice_per_image"] * empty["n"])
        lines.append(
            f"{empty['n']} without a crack: nothing predicted on {clean}, "
            f"{empty['positive_share']:.2%} of their pixels wrongly"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run.main(main)
