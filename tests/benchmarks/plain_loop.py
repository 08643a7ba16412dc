"""Pictures a second of unet-crack-segmentation's train.py, against the plainest correct loop on the same model.

    PYTHON tests/benchmarks/plain_loop.py [ROUNDS]

PYTHON is an interpreter of the example's environment. The plain loop decodes every picture, crops and flips it, and
does forward, backward and step, nothing else: no log, no meter, no check. Rounds alternate; medians are printed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "unet-crack-segmentation"
SIZE, BATCH, EPOCHS = 160, 4, 3


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    found: dict[str, list[float]] = {"plain loop": [], "train.py": []}
    waits = []
    for _ in range(rounds):
        done = subprocess.run([sys.executable, __file__, "plain"], capture_output=True, text=True, check=True)
        found["plain loop"].append(float(done.stdout))
        images, wait = ours()
        found["train.py"].append(images)
        waits.append(wait)
    plain, mine = (median(values) for values in found.values())
    print(f"medians of {rounds} alternating rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"plain loop {plain:.2f} images/s, train.py {mine:.2f}, ratio {mine / plain:.2f}")
    print(f"share of the time that train.py waits for data: {median(waits):.3f}")


def ours() -> tuple[float, float]:
    """Images a second and share of waiting: medians of the epochs after the first, which fills the cache."""
    with tempfile.TemporaryDirectory() as folder:
        values = {"IMAGE_SIZE": SIZE, "BATCH_SIZE": BATCH, "NUM_EPOCHS": EPOCHS, "VAL_EVERY": EPOCHS}
        texts = {name: str(value) for name, value in values.items()}
        env = {**os.environ, **texts, "OUTPUT_DIR": folder, "CVL_CACHE": f"{folder}/cache", "CVL_RUN": "benchmark"}
        env["PYTHONPATH"] = str(REPOSITORY)
        subprocess.run([sys.executable, EXAMPLE / "train.py"], env=env, check=True, capture_output=True)
        rows = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
        rows = [row for row in rows if "perf/images_per_s" in row][1:]
        return median(row["perf/images_per_s"] for row in rows), median(row["perf/data_wait"] for row in rows)


def plain() -> None:
    """Prints images a second, the median of the epochs after the first."""
    sys.path[:0] = [str(REPOSITORY), str(EXAMPLE)]
    import models
    import numpy as np
    import torch
    from PIL import Image
    from torch.nn import functional

    torch.manual_seed(0)
    model = models.build("unet", "tu-tf_efficientnet_lite0", weights="none", image_size=(SIZE, SIZE), embed_dim=96)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    train = REPOSITORY / "cvl" / "kit" / "samples" / "cracks" / "train"
    names = sorted(path.stem for path in (train / "images").iterdir())
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    seconds = []
    for _ in range(EPOCHS):
        began = time.perf_counter()
        random.shuffle(names)
        for first in range(0, len(names), BATCH):
            pairs = []
            for name in names[first : first + BATCH]:
                image = torch.from_numpy(np.array(Image.open(train / "images" / f"{name}.jpg").convert("RGB")))
                mask = torch.from_numpy(np.array(Image.open(train / "masks" / f"{name}.png").convert("L")))[None] > 0
                image = (image.permute(2, 0, 1).float() / 255 - mean) / std
                y, x = random.randrange(image.shape[1] - SIZE + 1), random.randrange(image.shape[2] - SIZE + 1)
                pair = [part[:, y : y + SIZE, x : x + SIZE] for part in (image, mask.float())]
                pairs.append([part.flip(-1) for part in pair] if random.random() < 0.5 else pair)
            images, masks = (torch.stack(parts) for parts in zip(*pairs, strict=True))
            logits = model(images)
            probability = logits.sigmoid().flatten(1)
            overlap = (probability * masks.flatten(1)).sum(1)
            dice = 1 - (2 * overlap + 1) / (probability.sum(1) + masks.flatten(1).sum(1) + 1)
            loss = functional.binary_cross_entropy_with_logits(logits, masks) + dice.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - began)
    print(len(names) / median(seconds[1:]))


if __name__ == "__main__":
    plain() if sys.argv[1:] == ["plain"] else main()
