"""Parts of detectron2-ui-detection, checked in its environment."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anchors
import configuration
import dataset
import expected
import find
import numpy as np
import pretrained
import resume
import screens
import torch
import yaml
from library import build_model
from PIL import Image

from cvl import params as parameters
from cvl.errors import CvlError
from cvl.formats.boxes import Box, Picture
from cvl.kit import checkpoints
from cvl.params import Setting, Values

EXAMPLE = Path(configuration.__file__).parent
FOLDER = Path(tempfile.mkdtemp())


def refused(call: Any, *words: str) -> None:
    """Whether it is refused with these words."""
    try:
        call()
    except CvlError as error:
        assert all(word in str(error) for word in words), str(error)
    else:
        raise AssertionError("it was not refused")


def values(**changed: str) -> Any:
    return parameters.load(str(EXAMPLE / "train.py"), argv=[f"{name}={value}" for name, value in changed.items()])


def made(classes: int = 2, **changed: str) -> Any:
    names = [f"class {number}" for number in range(classes)]
    return configuration.make(values(**changed), names, "cpu", FOLDER, steps_an_epoch=10)


def picture(name: str, *boxes: Box) -> Picture:
    """60x40, grey."""
    noise = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(FOLDER / name)
    return Picture(FOLDER / name, 60, 40, boxes)


def check_epochs_become_iterations() -> None:
    cfg = made(NUM_EPOCHS="5", SCHEDULER="step", LR_STEPS="0.5,0.8", WARMUP_EPOCHS="0.5", VAL_EVERY="2")
    solver = cfg.SOLVER
    assert (solver.MAX_ITER, solver.STEPS, solver.WARMUP_ITERS, cfg.TEST.EVAL_PERIOD) == (50, (25, 40), 5, 20)


def check_a_learning_rate_of_0_has_no_cosine() -> None:
    assert made(LR="0").SOLVER.LR_SCHEDULER_NAME == "WarmupMultiStepLR"


def check_pixels_are_those_that_the_weights_know() -> None:
    light, zoo, wide = (
        configuration.base(name)
        for name in (configuration.OURS, "faster_rcnn_R_50_FPN_3x", "faster_rcnn_X_101_32x8d_FPN_3x")
    )
    assert (light.INPUT.FORMAT, zoo.INPUT.FORMAT, wide.INPUT.FORMAT) == ("RGB", "BGR", "BGR")
    assert light.MODEL.PIXEL_STD == [58.395, 57.12, 57.375]
    assert zoo.MODEL.PIXEL_STD == [1.0, 1.0, 1.0]
    assert wide.MODEL.PIXEL_STD == [57.375, 57.12, 58.395]


def check_anchors() -> None:
    assert made(ANCHOR_SIZES="4,8,16,32,64").MODEL.ANCHOR_GENERATOR.SIZES == [[4], [8], [16], [32], [64]]
    retina = anchors.of(made(MODEL="retinanet_R_50_FPN_3x"), "x")
    assert len(retina.sizes[0]) == 3 and retina.sizes[0][0] == 8 and retina.strides[0] == 8
    published = anchors.of(configuration.base("retinanet_R_50_FPN_3x"), "COCO")
    assert published.sizes[-1][0] == 512 and published.ratios == [0.5, 1.0, 2.0]
    refused(lambda: made(ANCHOR_SIZES="4,8"), "2 sizes for 5 levels")
    refused(lambda: made(ASPECT_RATIOS="1,-1"), "ASPECT_RATIOS=1,-1")


def check_deformable_convolution_is_refused() -> None:
    refused(lambda: configuration.base("mask_rcnn_R_50_FPN_3x_dconv_c3-c5"), "deformable convolution", "hint: MODEL=")


def check_an_outline_is_the_mask_and_a_box_without_one_its_own() -> None:
    outline = ((1.0, 2.0, 9.0, 2.0, 5.0, 8.0),)
    record = dataset.record(picture("a.png", Box(0, 1, 2, 9, 8, outline=outline), Box(1, 0, 0, 4, 2)), 1)
    first, second = (annotation["segmentation"] for annotation in record["annotations"])
    assert first == [list(outline[0])]
    assert second == [[0, 0, 4, 0, 4, 2, 0, 2]]


def check_a_screen_follows_from_seed_and_epoch() -> None:
    cfg = made(MODEL="mask_rcnn_R_50_FPN_3x")
    records = [dataset.record(picture("b.png", Box(0, 10, 10, 30, 20)), 1)]
    data = screens.Screens(records, cfg, screens.augmentations("strong", 64), seed=3)
    before = np.random.get_state()[1].tolist()
    same, again, other = data[1, 0]["image"], data[1, 0]["image"], data[2, 0]["image"]
    assert torch.equal(same, again)
    assert same.shape != other.shape or not torch.equal(same, other)
    assert np.random.get_state()[1].tolist() == before


def check_boxes_are_resized_with_the_picture() -> None:
    records = [dataset.record(picture("c.png", Box(1, 6, 4, 30, 20)), 1)]
    item = screens.Screens(records, made(), [screens.resize(120)], seed=0)[0, 0]
    assert tuple(item["image"].shape) == (3, 80, 120)
    assert item["instances"].gt_boxes.tensor.tolist() == [[12, 8, 60, 40]]
    assert item["instances"].gt_classes.tolist() == [1]


def check_a_picture_that_went_bad_is_named() -> None:
    (FOLDER / "bad.png").write_bytes(b"not a picture")
    refused(lambda: screens.read(FOLDER / "bad.png", "RGB"), "bad.png", "not a readable picture")


def check_weights_of_other_classes_leave_the_heads_fresh() -> None:
    old, new = build_model(made(3)), build_model(made(2))
    file = FOLDER / "old.pt"
    checkpoints.write(file, {"model": old.state_dict(), "epoch": 1})
    head = new.roi_heads.box_predictor.cls_score.weight.clone()
    pretrained.load(new, pretrained.find(str(file), configuration.OURS))
    assert torch.equal(new.roi_heads.box_predictor.cls_score.weight, head)
    assert torch.equal(new.backbone.fpn_lateral2.weight, old.backbone.fpn_lateral2.weight)


def check_weights_of_the_zoo_are_arrays() -> None:
    network = build_model(made())
    name = "roi_heads.box_head.fc2.bias"
    content = {"model": {name: np.full(256, 7, dtype=np.float32)}, "__author__": "somebody"}
    (FOLDER / "zoo.pkl").write_bytes(pickle.dumps(content, protocol=2))
    pretrained.load(network, pretrained.Start("file", FOLDER / "zoo.pkl"))
    assert network.state_dict()[name].eq(7).all()
    (FOLDER / "none.pkl").write_bytes(pickle.dumps({"model": {"x": np.zeros(2)}, "__author__": "somebody"}))
    refused(lambda: pretrained.load(network, pretrained.Start("f", FOLDER / "none.pkl")), "none of its tensors fits")


class Code:
    def __reduce__(self) -> Any:
        return os.mkdir, (str(FOLDER / "made"),)


def check_code_in_weights_does_not_run() -> None:
    (FOLDER / "code.pkl").write_bytes(pickle.dumps({"model": Code()}))
    torch.save({"model": Code()}, FOLDER / "code.pth")
    for name in ("code.pkl", "code.pth"):
        refused(lambda name=name: pretrained._read(FOLDER / name), "holds no weights", "UnpicklingError")
    assert not (FOLDER / "made").exists()


def check_weights_by_name() -> None:
    assert pretrained.find("auto", configuration.OURS).kind == "imagenet"
    assert pretrained.find("none", configuration.OURS).kind == "none"
    refused(lambda: pretrained.find("coco", configuration.OURS), "nobody trained")
    refused(lambda: pretrained.find("/no/such.pkl", configuration.OURS), "there is no such file")


def check_frozen_stages_keep_still() -> None:
    cfg = made(WEIGHTS="imagenet")
    cfg.MODEL.RESNETS.NORM, cfg.MODEL.BACKBONE.FREEZE_AT = "BN", 2
    encoder = build_model(cfg).train().backbone.bottom_up.encoder
    assert not any(weight.requires_grad for weight in encoder.blocks[1].parameters())
    assert all(weight.requires_grad for weight in encoder.blocks[2].parameters())
    assert not encoder.bn1.training and encoder.blocks[2][0].bn1.training


def check_the_threshold_of_a_judgement_is_its_own() -> None:
    for name in (configuration.OURS, "retinanet_R_50_FPN_3x"):
        model = build_model(made(MODEL=name)).train()
        places = find._thresholds(model)
        before = [getattr(part, attribute) for part, attribute in places]
        with find.judging(model, 0.3):
            assert not model.training and {getattr(part, attribute) for part, attribute in places} == {0.3}
        assert places and model.training and before == [getattr(part, attribute) for part, attribute in places]


def check_expected_results_are_the_calibrated_range() -> None:
    bounds = {"range": {"metric": "map50", "min": 0.3}, "when": {"device": "cpu"}, "calibrated": {"runs": 3}}
    presets = {"train": {"command": []}, "smoke": {"env": {"NUM_EPOCHS": 2}}, "data": {}}
    rules = {"train": [{"range": {"metric": "map50", "min": 0.5}}], "smoke": [bounds]}
    declared = {"NUM_EPOCHS": {"default": 3}, "LR": {"default": 0.1}, "SEED": {"default": 0, "affects_result": False}}
    text = yaml.safe_dump({"presets": presets, "parameters": declared, "verification": {"presets": rules}})
    (FOLDER / "example.yaml").write_text(text)

    def told(epochs: int = 2, device: str = "cpu", **sources: str) -> list[list[Any]]:
        known = {"NUM_EPOCHS": epochs, "LR": 0.1, "SEED": 0}
        settings = {name: Setting(value, sources.get(name, "preset")) for name, value in known.items()}
        return expected.results(FOLDER, Values(settings), {}, device)

    assert told() == told(SEED="-e") == [["bbox", "AP50", 65.0, 35.0]]
    assert told(device="cuda") == []
    assert told(epochs=3) == []  # of train, whose range nobody calibrated
    assert told(LR="-e") == []
    cfg = SimpleNamespace(TEST=SimpleNamespace(EXPECTED_RESULTS=[["bbox", "AP50", 65.0, 35.0]]))
    expected.tell(cfg, 0.2)  # only says so
    expected.tell(cfg, 0.4)


def check_what_does_not_fit_a_run_is_not_resumed() -> None:
    config = values().as_dict() | {"WEIGHTS": "none", "FREEZE": 0}
    state = {"model": {}, "optimizer": {}, "epoch": 2, "config": config, "cfg": "", "classes": ["a"], "steps": 5}
    file = FOLDER / "checkpoints" / "latest_model.pt"
    checkpoints.write(file, state)
    found = resume.find(values(RESUME=str(file), NUM_EPOCHS="3"))
    assert found and found.epoch == 2
    resume.check(found, ["a"], 5)
    refused(lambda: resume.check(found, ["b"], 5), "trained on a; the data has b")
    refused(lambda: resume.check(found, ["a"], 4), "its epochs have 5 iterations, these 4")
    for name, value in (("OPTIMIZER", "sgd"), ("MODEL", "faster_rcnn_R_50_FPN_3x"), ("NUM_EPOCHS", "1")):
        refused(lambda n=name, v=value: resume.find(values(RESUME=str(file), **{n: v})), name)
    checkpoints.write(file, {"model": {}, "epoch": 2})
    refused(lambda: resume.find(values(RESUME=str(file))), "no optimizer state")
