"""Evaluate a checkpoint on a split: metrics for each class, what is taken for what, the worst screens first.

    cvl run yolo-ui-detection evaluate                                         the model trained last, on val
    CHECKPOINT=best_model.pt SPLIT=test cvl run yolo-ui-detection evaluate --data my-screens

The table is COCO's, by the kit's evaluator, as at the end of training: mAP over all confidences; precision, recall
and F1 where the mean F1 is highest.
CONFIDENCE is what you would deploy with: the confusion matrix, the pictures and the line "at confidence" go by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import checkpoint
from dataset import prepare
from judging import Judged, judge
from library import quiet

from cvl import params as parameters
from cvl.kit import detection, drawing, run
from cvl.kit import detection_plots as plots


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    _, model, size, folder = checkpoint.begin(__file__, params)

    split = params.SPLIT
    view = prepare(params.DATA_DIR, folder / "native" / "view", needs=(split,), max_bad=params.MAX_BAD)
    classes, screens = view.data.classes, view.data.splits[split]
    checkpoint.fit(model, classes)

    judged = judge(
        model,
        view,
        split,
        folder,
        device=device,
        confidence=params.CONFIDENCE,
        image_size=size,
        batch_size=params.BATCH_SIZE,
        iou=params.IOU,
        max_det=params.MAX_DETECTIONS,
        workers=params.NUM_WORKERS,
    )
    title = f"{split}, {len(screens)} screens"
    draw(judged, classes, title, folder / "evaluation")
    shown = folder / "visualizations"
    drawing.draw_worst(screens, judged.compared, classes, shown, prefix=split, count=params.NUM_SAMPLES)
    print(f"{title}, {size} px:\n{judged.scores.table()}\n{detection.summary(judged.scores, judged.at)}")
    run.say(f"pictures, worst first: {shown}; plots and JSON: {folder / 'evaluation'}")


def draw(judged: Judged, classes: Sequence[str], title: str, folder: Path) -> None:
    """Precision over recall of every class that the split has, and which class is taken for which."""
    scores, confidence = judged.scores, judged.at["confidence"]
    curves = {f"{name} {scores.groups[name]['map50']:.3f}": curve for name, curve in scores.curves.items()}
    title_curves = f"{title}: IoU ≥ 0.5, mAP50 {scores.metrics['map50']:.3f}"
    plots.draw_precision_recall(curves, title_curves, folder / "precision_recall.png")
    title_matrix = f"{title}: confidence ≥ {confidence:g}, IoU ≥ 0.5"
    matrix = plots.confusion(judged.compared, len(classes))
    plots.draw_confusion(matrix, classes, title_matrix, folder / "confusion_matrix.png")


if __name__ == "__main__":
    run.main(main)
