"""Evaluate a checkpoint on a split: metrics for each class, what is taken for what, the worst screens first.

    cvl run detectron2-ui-detection evaluate                                         the model trained last, on val
    CHECKPOINT=best_model.pt SPLIT=test cvl run detectron2-ui-detection evaluate --data my-screens

The table is COCO's, by the kit's evaluator, as at the end of training: mAP over all confidences; precision, recall
and F1 where the mean F1 is highest. `cvl runs compare` sets it beside that of any other detector on the same screens.
CONFIDENCE is what you would deploy with: the confusion matrix, the pictures and the line "at confidence" go by it.
Mask R-CNN on data with outlines also gets the mask AP (COCO's `segm`).
"""

from __future__ import annotations

import masks
from dataset import View, prepare
from judging import judge
from library import quiet
from session import Session, begin

from cvl import params as parameters
from cvl.kit import detection, drawing, run
from cvl.kit import detection_plots as plots


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    session = begin(__file__, params)
    split = params.SPLIT
    view = prepare(params.DATA_DIR, needs=(split,), max_bad=params.MAX_BAD)
    classes, screens = view.data.classes, view.data.splits[split]
    session.detector.fit(classes)

    judged = judge(
        session.detector,
        view,
        split,
        session.folder,
        device=device,
        confidence=params.CONFIDENCE,
        image_size=session.image_size,
    )
    title = f"{split}, {len(screens)} screens"
    plots.draw(judged, classes, title, session.folder / "evaluation")
    shown = session.folder / "visualizations"
    drawing.draw_worst(screens, judged.compared, classes, shown, prefix=split, count=params.NUM_SAMPLES)
    print(f"{title}, {session.image_size} px:\n{judged.scores.table()}\n{detection.summary(judged.scores, judged.at)}")
    if session.detector.cfg.MODEL.MASK_ON:
        judge_masks(session, view, split, device)
    run.say(f"pictures, worst first: {shown}; plots and JSON: {session.folder / 'evaluation'}")


def judge_masks(session: Session, view: View, split: str, device: str) -> None:
    """The mask AP, or why there is none."""
    if not view.with_masks:
        run.say(f"masks are not judged: the boxes of {view.name} have no outlines")
        return
    folder, screens = session.folder / "evaluation", view.data.splits[split]
    found = masks.judge(session.detector, screens, folder, device=device, image_size=session.image_size)
    print(f"masks: mAP50 {found['map50']:.3f}, mAP75 {found['map75']:.3f}, mAP {found['map']:.3f}")


if __name__ == "__main__":
    run.main(main)
