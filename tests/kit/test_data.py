"""Data sets and loader on real files and workers; the work is done by data_job.py in an example's environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.jobs import answers

pytestmark = pytest.mark.training("unet-crack-segmentation")
CHANGED = "\nhint: it was sound when the data was checked: has it changed?"
DIED = "a worker that loads data died while reading "


@pytest.fixture
def found(ml_python: Path) -> dict[str, Any]:
    return answers(ml_python, "data_job.py")[0]


def test_an_item_is_what_lies_in_the_files(found: dict[str, Any]) -> None:
    items = found["items"]
    assert items["plain"] and items["plain tensors"]
    assert items["types"] == ["torch.uint8", "torch.float32", [1, 32, 48], [0, 1], 3]
    assert items["name"] == "05.png"


def test_an_item_depends_on_seed_epoch_and_index_alone(found: dict[str, Any]) -> None:
    items = found["items"]
    assert items["repeated"] and items["generator untouched"] and items["an index alone"]
    assert items["varies"] == [False, False] and not items["another seed"]


def test_picture_and_mask_are_transformed_together(found: dict[str, Any]) -> None:
    assert found["items"]["flips together"]


def test_normalised_as_imagenet(found: dict[str, Any]) -> None:
    white = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    black = [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    assert found["items"]["normalised"] == pytest.approx([*white, *black], abs=1e-4)


def test_pictures_are_loaded_as_they_are_shown(found: dict[str, Any]) -> None:
    assert found["turned"] == [[3, 6, 4], [[0, 3]], [[0, 3]]]


def test_the_number_of_workers_changes_nothing(found: dict[str, Any]) -> None:
    assert found["workers"]["same"] == found["workers"]["same draws after"] == [True] * 4


def test_an_epoch_is_the_same_without_those_before(found: dict[str, Any]) -> None:
    workers = found["workers"]
    assert workers["epoch 2 alone"] and workers["permutations"] == [True, True] and workers["orders differ"]


def test_processes_share_the_pictures(found: dict[str, Any]) -> None:
    assert found["orders"] == {"even": True, "complete": True, "once": True, "looked at": 52}


def test_batches(found: dict[str, Any]) -> None:
    assert found["sizes"] == {
        "batches": 3,
        "last": 3,
        "none": "DataError: there is no picture to load\nhint: the preset `data` shows what was found",
    }


def test_a_file_that_changed_is_named_with_workers_and_without(found: dict[str, Any]) -> None:
    lost, lost_2, shrunk, shrunk_2, broken, broken_2 = found["gone"]
    assert (lost, shrunk, broken) == (lost_2, shrunk_2, broken_2)
    assert lost.endswith("/03.png: No such file or directory" + CHANGED)
    assert "/06.png: is 5x5, when the data was checked it was 48x32\n" in shrunk
    assert broken.endswith("/09.png: not a readable picture (UnidentifiedImageError)" + CHANGED)
    assert all(line.startswith("DataError: /") for line in found["gone"])


@pytest.mark.parametrize(("how", "ending"), [("killed", "SIGKILL"), ("left", "exit code 7")])
def test_a_worker_that_dies_is_said_with_its_file(found: dict[str, Any], how: str, ending: str) -> None:
    kind, (line, hint), steps = found["death"][how]
    assert kind == "JobError" and line.startswith(DIED) and line.endswith(f"/06.png: {ending}")
    assert hint.startswith("hint: too little memory or shared memory? NUM_WORKERS=0")
    assert steps[:1] == [[0, 1]], "the step that was under way was not cut short"


def test_a_bug_keeps_its_traceback(found: dict[str, Any]) -> None:
    kind, lines, _ = found["death"]["bug"]
    assert kind == "IndexError" and lines[-1] == "IndexError: list index out of range"


def test_the_cache_gives_the_same_and_without_the_files(found: dict[str, Any]) -> None:
    assert found["cached"] == [True, True]


def test_targets_are_those_of_torchvisions_detectors(found: dict[str, Any]) -> None:
    detection = found["detection"]
    assert detection["target"] == {
        "boxes": [[34, 8, 44, 28], [0, 0, 28, 32]],
        "labels": [1, 3],
        "area": [200, 896],
        "iscrowd": [0, 0],
        "image_id": 0,
    }
    assert detection["background"] == [[0, 4], [0]]
    assert detection["batch"] == ["tuple", [3, 32, 48], [0, 1]]
    assert detection["cropped"] == [[[4, 0, 16, 32]], [3], [384]]
    assert detection["detector"] == ["loss_box_reg", "loss_classifier", "loss_objectness", "loss_rpn_box_reg"]


def test_fabric_keeps_the_order(found: dict[str, Any]) -> None:
    if found["fabric"] is None:
        pytest.skip("this environment has no Lightning Fabric")
    assert found["fabric"] == [True, True, True]
