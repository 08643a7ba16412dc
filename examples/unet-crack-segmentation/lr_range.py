"""Find a learning rate: raise it from step to step, from far too low to far too high, and watch the loss.

    cvl run unet-crack-segmentation lr-range                       recommends an LR for the shipped sample
    MODEL=segformer OPTIMIZER=sgd cvl run unet-crack-segmentation lr-range --data my-roads

Model, loss, optimizer and batches are those that train would have with the same parameters, so search again when one of
them changes. The model is thrown away afterwards.
"""

from __future__ import annotations

import data
from trial import Trial, command, endless

from cvl import params as parameters
from cvl.errors import UsageError
from cvl.kit import processes, run, tuning
from cvl.kit.progress import Progress
from cvl.kit.runlog import write_config, write_json


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    if params.LR_MIN >= params.LR_MAX:
        raise UsageError(f"LR_MIN={params.LR_MIN:g} is not below LR_MAX={params.LR_MAX:g}", hint="LR_MIN=1e-6 LR_MAX=1")
    fabric = processes.fabric(params.PRECISION, devices=1)
    folder = run.folder(__file__, params.OUTPUT_DIR)
    write_config(folder, params.settings, effective={"PRECISION": processes.resolve(params.PRECISION)}, device=device)
    run.seed_everything(params.SEED, deterministic=params.DETERMINISTIC)

    trial = Trial(params, fabric)
    batches = endless(data.training_loader(data.prepare(params, needs=("train",)), params, trial.size))
    progress = Progress(params.LR_STEPS)

    def step(rate: float) -> float:
        loss = trial.step(*next(batches), rate)
        progress.step(f"LR {rate:.1e}, loss {loss:.4g}")
        return loss

    found = tuning.lr_range(step, low=params.LR_MIN, high=params.LR_MAX, steps=params.LR_STEPS)
    found.plot(folder / "visualizations" / "lr_range.png")
    text = command(params, "LR", f"{found.recommended:.1e}") if found.recommended else None
    seen = {"rates": found.rates, "losses": found.losses, "smooth": found.smooth}
    write_json(folder / "lr_range.json", {"recommended": found.recommended, "command": text, **seen})
    print(found.text())
    if text:
        print(text)
    run.say(f"plot and JSON: {folder}")


if __name__ == "__main__":
    run.main(main)
