"""Evaluate a checkpoint on a split: metrics for each class, what is taken for what, the worst screens first.

    cvl run yolo-ui-detection evaluate                                         the model trained last, on val
    CHECKPOINT=best_model.pt SPLIT=test cvl run yolo-ui-detection evaluate --data my-screens

The table is COCO's, by the kit's evaluator, as at the end of training: mAP over all confidences; precision, recall
and F1 where the mean F1 is highest.
CONFIDENCE is what you would deploy with: the confusion matrix, the pictures and the line "at confidence" go by it.
"""

from __future__ import annotations

import checkpoint
from dataset import prepare
from judging import judge
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
    plots.draw(judged, classes, title, folder / "evaluation")
    shown = folder / "visualizations"
    drawing.draw_worst(screens, judged.compared, classes, shown, prefix=split, count=params.NUM_SAMPLES)
    print(f"{title}, {size} px:\n{judged.scores.table()}\n{detection.summary(judged.scores, judged.at)}")
    run.say(f"pictures, worst first: {shown}; plots and JSON: {folder / 'evaluation'}")


if __name__ == "__main__":
    run.main(main)
