"""The evaluator: exact answers by hand, pycocotools' own summary beside it, and what is missing."""

from __future__ import annotations

import contextlib
import io
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cvl.errors import CvlError, DataError
from cvl.formats import boxes
from cvl.formats.boxes import Box, Picture
from cvl.kit import detection, samples
from cvl.kit.drawing import Found

CLASSES = ("button", "link")
ALL = ("map", "map50", "map75", "precision", "recall", "f1")


def screen(*found: Box) -> Picture:
    return Picture(Path("screen.png"), 1000, 1000, found)


def row(count: int, label: int = 0) -> tuple[Box, ...]:
    """Squares of 10 px."""
    return tuple(Box(label, 20 * i, 100 * label, 20 * i + 10, 100 * label + 10) for i in range(count))


def found(*pairs: tuple[Box, float]) -> list[Found]:
    return [Found(box, score) for box, score in pairs]


def near(a: float, b: float, within: float = 1e-9) -> bool:
    return abs(a - b) <= within


def check_what_is_perfect() -> None:
    truth = [screen(*row(3), *row(2, 1)), screen(*row(1))]
    scores = detection.evaluate(truth, [[Found(box, 0.7) for box in one.boxes] for one in truth], CLASSES)
    assert all(near(scores.metrics[name], 1) for name in ALL), scores.metrics
    assert all(near(group[name], 1) for group in scores.groups.values() for name in ALL)
    assert [group["n"] for group in scores.groups.values()] == [4, 2]
    assert near(scores.confidence or 0, 0.7)
    recall, precision = scores.curves["link"]
    assert recall[0] == 0 and near(recall[-1], 1) and len(recall) == 101 and all(near(p, 1) for p in precision)


def check_a_case_by_hand() -> None:
    """4 buttons; right, wrong, right by .9, .8, .7. Precision is 1 up to recall .25, then 2/3 up to .5."""
    truth = row(4)
    wrong = Box(0, 500, 500, 510, 510)
    scores = detection.evaluate([screen(*truth)], [found((truth[0], 0.9), (wrong, 0.8), (truth[1], 0.7))], CLASSES)
    ap = (26 * 1 + 25 * 2 / 3) / 101  # of COCO's 101 recalls 0 … .25 and .26 … .50
    assert near(scores.metrics["map50"], ap) and near(scores.metrics["map"], ap) and near(scores.metrics["map75"], ap)
    # F1 by confidence: .9 -> 2/5, .8 -> 2/6, .7 -> 4/7
    assert scores.confidence == 0.7
    assert near(scores.metrics["precision"], 2 / 3) and near(scores.metrics["recall"], 1 / 2)
    assert near(scores.metrics["f1"], 4 / 7) and near(scores.groups["button"]["f1"], 4 / 7)
    assert scores.groups["link"] == {"n": 0} and "link" not in scores.curves


def check_how_well_a_box_fits() -> None:
    """IoU .651: right at .50, .55, .60 and .65 of COCO's ten thresholds; the next pixel would be right at .70."""
    (truth,) = row(1)
    scores = detection.evaluate([screen(truth)], [found((Box(0, 0, 0, 10, 6.51), 0.5))], CLASSES)
    assert near(scores.metrics["map50"], 1) and scores.metrics["map75"] == 0 and near(scores.metrics["map"], 0.4)
    assert near(scores.metrics["f1"], 1)


def check_the_confidence_is_one_for_all_classes() -> None:
    """Buttons are best from .9 on, links from .2 on; the mean is highest at .2: (2·4/(4+6) + 1)/2 against (1 + 0)/2."""
    buttons, links = row(4), row(2, 1)
    wrong = [(Box(0, 500 + 20 * i, 500, 510 + 20 * i, 510), 0.5) for i in range(2)]
    all_found = found(*((box, 0.9) for box in buttons), *wrong, *((box, 0.2) for box in links))
    scores = detection.evaluate([screen(*buttons, *links)], [all_found], CLASSES)
    assert scores.confidence == 0.2
    assert near(scores.groups["button"]["precision"], 4 / 6) and near(scores.groups["button"]["recall"], 1)
    assert near(scores.groups["button"]["map50"], 1)  # the wrong ones come later than all right ones
    assert near(scores.metrics["precision"], 5 / 6) and near(scores.metrics["f1"], 2 * 5 / 6 / (5 / 6 + 1))


def check_of_two_best_confidences_the_higher_is_taken() -> None:
    """Right, wrong, wrong, right of 2 buttons: F1 is 2/3 at .9 and again at .6."""
    truth, wrong = row(2), (Box(0, 500, 500, 510, 510), Box(0, 600, 500, 610, 510))
    some = found((truth[0], 0.9), (wrong[0], 0.8), (wrong[1], 0.7), (truth[1], 0.6))
    scores = detection.evaluate([screen(*truth)], [some], CLASSES)
    assert scores.confidence == 0.9 and scores.metrics["precision"] == 1 and near(scores.metrics["f1"], 2 / 3)


def check_a_box_is_found_once() -> None:
    (truth,) = row(1)
    scores = detection.evaluate([screen(truth)], [found((truth, 0.9), (truth, 0.9))], CLASSES)
    assert near(scores.metrics["precision"], 1 / 2) and near(scores.metrics["recall"], 1)


def check_what_is_missing() -> None:
    truth = [screen(*row(2)), screen()]
    nothing = detection.evaluate(truth, [[], []], CLASSES)
    assert all(nothing.metrics[name] == 0 for name in ALL) and nothing.groups["link"] == {"n": 0}
    assert "link" in detection.summary(nothing, {"confidence": 0.5, **detection.count([])})
    # Boxes on a picture without any are wrong ones; those of a class that is nowhere count in no mean.
    right = [Found(box, 0.5) for box in truth[0].boxes]
    stray = found((Box(0, 0, 0, 10, 10), 0.9), (Box(1, 0, 0, 10, 10), 0.9))
    scores = detection.evaluate(truth, [right, stray], CLASSES)
    assert near(scores.metrics["precision"], 2 / 3) and near(scores.metrics["recall"], 1)
    assert near(scores.metrics["map50"], 2 / 3)
    error = refused(lambda: detection.evaluate([screen(), screen()], [[], stray], CLASSES))
    assert isinstance(error, DataError) and "2 pictures" in error.message


def check_more_boxes_than_cocos_hundred() -> None:
    truth = tuple(Box(0, 6 * (i % 150), 10 * (i // 150), 6 * (i % 150) + 5, 10 * (i // 150) + 5) for i in range(200))
    every = [Found(box, 0.5) for box in truth]
    assert near(detection.evaluate([screen(*truth)], [every], CLASSES).metrics["recall"], 1)
    assert near(detection.evaluate([screen(*truth)], [every], CLASSES, max_detections=100).metrics["recall"], 1 / 2)


def noisy() -> tuple[tuple[Picture, ...], list[list[Found]], tuple[str, ...]]:
    """The shipped screens, with boxes moved, of the wrong class, missed and invented."""
    draw = random.Random(0)
    data = boxes.read(samples.folder("ui-screens"))
    screens = data.splits["test"]

    def moved(box: Box) -> Box:
        width, height = box.x1 - box.x0, box.y1 - box.y0
        sides = ((box.x0, width), (box.y0, height), (box.x1, width), (box.y1, height))
        label = box.label if draw.random() < 0.9 else draw.randrange(len(data.classes))
        return Box(label, *(at + draw.gauss(0, 0.06) * side for at, side in sides))

    all_found = [
        [Found(moved(box), min(1.0, abs(draw.gauss(0.6, 0.25)))) for box in one.boxes * 2 if draw.random() < 0.6]
        for one in screens
    ]
    return screens, all_found, data.classes


def check_the_numbers_are_pycocotools_own() -> None:
    screens, all_found, classes = noisy()
    scores = detection.evaluate(screens, all_found, classes, max_detections=100)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        truth, results = Path(folder, "truth.json"), Path(folder, "results.json")
        detection.write_truth(classes, screens, truth)
        detection.write_coco(all_found, results)
        known = COCO(str(truth))
        theirs = COCOeval(known, known.loadRes(str(results)), "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
        for name, value in zip(("map", "map50", "map75"), theirs.stats[:3], strict=True):
            assert 0.2 < value < 0.95, (name, value)
            assert near(scores.metrics[name], value, 1e-12), (name, value)
        for number, name in enumerate(classes, 1):
            theirs.params.catIds = [number]
            theirs.evaluate()
            theirs.accumulate()
            theirs.summarize()
            assert near(scores.groups[name]["map"], theirs.stats[0], 1e-12), name


def check_the_rates_by_counting() -> None:
    """At the confidence it names, against plain counting with the matching of the pictures."""
    from cvl.kit.drawing import compare

    screens, all_found, classes = noisy()
    scores = detection.evaluate(screens, all_found, classes)
    certain = [[one for one in found if round(one.score, 5) >= (scores.confidence or 0)] for found in all_found]
    compared = [compare(one.boxes, found) for one, found in zip(screens, certain, strict=True)]
    for i, name in enumerate(classes):
        right = sum(c.truth[t].label == i for c in compared for t, _ in c.matched)
        of_class = sum(one.box.label == i for found in certain for one in found)
        assert near(scores.groups[name]["precision"], right / of_class), name
        assert near(scores.groups[name]["recall"], right / scores.groups[name]["n"]), name


def check_nothing_is_printed_and_nothing_changed() -> None:
    screens, all_found, classes = noisy()
    before = repr(all_found)
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        first = detection.evaluate(screens, all_found, classes)
        again = detection.evaluate(screens, all_found, classes)
    assert (out.getvalue(), err.getvalue()) == ("", "") and first == again and repr(all_found) == before
    assert json.loads(json.dumps(first.as_json("test")))["metrics"] == first.metrics


def check_boxes_of_an_untrained_model() -> None:
    """Of negative size, outside the picture, all equally certain."""
    strange = found((Box(0, 40, 40, 30, 20), 1.0), (Box(0, -50, -5, -40, 5), 1.0), (Box(1, 5, 5, 5, 5), 1.0))
    scores = detection.evaluate([screen(*row(2))], [strange], CLASSES)
    assert all(scores.metrics[name] == 0 for name in ALL)


def refused(call: Callable[[], object]) -> CvlError | None:
    try:
        call()
    except CvlError as error:
        return error
    return None


def check_a_guess_that_copies_screens() -> None:
    """It is right where all screens are the same, and worth next to nothing on real ones."""
    same = tuple(screen(*row(3), *row(2, 1)) for _ in range(4))
    data = boxes.BoxDataset(CLASSES, {"train": same, "val": same})
    assert near(detection.baseline(data)["baseline/map50"], 1)
    real = boxes.read(samples.folder("ui-screens"))
    guessed = detection.baseline(real)["baseline/map50"]
    assert 0 < guessed < 0.02 and guessed == detection.baseline(real)["baseline/map50"], guessed
