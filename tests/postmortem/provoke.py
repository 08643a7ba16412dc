"""Makes the provoked texts of this folder: the same failures for real, in the interpreter that runs this script.

    python tests/postmortem/provoke.py     (root; torch, transformers, opencv-python<4.12 and lightning installed)

What needs a GPU cannot be provoked on a CPU: those texts say in expected.yaml where they come from.
"""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
SMALL = "mount -t tmpfs -o size=1m tmpfs {folder} && "
LOADER = """
import torch
class Data(torch.utils.data.Dataset):
    def __len__(self): return 64
    def __getitem__(self, i): {item}
if __name__ == "__main__":
    for batch in torch.utils.data.DataLoader(Data(), batch_size=16, num_workers={workers}): pass
"""
LIGHTNING = """
import lightning, torch
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__(); self.layer = torch.nn.Linear(2, 1)
    def training_step(self, batch, i): return self.layer(batch).sum() * float("nan")
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), 0.1)
data = torch.utils.data.DataLoader(torch.zeros(8, 2))
trainer = lightning.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, accelerator="cpu",
                            enable_progress_bar=False, enable_model_summary=False, detect_anomaly=True)
trainer.fit(Model(), data)
"""
FROM_HUB = "import transformers; transformers.AutoModel.from_pretrained('{model}')"
CODE = {
    "shared_memory": LOADER.format(item="return torch.zeros(3, 640, 640)", workers=2),
    "bus_error": LOADER.format(item="import os, signal; os.kill(os.getpid(), signal.SIGBUS)", workers=1),
    "worker_killed": LOADER.format(item="import os, signal; os.kill(os.getpid(), signal.SIGKILL)", workers=1),
    "cpu_allocator": "import torch; torch.empty(10**15)",
    "numpy_memory": "import numpy; numpy.ones((10**6, 10**6))",
    "disk_full_torch_save": "import torch; torch.save(torch.zeros(10**6), '{folder}/full/latest_model.pt')",
    "disk_full_write": "open('{folder}/full/metrics.jsonl', 'w').write('x' * 2**21)",
    "hub_unreachable": FROM_HUB.format(model="microsoft/resnet-18"),
    "hub_offline": FROM_HUB.format(model="microsoft/resnet-18"),
    "hub_gated": FROM_HUB.format(model="facebook/sam3"),
    "hub_private": FROM_HUB.format(model="facebook/no-such-model"),
    "torch_hub_unreachable": (
        "import torch; torch.hub.load_state_dict_from_url('https://weights.invalid/resnet18-f37072fd.pth')"
    ),
    "missing_module": "import segmentation_models_pytorch",
    "cannot_import_name": "from transformers import AdamW",
    "missing_library": "import cv2",
    "broken_picture": "import io; from PIL import Image; Image.open('{folder}/train/0001.jpg')",
    "truncated_picture": "from PIL import Image; Image.open('{folder}/train/0002.png').load()",
    "class_out_of_range": "import torch; torch.nn.functional.cross_entropy(torch.zeros(1, 3), torch.tensor([7]))",
    "sizes_differ": LOADER.format(item="return torch.zeros(3, 8 + i)", workers=0),
    "empty_data": "import torch; torch.utils.data.DataLoader([], shuffle=True)",
    "file_missing": "open('{folder}/annotations/instances_train.json')",
    "anomaly_nan": (
        "import torch\nx = torch.zeros(1, requires_grad=True)\n"
        "with torch.autograd.detect_anomaly(): (0 * x.sqrt() / x).backward()"
    ),
    "clip_non_finite": (
        "import torch; p = torch.nn.Parameter(torch.zeros(1)); p.grad = torch.tensor([float('nan')]); "
        "torch.nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)"
    ),
    "lightning_nan": LIGHTNING,
    "port_in_use": (
        "import socket, torch.distributed as d; s = socket.create_server(('', 29511)); "
        "d.init_process_group('gloo', init_method='tcp://127.0.0.1:29511', rank=0, world_size=1)"
    ),
    "permission": "import os; os.setuid(1234); open('{folder}/run.json', 'w')",
    "no_cuda_build": "import torch; torch.zeros(1).cuda()",
    "wrong_checkpoint": "import torch; torch.nn.Linear(2, 3).load_state_dict(torch.nn.Linear(2, 4).state_dict())",
    "assertion": "assert 2 + 2 == 5, 'the world is not what it was'",
}
BEFORE = {
    "shared_memory": SMALL.format(folder="/dev/shm"),
    "missing_library": (  # the library hidden by an overlay
        "mount -t tmpfs tmpfs {folder} && mkdir {folder}/upper {folder}/work && "
        "mknod {folder}/upper/libGL.so.1 c 0 0 && "
        "mount -t overlay -o lowerdir=$LIBRARIES,upperdir={folder}/upper,workdir={folder}/work overlay $LIBRARIES && "
    ),
    "disk_full_torch_save": SMALL,
    "disk_full_write": SMALL,
}


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does for a model behind terms of use, and for one that is private or does not exist."""

    def do_GET(self) -> None:
        gated = "sam3" in self.path
        self.send_response(403 if gated else 401)
        self.send_header("X-Error-Code", "GatedRepo" if gated else "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""


def provoke(name: str, code: str, folder: Path, port: int) -> tuple[str, int]:
    env = {**os.environ, "HF_HOME": str(folder / "hf"), "TORCH_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    closed = 9  # the port `discard`: nothing listens there
    env["HF_ENDPOINT"] = f"http://127.0.0.1:{port if name in ('hub_gated', 'hub_private') else closed}"
    if name == "hub_offline":
        env["HF_HUB_OFFLINE"] = "1"
    script = folder / "train.py"
    script.write_text(code.replace("{folder}", str(folder)), encoding="utf-8")
    env["LIBRARIES"] = "/usr/lib/x86_64-linux-gnu"
    before = BEFORE.get(name, "").format(folder=folder / "full")
    command = ["unshare", "-m", "sh", "-c", f"{before}exec {sys.executable} {script}"]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = done.stdout.replace(str(folder), "/workspace").replace(f":{port}", "").replace(f":{closed}", "")
    text = re.sub(r"/\S*?/(lib/python3\.\d+)/", r"/usr/local/\1/", text)
    return text, done.returncode if done.returncode >= 0 else 128 - done.returncode


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in sys.argv[1:] or CODE:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            folder.chmod(0o755)
            (folder / "train").mkdir()
            (folder / "full").mkdir()
            (folder / "train/0001.jpg").write_text("no picture")
            Image.effect_noise((64, 64), 50).save(folder / "train/0002.png")
            os.truncate(folder / "train/0002.png", 2000)
            text, code = provoke(name, CODE[name], folder, server.server_port)
        lines = text.splitlines()
        (HERE / f"{name}.txt").write_text("\n".join(lines[-40:]) + "\n", encoding="utf-8")
        print(f"{name}: exit code {code}, {lines[-1] if lines else 'no output'}")


if __name__ == "__main__":
    main()
