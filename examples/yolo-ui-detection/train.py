"""Train a YOLO detector on UI screens, with Ultralytics' own trainer.

    cvl run yolo-ui-detection smoke                       a short run on a CPU, from scratch
    cvl run yolo-ui-detection train --data my-screens     own screenshots, YOLO or COCO labels

What it teaches: how to take a trainer that is not ours as it is, and still see every batch, stop on the first loss that
is not finite, resume, and prove with the checkpoint on disk that training worked. You will see a line an epoch, a table
of classes at the end, and in the run folder the checkpoints, the curves and the screens with the most mistakes first.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pictures
import resume
from dataset import prepare
from judging import judge
from library import YOLO, quiet, start_weights
from scoring import evaluate
from trainer import Trainer, strip

from cvl import params as parameters
from cvl.kit import drawing, run
from cvl.kit.detection import HEADLINES, baseline
from cvl.kit.runlog import RunLog, write_config, write_json

# A mirrored screen is no screen: nothing is ever flipped.
AUGMENT = {
    "none": {"hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0, "translate": 0.0, "scale": 0.0, "mosaic": 0.0},
    "light": {"hsv_h": 0.015, "hsv_s": 0.4, "hsv_v": 0.3, "translate": 0.1, "scale": 0.2, "mosaic": 0.0},
    "strong": {"hsv_h": 0.015, "hsv_s": 0.7, "hsv_v": 0.4, "translate": 0.1, "scale": 0.5, "mosaic": 1.0, "mixup": 0.1},
}


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    run.say_device_defaults(params.settings, device)
    start = resume.find(params.RESUME, params.NUM_EPOCHS) if params.RESUME else None
    done = start.done if start else 0
    folder = run.folder(__file__, params.OUTPUT_DIR or (start and start.folder))
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    began = datetime.now()

    # Data: checked before the first step; Ultralytics gets a view of links, so that nothing is written beside it.
    view = prepare(
        params.DATA_DIR,
        folder / "native" / "data",
        max_bad=params.MAX_BAD,
        max_train=params.MAX_TRAIN_SAMPLES,
        seed=params.SEED,
    )

    # Model: the checkpoint that a run goes on from, pretrained weights, or neither.
    weights = None if start else start_weights(params.WEIGHTS, params.MODEL)
    model = start.model if start else params.MODEL
    precision = {"auto": "fp16"}.get(params.PRECISION, params.PRECISION) if device == "cuda" else "fp32"
    if params.PRECISION in ("fp16", "bf16") and device == "cpu":
        run.say(f"PRECISION={params.PRECISION} needs a GPU: training in fp32")
    effective = {"PRECISION": precision, "MODEL": model}
    if not weights:
        effective["WEIGHTS"] = start.weights if start else "none"

    run.say(f"seed {params.SEED}{', deterministic' if params.DETERMINISTIC else ''}")
    sizes = {split: view.size(split) for split in ("train", "val", "test")}
    if start:
        start.check_classes(view.data.classes)
        resume.bring_over(start, folder)
    log = RunLog(folder, resumed_epoch=start.done if start else None, config=params.as_dict())
    job = {"example": Path(__file__).parent.name, "device": device, "splits": sizes}
    write_config(folder, params.settings, effective=effective, **job)

    trainer = Trainer(
        log,
        best_by=params.EARLY_STOP_METRIC,
        val_every=params.VAL_EVERY,
        save_every=params.SAVE_EVERY,
        overrides={
            "task": "detect",
            "data": str(view.config),
            "model": str(start.file) if start else f"{model}.yaml",
            "pretrained": str(weights) if weights else False,
            "resume": bool(start),
            "project": str(folder),
            "name": "native",
            "exist_ok": True,
            "device": "0" if device == "cuda" else "cpu",
            "epochs": params.NUM_EPOCHS,
            "batch": params.BATCH_SIZE,
            "nbs": params.BATCH_SIZE * params.GRAD_ACCUM,  # gradients accumulate up to this nominal batch
            "imgsz": params.IMAGE_SIZE,
            "optimizer": params.OPTIMIZER,  # never `auto`: that ignores LR
            "lr0": params.LR,
            "lrf": 1.0 if params.SCHEDULER == "constant" else params.LR_FINAL,
            "cos_lr": params.SCHEDULER == "cosine",
            "warmup_epochs": params.WARMUP_EPOCHS,
            "warmup_bias_lr": 0.0,  # the library's 0.1 would train the biases with LR=0
            "weight_decay": params.WEIGHT_DECAY,
            "patience": params.PATIENCE,
            "amp": {"fp32": False, "fp16": True, "bf16": "bf16"}[precision],
            "freeze": params.FREEZE or None,
            "workers": params.NUM_WORKERS,
            "seed": params.SEED + done,  # a run that goes on does not see the order of its first epochs again
            "deterministic": params.DETERMINISTIC,
            "compile": params.COMPILE,
            "verbose": params.VERBOSE,
            "plots": False,
            "fliplr": 0.0,
            "flipud": 0.0,
            **AUGMENT[params.AUGMENT],
        },
    )
    trainer.train()

    # Proof: the best checkpoint as it lies on the disk, on the split that chose it, by what chose it: Ultralytics'
    # own validator.
    best = folder / "checkpoints" / "best_model.pt"
    strip(best)
    options = {"image_size": params.IMAGE_SIZE, "batch_size": trainer.batch_size}
    again = evaluate(best, view, "val", folder=folder / "native", **options)
    reload = {f"reload/{name}": again.metrics[name] for name in HEADLINES}
    log.scalars({**reload, **baseline(view.data)}, step=trainer.steps, epoch=trainer.epoch + 1)
    run.say(f"best_model.pt from disk: val mAP50 {again.metrics['map50']:.4f}, mAP {again.metrics['map']:.4f}")

    # The split that nothing was chosen on: reported, never used. By COCO's protocol, as every detector here.
    split = view.evaluation_split
    judged = judge(YOLO(best), view, split, folder, device=device, confidence=pictures.CONFIDENCE, **options)
    test, shown = judged.scores, folder / "visualizations"
    print(f"{split}:\n{test.table()}")
    drawing.draw_worst(view.data.splits[split], judged.compared, view.data.classes, shown, prefix=split, count=8)
    pictures.curves(log.rows, folder / "visualizations" / "curves.png")
    log.close()
    write_json(
        folder / "training_results.json",
        {
            "experiment_name": folder.name,
            "timestamp": began.isoformat(timespec="seconds"),
            "model": {"type": "yolo", "variant": model},
            "dataset": {"names": [view.name], **{f"{name}_size": size for name, size in sizes.items()}},
            "training": {
                "epochs": trainer.epoch + 1,
                "batch_size": trainer.batch_size,
                "learning_rate": params.LR,
                "total_time_hours": round((datetime.now() - began).total_seconds() / 3600, 4),
            },
            "results": {
                "best_val_mAP": log.best("val/map"),
                "best_val_mAP50": log.best("val/map50"),
                "test_mAP": test.metrics["map"] if split == "test" else None,
            },
        },
    )


if __name__ == "__main__":
    run.main(main)
