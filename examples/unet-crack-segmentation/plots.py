"""Plots of an evaluation and of the search for a batch size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from metrics import Scores

from cvl.kit.tuning import Trial

_CLASSES = ("no crack", "crack")
_SHOWN = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall", "f1_2px": "F1 at 2 px"}


def precision_recall(scores: Scores, threshold: float, title: str, file: Path) -> None:
    """Left precision over recall, exact and with a tolerance of 2 px; right the scores at every threshold.

    Where nothing is predicted there is no precision to draw.
    """
    curve = scores.curve()
    figure = Figure(figsize=(11.0, 4.4), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.add_subplot(1, 2, 1, xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.03))
    for end, label in (("", "exact"), ("_2px", "within 2 px")):
        recall, precision = _predicted(curve, f"recall{end}", f"precision{end}")
        (line,) = axes.plot(recall, precision, label=label, linewidth=1.8)
        at = scores.at(threshold)
        axes.plot(at[f"recall{end}"], at[f"precision{end}"], "o", color=line.get_color(), markersize=7)
    _finish(axes, f"average precision {scores.average_precision():.3f}; dots: threshold {threshold:g}")

    axes = figure.add_subplot(1, 2, 2, xlabel="threshold", xlim=(-0.02, 1.02), ylim=(-0.02, 1.03))
    for name, label in _SHOWN.items():
        points = [(x, y) for x, y in zip(curve["threshold"], curve[name], strict=True) if y or name != "precision"]
        axes.plot(*zip(*points, strict=True), label=label, linewidth=1.6)
    axes.axvline(threshold, color="#57606a", linestyle="--", linewidth=1)
    _finish(axes, "scores over all pixels")
    _write(figure, file)


def confusion(matrix: Sequence[Sequence[int]], title: str, file: Path) -> None:
    """Rows are the truth, shaded by their share of the row; shares and pixels stand in the cells."""
    shares = [[cell / max(1, sum(row)) for cell in row] for row in matrix]
    figure = Figure(figsize=(5.0, 4.4), dpi=110, layout="constrained")
    axes = figure.add_subplot(xlabel="predicted", ylabel="truth")
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="#d0d7de", linewidth=0.5)
    axes.invert_yaxis()
    for i, row in enumerate(matrix):
        for j, pixels in enumerate(row):
            shade = "white" if shares[i][j] > 0.55 else "black"
            text = f"{shares[i][j]:.2%}\n{pixels:,} px"
            axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", color=shade, fontsize=11)
    axes.set_xticks([0.5, 1.5], _CLASSES)
    axes.set_yticks([0.5, 1.5], _CLASSES, rotation=90, va="center")
    axes.set_title(title, fontsize=11)
    _write(figure, file)


def batch_sizes(trials: Sequence[Trial], recommended: int, file: Path) -> None:
    """Images a second and memory over the batch sizes that fit."""
    fitting = [trial for trial in trials if trial.images_per_s]
    figure = Figure(figsize=(9.0, 3.8), dpi=110, layout="constrained")
    for column, (label, values) in enumerate(
        (
            ("images a second", [trial.images_per_s for trial in fitting]),
            ("peak memory, GiB", [trial.memory_gb for trial in fitting]),
        ),
        1,
    ):
        axes = figure.add_subplot(1, 2, column, xlabel="batch size", xscale="log")
        sizes = [trial.size for trial in fitting]
        axes.plot(sizes, values, marker="o", linewidth=1.6)
        axes.axvline(recommended, color="#1a7f37", linestyle="--", linewidth=1.2, label=f"BATCH_SIZE={recommended}")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(0, 1.1 * max(values, default=1))
        _finish(axes, label)
    _write(figure, file)


def _predicted(curve: dict[str, list[float]], recall: str, precision: str) -> tuple[list[float], list[float]]:
    """Without the thresholds at which nothing is predicted."""
    points = [point for point in zip(curve[recall], curve[precision], strict=True) if any(point)]
    return [r for r, _ in points], [p for _, p in points]


def _finish(axes: Any, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _write(figure: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}")
    FigureCanvasAgg(figure).print_png(str(temporary))
    os.replace(temporary, file)
