"""Train a network that finds cracks, pixel by pixel.

    cvl run unet-crack-segmentation smoke                        a short run on a CPU
    cvl run unet-crack-segmentation train --data my-roads        own pictures with masks
    MODEL=swin_unet LOSS=dice_focal cvl run unet-crack-segmentation train

What it teaches: a training loop that can be believed. Every random choice follows from SEED and the epoch, so that a
run that was killed and resumed equals one that was not; gradients of small batches add up to that of the large one; a
loss that is not finite stops the run and names its pictures; the threshold is chosen on val and frozen for test; and
the best checkpoint is read back from the disk before anybody believes it. You will see a line an epoch, at the end
the metrics of the test split, and in the run folder checkpoints, curves and pictures, the worst masks first.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import data
import losses
import models
import pictures
import scoring
import torch
import trained
import views
from tiles import Tiles

from cvl import params as parameters
from cvl.errors import MetricsError
from cvl.kit import averaging, checkpoints, loading, optim, processes, run
from cvl.kit.compiling import compiled
from cvl.kit.groups import WeightGroups
from cvl.kit.meters import Meters
from cvl.kit.progress import Progress
from cvl.kit.runlog import RunLog, write_config, write_json
from cvl.kit.stopping import Best
from cvl.params import Values


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    run.say_device_defaults(params.settings, device)
    fabric = processes.fabric(params.PRECISION, devices=params.DEVICES)
    resumed = trained.resume(params) if params.RESUME else None
    done = resumed.epoch if resumed else 0
    scoring.wanted(params.METRICS)  # a typo is better found now than after the first epoch
    folder = processes.folder(fabric, __file__, params.OUTPUT_DIR or (resumed and resumed.folder))
    run.seed_everything(params.SEED, deterministic=params.DETERMINISTIC)

    # Model: an encoder that may know ImageNet, a decoder and a head that know nothing yet.
    network = models.build(
        params.MODEL,
        params.ENCODER,
        weights=resumed.weights if resumed and done else params.WEIGHTS,  # what the groups' change is measured from
        image_size=views.sides(params.IMAGE_SIZE, 1),
        embed_dim=params.EMBED_DIM,
    )
    size = views.sides(params.IMAGE_SIZE, models.multiple(network))
    if params.GRAD_CHECKPOINT:
        models.grad_checkpoint(network)
    if fabric.world_size > 1:
        processes.freeze_unused(network, torch.zeros(1, 3, *size))
    groups = WeightGroups(models.groups(network))

    # Data: checked before the first step.
    sets = data.prepare(params)
    loader = data.training_loader(sets, params, size, (fabric.global_rank, fabric.world_size))
    val = data.whole_pictures(sets.data.splits["val"], params)
    tiles = Tiles(size, params.OVERLAP, params.BATCH_SIZE)

    # Loss, optimizer, schedule; all counted in optimizer steps.
    loss_of = losses.make(params.LOSS, pos_weight=params.POS_WEIGHT)
    optimizer = optim.optimizer(
        params.OPTIMIZER, models.groups(network), lr=params.LR, weight_decay=params.WEIGHT_DECAY
    )
    steps = math.ceil(len(loader) / params.GRAD_ACCUM)
    higher = params.EARLY_STOP_METRIC != "val_loss"
    schedule = optim.schedule(
        params.SCHEDULER,
        optimizer,
        steps=steps * params.NUM_EPOCHS,
        warmup_steps=round(steps * params.WARMUP_EPOCHS),
        step_size=steps * params.STEP_SIZE,
        gamma=params.GAMMA,
        patience=params.STEP_SIZE,
        higher=higher,
    )
    best = Best(higher=higher, patience=params.PATIENCE)
    model, stepper = fabric.setup(compiled(network) if params.COMPILE else network, optimizer)
    average = averaging.ema(network, params.EMA) if params.EMA else None
    judged = average.module if average else network  # what is validated and kept

    parts = {"model": network, "optimizer": optimizer, "schedule": schedule, "best": best}
    parts |= {"average": average} if average else {}
    weights = resumed.weights if resumed and done else network.pretrained
    effective = {"PRECISION": processes.precision(fabric), "WEIGHTS": weights}
    keeper = trained.Keeper(fabric, folder, params, parts, effective=effective)
    if resumed:
        keeper.restore(resumed)
    log = processes.in_first(
        fabric,
        lambda: RunLog(
            folder, resumed_epoch=done if resumed else None, name=params.EXPERIMENT_NAME, config=params.as_dict()
        ),
    )
    if fabric.is_global_zero:
        job = {"example": Path(__file__).parent.name, "device": device, "splits": sets.sizes}
        write_config(folder, params.settings, effective=effective, **job)
    meters, progress = Meters(device), Progress(params.NUM_EPOCHS * len(loader), done * len(loader))
    step = done * steps

    for epoch in range(done + 1, params.NUM_EPOCHS + 1):
        if best.stop:
            run.say(f"{params.PATIENCE} validations without a better {params.EARLY_STOP_METRIC}: stopping")
            break
        began, history, row = time.monotonic(), [], {}
        loading.begin_epoch(loader, epoch)
        model.train()
        meters.reset()
        for number, (images, masks, numbers) in enumerate(loader):
            meters.loaded()
            last = (number + 1) % params.GRAD_ACCUM == 0 or number + 1 == len(loader)
            # Each batch weighs by its pictures, so that the gradients of a step add up to that of one large batch.
            share = len(images) / data.pictures_of_step(loader, number, params.GRAD_ACCUM)
            with fabric.no_backward_sync(model, enabled=not last):
                images, masks = fabric.to_device((images, masks))
                found = loss_of(model(images), masks)
                loss = sum(found.values())
                fabric.backward(loss * share)

            value, *values = processes.mean(fabric, [loss, *found.values()])
            history.append((value, dict(zip(found, values, strict=True)), share))
            log.batch(epoch, number + 1, value, history[-1][1])
            if not math.isfinite(value):  # in all processes, so that they stop together
                log.scalars({"train/loss": value}, step=step + 1, epoch=epoch)
                own = float(loss.detach())
                what = "another process has no finite loss" if math.isfinite(own) else f"the loss is {own}"
                raise MetricsError(
                    f"{what} in epoch {epoch}, batch {number + 1}: {data.files(sets, numbers)}",
                    hint="look at these pictures and masks, or try a lower LR, or PRECISION=fp32",
                )
            if last:
                limit = params.GRAD_CLIP or math.inf
                norm = float(fabric.clip_gradients(model, stepper, max_norm=limit, error_if_nonfinite=False))
                if not math.isfinite(norm) and not keeper.scales:  # fp16 leaves such a step out and scales less
                    raise MetricsError(
                        f"the gradient is {norm} in epoch {epoch}, step {step + 1}: {data.files(sets, numbers)}",
                        hint="look at these pictures and masks, or try a lower LR",
                    )
                rates = {"train/lr": schedule.lr, "train/grad_norm": norm}
                stepper.step()
                stepper.zero_grad()
                schedule.after_step()
                if average:
                    average.update_parameters(network)
                step += 1
                memory = meters.memory() if params.LOG_GPU_MEMORY else {}
                mean = scoring.step_row(history[-(number % params.GRAD_ACCUM + 1) :])
                log.scalars({**mean, **rates, **memory}, step=step, epoch=epoch)
            meters.trained(len(images) * fabric.world_size)
            progress.step(f"epoch {epoch}/{params.NUM_EPOCHS}, loss {value:.4g}")
        perf = meters.read()

        # Validation on whole pictures, by the first process; all follow what it finds.
        is_best = False
        if epoch % params.VAL_EVERY == 0 or epoch == params.NUM_EPOCHS:
            if fabric.is_global_zero:
                row = scoring.validate(judged, val, tiles, params, fabric=fabric, loss=loss_of)
            row = fabric.broadcast(row)
            is_best = best.update(scoring.chosen(row, params.EARLY_STOP_METRIC))
            schedule.after_epoch(scoring.chosen(row, params.EARLY_STOP_METRIC))
        log.scalars({**row, **perf, **groups.read()}, step=step, epoch=epoch)
        losses_of_epoch = [value for value, _, _ in history]
        saved = keeper.save(epoch, judged, row, is_best=is_best)
        log.epoch(
            epoch,
            losses_of_epoch,
            seconds=time.monotonic() - began,
            learning_rate=schedule.lr,
            is_best=is_best,
            checkpoint=saved,
        )
        mean_loss = sum(losses_of_epoch) / len(losses_of_epoch)
        progress.line(scoring.line(epoch, params.NUM_EPOCHS, mean_loss, row, is_best=is_best))

    if fabric.is_global_zero:
        prove(folder, sets, val, params, fabric, log)


def prove(folder: Path, sets: data.Sets, val: Any, params: Values, fabric: Any, log: RunLog) -> None:
    """The best checkpoint as it lies on the disk: on val, which chose it, and on test, which nothing was chosen on."""
    best = trained.load(folder / checkpoints.BEST)
    model, tiles = fabric.to_device(best.model), best.tiles(params)
    again = scoring.judge(model, val, tiles, fabric=fabric, threshold=best.threshold)
    reload = {f"reload/{name}": again.metrics[name] for name in scoring.HEADLINES}
    log.scalars(reload, step=log.last_step, epoch=log.rows[-1]["epoch"])
    run.say(f"best_model.pt from disk: val Dice {again.metrics['dice']:.4f}, IoU {again.metrics['iou']:.4f}")

    split = sets.evaluation_split
    shown = pictures.Gallery(sets.data.splits[split], params.NUM_SAMPLES, best.threshold)
    test = scoring.judge(
        model,
        data.whole_pictures(sets.data.splits[split], params),
        tiles,
        fabric=fabric,
        threshold=best.threshold,
        seen=shown.keep,
    )
    write_json(folder / "evaluation" / "metrics.json", scoring.as_json(split, test))
    print(f"{split}, threshold {best.threshold:g} chosen on val:\n{scoring.table(test.metrics)}")
    shown.write(folder / "visualizations", prefix=split)
    pictures.curves(log.rows, folder / "visualizations" / "curves.png")
    log.close()


if __name__ == "__main__":
    run.main(main)
