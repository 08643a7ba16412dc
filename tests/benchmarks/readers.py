"""Our readers against the reference of each format: whole processes, interleaved, and the same values.

    python tests/benchmarks/readers.py [FORMAT ...]

In a Python that has the references (the optional dependencies `logs`).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.benchmarks.timing import medians, table  # noqa: E402

ROUNDS = 5
NAMES = ("train/loss", "train/loss_box", "train/lr", "train/grad_norm", "perf/images_per_s")
OURS = "import sys; from pathlib import Path; from cvl.readers import {0}; found = {0}.read([Path(sys.argv[1])]).series"
SUMS = "; from math import fsum; print(sorted((n, len(s), fsum(s.value)) for n, s in found.items()))"


@dataclass(frozen=True)
class Versus:
    """`reference` reads the file that its argument names; with `sums` it prints what SUMS does."""

    log: Path
    name: str
    reference: str
    sums: str


def detectron2(folder: Path) -> Versus:
    """100,000 rows of eleven metrics, as a long schedule writes them, and an evaluation every hundredth."""
    log = folder / "metrics.json"
    names = ["loss_box_reg", "loss_cls", "loss_rpn_cls", "loss_rpn_loc", "fast_rcnn/cls_accuracy", "data_time", "time"]
    with log.open("w", encoding="utf-8") as file:
        for i in range(19, 2_000_000, 20):
            row = {name: (7 + k) / (i + 3) for k, name in enumerate([*names, "lr", "eta_seconds", "total_loss"])}
            file.write(json.dumps({"iteration": i, "rpn/num_pos_anchors": i % 7 / 3, **row}, sort_keys=True) + "\n")
            if i % 2000 == 1999:
                file.write(json.dumps({"bbox/AP": 40 - 9 / i, "bbox/AP50": 60 - 9 / i, "iteration": i}) + "\n")
    reference = "import sys, pandas; found = pandas.read_json(sys.argv[1], lines=True, precise_float=True)"
    sums = "print(sorted((n, int(c.count()), fsum(c.dropna())) for n, c in found.items() if n != 'iteration'))"
    return Versus(log, "pandas.read_json", reference, f"; from math import fsum; {sums}")


def csv(folder: Path, rows: int) -> Versus:
    log = folder / "log.csv"
    with log.open("w", encoding="utf-8") as file:
        file.write(",".join(_NAMES) + "\n")
        file.writelines(",".join(map(str, row)) + "\n" for row in islice(_million_rows(), rows))
    return Versus(log, "pandas.read_csv", "import sys, pandas; found = pandas.read_csv(sys.argv[1])", _FRAME)


def jsonl(folder: Path) -> Versus:
    log = folder / "log.jsonl"
    with log.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(dict(zip(_NAMES, row, strict=True))) + "\n" for row in _million_rows())
    reference = "import sys, pandas; found = pandas.read_json(sys.argv[1], lines=True, precise_float=True)"
    return Versus(log, "pandas.read_json", reference, _FRAME)


def _million_rows() -> Iterator[tuple[float, ...]]:
    """Six columns, the values with six digits."""
    dice = random.Random(0)
    return ((i, i // 1000, *(float(f"{dice.random():.6g}") for _ in _NAMES[2:])) for i in range(1_000_000))


_NAMES = ("step", "epoch", "train/loss", "train/lr", "val/loss", "val/map")
_FRAME = (
    "; from math import fsum; "
    "print(sorted((n, int(c.count()), fsum(c.dropna())) for n, c in found.items() if n not in ('step', 'epoch')))"
)


def tensorboard(folder: Path) -> Versus:
    """60,000 steps of five tags, as torch's SummaryWriter writes them."""
    from torch.utils.tensorboard import SummaryWriter

    dice = random.Random(0)
    with SummaryWriter(str(folder), max_queue=100_000) as writer:
        for step in range(60_000):
            for name in NAMES:
                writer.add_scalar(name, dice.random(), step)
    module = "tensorboard.backend.event_processing.event_accumulator"
    reference = f"import sys; from {module} import EventAccumulator as Log; "
    reference += "found = Log(sys.argv[1], size_guidance={'scalars': 0}).Reload()"
    sums = "rows = {n: [e.value for e in found.Scalars(n)] for n in found.Tags()['scalars']}"
    sums += "; print(sorted((n, len(v), fsum(v)) for n, v in rows.items()))"
    return Versus(next(folder.glob("events*")), "EventAccumulator", reference, f"; from math import fsum; {sums}")


WANDB = """
import json, sys
import wandb
from wandb.proto.wandb_internal_pb2 import Record
from wandb.sdk.internal.datastore import DataStore
log, found = DataStore(), {}
log.open_for_scan(sys.argv[1])
while (data := log.scan_data()) is not None:
    record = Record()
    record.ParseFromString(data)
    for item in record.history.item:
        found.setdefault("/".join(item.nested_key), []).append(json.loads(item.value_json))
"""


def wandb(folder: Path) -> Versus:
    """40,000 steps of five metrics, logged offline."""
    import wandb

    dice = random.Random(0)
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_ERROR_REPORTING="false")
    settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off")
    with wandb.init(project="p", dir=folder, settings=settings) as run:
        for _ in range(40_000):
            run.log({name: dice.random() for name in NAMES})
    wandb.teardown()
    log = next(folder.glob("wandb/offline-run-*/*.wandb"))
    sums = "from math import fsum; print(sorted((n, len(v), fsum(v)) for n, v in found.items() if n[0] != '_'))"
    return Versus(log, "DataStore", WANDB, sums)


FORMATS: dict[str, tuple[Callable[[Path], Versus], ...]] = {
    "csv": (partial(csv, rows=1_000_000), partial(csv, rows=100_000)),
    "jsonl": (jsonl,),
    "tensorboard": (tensorboard,),
    "wandb": (wandb,),
    "detectron2": (detectron2,),
}


def main() -> None:
    print(f"medians of {ROUNDS} interleaved rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in sys.argv[1:] or FORMATS:
        for log in FORMATS[name]:
            with tempfile.TemporaryDirectory() as folder:
                compare(name, log(Path(folder)))


def compare(name: str, versus: Versus) -> None:
    environ, ours = {"PYTHONPATH": str(REPOSITORY)}, OURS.format(name)
    found = [
        subprocess.run(
            [sys.executable, "-c", code, str(versus.log)],
            env={**os.environ, **environ},
            check=True,
            capture_output=True,
        ).stdout
        for code in (ours + SUMS, versus.reference + versus.sums)
    ]
    if found[0] != found[1] or len(found[0]) < 10:
        raise SystemExit(f"{name}: not the same values\n{found[0].decode()}{found[1].decode()}")
    codes = {f"cvl {name}": ours, versus.name: versus.reference}
    commands = {key: [sys.executable, "-c", code, str(versus.log)] for key, code in codes.items()}
    took = medians(commands, rounds=ROUNDS, cwd=versus.log.parent, environ=environ)
    print(
        f"\n{versus.log.name}, {versus.log.stat().st_size / 1e6:.0f} MB, the same values\n{table(took, [versus.name])}"
    )


if __name__ == "__main__":
    main()
