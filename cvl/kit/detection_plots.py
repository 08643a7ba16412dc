"""Plots of an evaluation: which class is taken for which, and precision over recall."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from cvl.kit.detection import Judged
from cvl.kit.drawing import Comparison, overlap

NOTHING = "nothing"
Curve = tuple[Sequence[float], Sequence[float]]  # recall, precision
# Dark enough for white text; the blue of most buttons comes late.
COLOURS = ("#d6006c", "#1a7f37", "#c2410c", "#8250df", "#0e7490", "#7d6a00", "#a40e26", "#0550ae", "#57606a", "#5c3317")


def draw(judged: Judged, classes: Sequence[str], title: str, folder: Path) -> None:
    """Precision over recall of every class that was there, and which class is taken for which, in `folder`."""
    scores, confidence = judged.scores, judged.at["confidence"]
    curves = {f"{name} {scores.groups[name]['map50']:.3f}": curve for name, curve in scores.curves.items()}
    title_curves = f"{title}: IoU ≥ 0.5, mAP50 {scores.metrics['map50']:.3f}"
    draw_precision_recall(curves, title_curves, folder / "precision_recall.png")
    title_matrix = f"{title}: confidence ≥ {confidence:g}, IoU ≥ 0.5"
    matrix = confusion(judged.compared, len(classes))
    draw_confusion(matrix, classes, title_matrix, folder / "confusion_matrix.png")


def confusion(compared: Sequence[Comparison], classes: int, *, iou: float = 0.5) -> list[list[int]]:
    """`[true][found]` counts; the last row and column stand for nothing.

    What is right stays right; of the rest, boxes that overlap are pairs, whatever their classes, best overlap first.
    """
    matrix = [[0] * (classes + 1) for _ in range(classes + 1)]
    for one in compared:
        pairs: list[tuple[int | None, int | None]] = list(one.matched)
        truth = set(range(len(one.truth))) - {t for t, _ in one.matched}
        found = set(range(len(one.found))) - {f for _, f in one.matched}
        overlaps = [(overlap(one.truth[t], one.found[f].box), t, f) for t in truth for f in found]
        for value, t, f in sorted(overlaps, reverse=True):
            if value >= iou and t in truth and f in found:
                pairs.append((t, f))
                truth.remove(t)
                found.remove(f)
        pairs += [*((t, None) for t in truth), *((None, f) for f in found)]
        for i, j in pairs:
            row = classes if i is None else one.truth[i].label
            column = classes if j is None else one.found[j].box.label
            matrix[row][column] += 1
    return matrix


def draw_confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str, file: Path) -> None:
    """Rows are the truth, shaded by their share of the row; the counts stand in the cells."""
    from matplotlib.figure import Figure

    names = [*classes, NOTHING]
    shares = [[cell / max(1, sum(row)) for cell in row] for row in matrix]
    side = 2.6 + 0.62 * len(names)
    figure = Figure(figsize=(side + 0.6, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="#d0d7de", linewidth=0.5)
    axes.invert_yaxis()
    for i, j in product(range(len(names)), repeat=2):
        if matrix[i][j]:
            shade = "white" if shares[i][j] > 0.55 else "black"
            axes.text(j + 0.5, i + 0.5, str(matrix[i][j]), ha="center", va="center", color=shade)
    middles = [i + 0.5 for i in range(len(names))]
    axes.set_xticks(middles, names, rotation=45, ha="right")
    axes.set_yticks(middles, names)
    axes.set_xlabel("found")
    axes.set_ylabel("truth")
    axes.set_title(title, fontsize=11)
    _write(figure, file)


def draw_precision_recall(curves: Mapping[str, Curve], title: str, file: Path) -> None:
    """A line for each class; `curves` goes by what the legend says."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 4.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for i, (label, (recall, precision)) in enumerate(curves.items()):
        style = "-" if i < len(COLOURS) else "--"
        axes.plot(recall, precision, style, label=label, color=COLOURS[i % len(COLOURS)], linewidth=1.8)
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.02), ylim=(-0.02, 1.03))
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=9)
    _write(figure, file)


def _write(figure: Any, file: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}")
    FigureCanvasAgg(figure).print_png(str(temporary))
    os.replace(temporary, file)
