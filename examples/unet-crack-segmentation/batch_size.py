"""Find a batch size: double it until memory is out, then close in; time each, and recommend the smallest that is fast.

    cvl run unet-crack-segmentation batch-size
    MODEL=unet_swin ENCODER=tu-swin_tiny_patch4_window7_224 IMAGE_SIZE=448 cvl run unet-crack-segmentation batch-size

Timed are whole training steps on crops that already are in memory: loading is not in it (`perf/data_wait` of a training
tells about that). On a CPU, which has no memory limit of its own, it ends at MAX_BATCH_SIZE.
"""

from __future__ import annotations

from dataclasses import asdict

import data
import plots
import torch
from torch.utils.data import default_collate
from trial import Trial, command

from cvl import params as parameters
from cvl.kit import processes, run, tuning
from cvl.kit.runlog import write_config, write_json

LOWEST = 2  # BatchNorm cannot normalise what is left of a single small crop
CROPS = 16  # different ones; larger batches have them several times


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    fabric = processes.fabric(params.PRECISION, devices=1)
    folder = run.folder(__file__, params.OUTPUT_DIR)
    write_config(folder, params.settings, effective={"PRECISION": processes.resolve(params.PRECISION)}, device=device)
    run.seed_everything(params.SEED, deterministic=params.DETERMINISTIC)

    trial = Trial(params, fabric)
    images, masks = crops(data.prepare(params, needs=("train",)), params, trial.size)

    def step(count: int) -> float:
        chosen = torch.arange(count) % len(images)
        return trial.step(images[chosen], masks[chosen])

    found = tuning.batch_sizes(step, device=device, low=LOWEST, high=params.MAX_BATCH_SIZE)
    plots.batch_sizes(found.trials, found.recommended, folder / "visualizations" / "batch_size.png")
    text = command(params, "BATCH_SIZE", str(found.recommended))
    trials = [asdict(trial) for trial in found.trials]
    write_json(folder / "batch_size.json", {"recommended": found.recommended, "command": text, "trials": trials})
    print(f"{found.text()}\n{text}")
    run.say(f"plot and JSON: {folder}")


def crops(sets: data.Sets, params: parameters.Values, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 3, H, W) and masks (n, 1, H, W) as training gets them."""
    dataset = data.training_set(sets, params, size)
    images, masks, _ = default_collate([dataset[(1, i)] for i in range(min(CROPS, len(dataset)))])
    return images, masks


if __name__ == "__main__":
    run.main(main)
