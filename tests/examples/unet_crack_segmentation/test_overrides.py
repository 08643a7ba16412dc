"""The overrides of the workflow guide: each of its commands means here what it says there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cvl import params
from cvl.errors import UsageError

MANIFEST = Path(__file__).resolve().parents[3] / "examples" / "unet-crack-segmentation" / "example.yaml"
PARAMETERS = params.declared(yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["parameters"])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("model=architectures/unet", {"MODEL": "unet"}),
        ("model=swin_unet loss=dice_focal", {"MODEL": "swin_unet", "LOSS": "dice_focal"}),
        (
            "model=architectures/swin_unet model.encoder.embed_dim=96 data.batch_size=4",
            {"MODEL": "swin_unet", "EMBED_DIM": 96, "BATCH_SIZE": 4},
        ),
        ("training.loss=dice_bce", {"LOSS": "dice_bce"}),
        (
            "data.batch_size=4 training.mixed_precision=true training.gradient_accumulation_steps=4",
            {"BATCH_SIZE": 4, "PRECISION": "fp16", "GRAD_ACCUM": 4},
        ),
        (
            "training.optimizer.lr=0.0005 training.epochs=150 experiment_name=swin_unet_v1",
            {"LR": 0.0005, "NUM_EPOCHS": 150, "EXPERIMENT_NAME": "swin_unet_v1"},
        ),
        (
            "seed=42 training.deterministic=true training.log_gpu_memory=true",
            {"SEED": 42, "DETERMINISTIC": True, "LOG_GPU_MEMORY": True},
        ),
        (
            "data.batch_size=2 data.image_size=[384,384] training.mixed_precision=true",
            {"BATCH_SIZE": 2, "IMAGE_SIZE": "[384,384]", "PRECISION": "fp16"},
        ),
        ("training.clip_grad_norm=1.0 data.augmentation=strong", {"GRAD_CLIP": 1.0, "AUGMENT": "strong"}),
        ("data.num_workers=4", {"NUM_WORKERS": 4}),
        (
            'evaluation.metrics=["iou","f1"] evaluation.save_confusion_matrix=True evaluation.save_predictions=True',
            {"METRICS": '["iou","f1"]', "SAVE_CONFUSION_MATRIX": True, "SAVE_PREDICTIONS": True},
        ),
        ("model.checkpoint_path=best_model.pth", {"CHECKPOINT": "best_model.pth"}),
    ],
)
def test_the_guide(words: str, wanted: dict[str, object]) -> None:
    raw, rest = params.from_arguments(PARAMETERS, words.split(" "))
    settings = params.resolve(PARAMETERS, [("flag", raw)])
    assert rest == [] and {name: settings[name].value for name in wanted} == wanted
    assert {name for name, setting in settings.items() if setting.source == "flag"} == wanted.keys()


def test_the_environment_says_the_same() -> None:
    raw = params.from_environment(PARAMETERS, {"MODEL": "architectures/swin_unet", "EPOCHS": "3"})
    settings = params.resolve(PARAMETERS, [("environment", raw)])
    assert (settings["MODEL"].value, settings["NUM_EPOCHS"].value) == ("swin_unet", 3)


def test_a_model_that_does_not_exist_is_refused_with_a_suggestion() -> None:
    raw, _ = params.from_arguments(PARAMETERS, ["model=architectures/swin_unit"])
    with pytest.raises(UsageError, match="MODEL: 'architectures/swin_unit' is not one of unet"):
        params.resolve(PARAMETERS, [("flag", raw)])
