"""Evaluate a checkpoint on a split: metrics for each class, what is taken for what, the worst screens first.

    cvl run yolo-ui-detection evaluate                                         the model trained last, on val
    CHECKPOINT=best_model.pt SPLIT=test cvl run yolo-ui-detection evaluate --data my-screens

The table is that of training: mAP over all confidences; precision, recall and F1 where the mean F1 is highest.
CONFIDENCE is what you would deploy with: the confusion matrix, the pictures and the line "at confidence" go by it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import checkpoint
import pictures
import plots
from dataset import prepare
from findings import Collector, confident, count, write_coco
from library import quiet
from scoring import Scores, evaluate

from cvl import params as parameters
from cvl.formats import coco
from cvl.kit import drawing, run
from cvl.kit.drawing import Found
from cvl.kit.runlog import write_json


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    _, model, size, folder = checkpoint.begin(__file__, params)

    split = params.SPLIT
    view = prepare(params.DATA_DIR, folder / "native" / "view", needs=(split,), max_bad=params.MAX_BAD)
    classes, screens = view.data.classes, view.data.splits[split]
    checkpoint.fit(model, classes)

    # One pass: the library's metrics, and every box that they are made of.
    kept: dict[str, list[Found]] = {}
    scores = evaluate(
        model,
        view,
        split,
        image_size=size,
        batch_size=params.BATCH_SIZE,
        folder=folder / "native",
        validator=partial(Collector, kept),
        iou=params.IOU,
        max_det=params.MAX_DETECTIONS,
        workers=params.NUM_WORKERS,
    )
    names = [link.name for link in view.links[split]]
    found = [kept[name] for name in names]

    # What a user would see: boxes that are certain enough.
    certain = [confident(boxes, params.CONFIDENCE) for boxes in found]
    compared = [drawing.compare(screen.boxes, boxes) for screen, boxes in zip(screens, certain, strict=True)]
    at = {"confidence": params.CONFIDENCE, **count(compared)}
    title = f"{split}, {len(screens)} screens"
    draw_curves(model.metrics.box, classes, title, folder / "evaluation")
    matrix = plots.confusion(compared, len(classes))
    title_matrix = f"{title}: confidence ≥ {params.CONFIDENCE:g}, IoU ≥ 0.5"
    plots.draw_confusion(matrix, classes, title_matrix, folder / "evaluation" / "confusion_matrix.png")
    shown = folder / "visualizations"
    pictures.draw_worst(screens, compared, classes, shown, prefix=split, count=params.NUM_SAMPLES)

    write_coco(found, folder / "evaluation" / "predictions.json")
    truth = coco.document(classes, list(zip(names, screens, strict=True)))
    write_json(folder / "evaluation" / "ground_truth.json", truth)
    write_json(folder / "evaluation" / "metrics.json", scores.as_json(split) | {"at_confidence": at})
    print(f"{title}, {size} px:\n{scores.table()}\n{summary(scores, at)}")
    run.say(f"pictures, worst first: {shown}; plots and JSON: {folder / 'evaluation'}")


def draw_curves(box: Any, classes: tuple[str, ...], title: str, folder: Path) -> None:
    """Precision over recall of every class that the split has."""
    rows = {int(label): row for row, label in enumerate(box.ap_class_index)}
    curves = {f"{classes[i]} {box.ap50[row]:.3f}": (box.px, box.prec_values[row]) for i, row in sorted(rows.items())}
    plots.draw_precision_recall(curves, f"{title}: IoU ≥ 0.5, mAP50 {box.map50:.3f}", folder / "precision_recall.png")


def summary(scores: Scores, at: dict[str, float]) -> str:
    """What the table does not say: classes without a box in the split, and the counts at CONFIDENCE."""
    absent = [name for name, group in scores.groups.items() if not group["n"]]
    return "\n".join(
        [
            *([f"without a box in this split: {', '.join(absent)}"] if absent else []),
            f"at confidence {at['confidence']:g}: {at['right']} right, {at['wrong']} wrong, {at['missed']} missed; "
            f"precision {at['precision']:.3f}, recall {at['recall']:.3f}, F1 {at['f1']:.3f}",
        ]
    )


if __name__ == "__main__":
    run.main(main)
