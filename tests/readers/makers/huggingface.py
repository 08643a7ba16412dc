"""Writes data/huggingface/ with the real library: a healthy run, one that turns NaN, and one that was resumed.

python tests/readers/makers/huggingface.py
"""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path

import _expected
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

DATA = Path(__file__).parents[1] / "data" / "huggingface"


class Records(TrainerCallback):
    """What the trainer logs, as it logs it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:  # type: ignore[no-untyped-def]
        self.rows.append({**logs, "step": state.global_step, "epoch": logs.get("epoch", state.epoch)})


class Spoilt(BertForSequenceClassification):
    """Its loss is NaN from the given call on."""

    calls, limit = 0, math.inf

    def forward(self, **batch):  # type: ignore[no-untyped-def]
        found = super().forward(**batch)
        self.calls += self.training
        if self.calls > self.limit:
            found.loss = found.loss * float("nan")
        return found


def main() -> None:
    for case in ("healthy", "nan", "resumed"):
        shutil.rmtree(DATA / case, ignore_errors=True)
        with tempfile.TemporaryDirectory() as scratch:
            records = Records()
            trainer = fit(Path(scratch), records, epochs=2, limit=4 if case == "nan" else math.inf)
            if case == "resumed":
                fit(Path(scratch), records, epochs=3, resume=True)
            if case == "healthy":
                trainer.save_state()
            else:  # without save_state() the closing record is in no file
                records.rows = [row for row in records.rows if "train_runtime" not in row]
            for path in sorted(Path(scratch).rglob("trainer_state.json")):
                copy = DATA / case / path.relative_to(scratch)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
        expect(DATA / case, records)


def fit(folder: Path, records: Records, *, epochs: int, limit: float = math.inf, resume: bool = False) -> Trainer:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=8,
    )  # fmt: skip
    model = Spoilt(config)
    model.limit = limit
    data = [{"input_ids": [i % 16, (i * 7) % 16, 3], "labels": i % 2} for i in range(16)]
    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=epochs, per_device_train_batch_size=4, logging_steps=1,
        eval_strategy="epoch", save_strategy="epoch", report_to=[], use_cpu=True, disable_tqdm=True, seed=0,
        remove_unused_columns=False,
    )  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=data, eval_dataset=data, callbacks=[records])
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def expect(case: Path, records: Records) -> None:
    series: dict[str, list[_expected.Row]] = {}
    for row in records.rows:
        for name in sorted(set(row) - {"step", "epoch"}):
            series.setdefault(name, []).append((int(row["step"]), row["epoch"], float(row[name])))
    _expected.write(case, series)


if __name__ == "__main__":
    main()
