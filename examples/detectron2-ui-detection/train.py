"""Train a two-stage detector on UI screens, with Detectron2's own trainer, model zoo and log.

    cvl run detectron2-ui-detection smoke                          a short run on a CPU
    cvl run detectron2-ui-detection train --data my-screens        own screenshots, YOLO or COCO labels
    MODEL=mask_rcnn_R_50_FPN_3x cvl run detectron2-ui-detection train

What it teaches: how a configuration of the model zoo becomes a training of your own. Epochs become iterations, anchors
take the shapes of buttons and links, heads begin anew for your classes; the library's DefaultTrainer is given epochs, a
log of every step, a best checkpoint and a resume that repeats nothing. You will see a line an epoch, a table of classes
at the end, and in the run folder the checkpoints, the curves and the screens with the most mistakes first.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import checkpoint
import configuration
import expected
import judging
import parallel
import pretrained
import resume
import validation
from dataset import View, prepare
from keeping import Keeper
from library import comm, quiet
from trainer import Trainer

from cvl import params as parameters
from cvl.kit import checkpoints, detection, drawing, run
from cvl.kit.detection import HEADLINES
from cvl.kit.runlog import RunLog, write_config, write_json, write_text
from cvl.params import Values

CONFIDENCE = 0.5  # of the boxes in the pictures


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    run.say_device_defaults(params.settings, device)
    parallel.start(train, params.DEVICES, device, params)


def train(device: str, params: Values) -> None:
    """The whole run, in each of its processes."""
    began = datetime.now()
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    configuration.base(params.MODEL)  # what cannot run here is better said now than after the data was read
    resumed = resume.find(params)
    folder = parallel.first(lambda: run.folder(__file__, params.OUTPUT_DIR or (resumed and resumed.folder)))
    run.seed_everything(params.SEED, deterministic=params.DETERMINISTIC)

    # Data: checked before the first step, registered in the library's catalogue.
    view = prepare(params.DATA_DIR, max_bad=params.MAX_BAD, max_train=params.MAX_TRAIN_SAMPLES, seed=params.SEED)

    # Weights: fetched by one process; where a run goes on, what the change of its weights is measured from.
    began_with = resumed.weights if resumed and resumed.epoch else params.WEIGHTS
    start = parallel.first(lambda: pretrained.find(began_with, params.MODEL))
    weights = resumed.weights if resumed and resumed.epoch else start.kind
    precision = precision_on(device, params.PRECISION)

    # Configuration: the zoo's, with what the parameters change. The library counts iterations.
    steps = steps_of(view.size("train"), params)
    cfg = configuration.make(
        params,
        view.data.classes,
        device,
        folder,
        steps_an_epoch=steps,
        weights=weights,
        precision=precision,
        data=view.name,
        processes=comm.get_world_size(),
    )
    if cfg.MODEL.MASK_ON and not view.with_masks:
        run.say("no outlines (polygons) in the labels: every box is its own mask")
    effective = {
        "WEIGHTS": weights,
        "PRECISION": precision,
        "FREEZE": configuration.frozen_stages(params, weights),
    }
    cfg.TEST.EXPECTED_RESULTS = expected.results(Path(__file__).parent, params, effective, device)
    cfg.freeze()
    screens = cfg.SOLVER.IMS_PER_BATCH
    run.say(f"{params.NUM_EPOCHS} epochs = {cfg.SOLVER.MAX_ITER} iterations of {screens} screens, {steps} an epoch")
    if resumed:
        resume.check(resumed, view.data.classes, steps)
        if comm.is_main_process():
            resume.bring_over(resumed, folder)
    parallel.in_first(lambda: folder / "native").mkdir(exist_ok=True)
    comm.synchronize()

    trainer = Trainer(cfg, params, view, start=start, precision=precision)
    keeper = Keeper(folder, params, trainer, effective=effective)
    if resumed:
        keeper.restore(resumed)
    trained = sum(weight.numel() for weight in trainer.network.parameters() if weight.requires_grad)
    run.say(f"{trained:,} trainable parameters")
    sizes = {split: view.size(split) for split in ("train", "val", "test")}
    done = resumed.epoch if resumed else None
    log = parallel.in_first(lambda: RunLog(folder, resumed_epoch=done, config=params.as_dict()))
    if comm.is_main_process():
        job = {"example": Path(__file__).parent.name, "device": device, "splits": sizes}
        write_config(folder, params.settings, effective=effective, **job)
        write_text(folder / "native" / "config.yaml", cfg.dump())

    trainer.train(log, keeper)
    if comm.is_main_process():
        test = prove(folder, view, device, log, cfg)
        write_json(folder / "training_results.json", summary(folder, params, view, log, test, began))


def precision_on(device: str, wanted: str) -> str:
    """PRECISION as it is on this device, said aloud where it is not what was asked for."""
    if device == "cpu":
        if wanted in ("fp16", "bf16"):
            run.say(f"PRECISION={wanted} needs a GPU: training in fp32")
        return "fp32"
    return "fp16" if wanted == "auto" else wanted


def steps_of(pictures: int, params: Values) -> int:
    """Iterations of an epoch; as many in every process."""
    batches = -(-pictures // comm.get_world_size() // params.BATCH_SIZE)
    return -(-batches // params.GRAD_ACCUM)


def prove(folder: Path, view: View, device: str, log: RunLog, cfg: object) -> judging.Judged | None:
    """The best checkpoint as it lies on the disk: on val, which chose it, and on test, which nothing was chosen on."""
    best = checkpoint.load(folder / checkpoints.BEST)
    again = validation.scores(best.model.to(device), best.cfg, view, "val", device=device)
    reload = {f"reload/{name}": again.metrics[name] for name in HEADLINES}
    log.scalars({**reload, **detection.baseline(view.data)}, step=log.last_step, epoch=log.rows[-1]["epoch"])
    run.say(f"best_model.pt from disk: val mAP50 {again.metrics['map50']:.4f}, mAP {again.metrics['map']:.4f}")
    expected.tell(cfg, log.best("val/map50") or 0.0)

    # The split that nothing was chosen on: reported, never used.
    split, shown = view.evaluation_split, folder / "visualizations"
    test = judging.judge(best, view, split, folder, device=device, confidence=CONFIDENCE)
    print(f"{split}:\n{test.scores.table()}")
    drawing.draw_worst(view.data.splits[split], test.compared, view.data.classes, shown, prefix=split, count=8)
    means = {"mAP50": "val/map50", "mAP": "val/map"}
    rates = {"precision": "val/precision", "recall": "val/recall"}
    drawing.run_curves(log.rows, {"mAP on val": means, "Precision and recall on val": rates}, shown / "curves.png")
    log.close()
    return test if split == "test" else None


def summary(
    folder: Path, params: Values, view: View, log: RunLog, test: judging.Judged | None, began: datetime
) -> dict[str, object]:
    """training_results.json."""
    return {
        "experiment_name": folder.name,
        "timestamp": began.isoformat(timespec="seconds"),
        "model": {"type": "detectron2", "variant": params.MODEL},
        "dataset": {"names": [view.name], **{f"{split}_size": view.size(split) for split in ("train", "val", "test")}},
        "training": {
            "epochs": log.rows[-1]["epoch"],
            "batch_size": params.BATCH_SIZE,
            "learning_rate": params.LR,
            "total_time_hours": round((datetime.now() - began).total_seconds() / 3600, 4),
        },
        "results": {
            "best_val_mAP": log.best("val/map"),
            "best_val_mAP50": log.best("val/map50"),
            "test_mAP": test.scores.metrics["map"] if test else None,
        },
    }


if __name__ == "__main__":
    run.main(main)
