"""The metrics: exact answers by hand, brute force beside the histograms, and what holds whatever is predicted."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
from matching import highest_near, near
from metrics import STEPS, Scores
from skimage.morphology import skeletonize

from cvl.errors import CvlError, MetricsError


def random_pictures(n: int = 4, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Probabilities that know something of a mask of wandering lines."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(n):
        truth = np.zeros((40, 60), dtype=bool)
        rows = np.clip(20 + rng.integers(-1, 2, 60).cumsum(), 1, 38)
        truth[rows, np.arange(60)] = truth[rows + 1, np.arange(60)] = True
        noise = rng.normal(size=truth.shape) * 1.5
        pictures.append(((1 / (1 + np.exp(2 - 3 * truth - noise))).astype(np.float32), truth))
    return pictures


def scored(pictures: list[tuple[np.ndarray, np.ndarray]], **options: object) -> Scores:
    scores = Scores(**options)
    for probability, truth in pictures:
        scores.add(probability, truth)
    return scores


def mask(*rows: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


def close(found: dict[str, float], expected: dict[str, float]) -> None:
    for name, value in expected.items():
        assert math.isclose(found[name], value, abs_tol=1e-12), (name, found[name], value)


def raises(kind: type[Exception], call: Callable[[], object]) -> str:
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError("nothing was refused")


def ratio(part: float, whole: float, perfect: bool) -> float:
    return part / whole if whole else float(perfect)


def brute(probability: np.ndarray, truth: np.ndarray, threshold: float) -> np.ndarray:
    """found, wrong, missed, background, right within 2 px, found within 2 px: pixel by pixel."""
    predicted = probability >= np.float32(threshold)

    def within(points: np.ndarray, others: np.ndarray) -> int:
        if not others.any():
            return 0
        apart = np.argwhere(points)[:, None] - np.argwhere(others)[None]
        return int(((apart**2).sum(-1) <= 4).any(1).sum())

    pairs = [(1, 1), (1, 0), (0, 1), (0, 0)]
    cells = [int(((predicted == p) & (truth == t)).sum()) for p, t in pairs]
    return np.array([*cells, within(predicted, truth), within(truth, predicted)])


def from_brute(counts: np.ndarray) -> dict[str, float]:
    found, wrong, missed, background, right, near_found = counts.tolist()
    nothing = found + wrong + missed == 0
    iou = ratio(found, found + wrong + missed, nothing)
    p, r = ratio(right, found + wrong, nothing), ratio(near_found, found + missed, nothing)
    return {
        "iou": iou,
        "miou": (iou + ratio(background, background + wrong + missed, True)) / 2,
        "dice": ratio(2 * found, 2 * found + wrong + missed, nothing),
        "pixel_accuracy": (found + background) / (found + wrong + missed + background),
        "precision": ratio(found, found + wrong, nothing),
        "recall": ratio(found, found + missed, nothing),
        "precision_2px": p,
        "recall_2px": r,
        "f1_2px": 2 * p * r / (p + r) if p + r else 0.0,
    }


def check_a_hand_made_case() -> None:
    truth = mask("##..", "....")
    probability = np.array([[0.9, 0.2, 0.6, 0.1], [0.0, 0.5, 0.4, 0.3]])
    scores = scored([(probability, truth)])
    assert scores.confusion(0.5) == [[4, 2], [1, 1]]
    close(
        scores.at(0.5),
        {
            "iou": 1 / 4, "miou": (1 / 4 + 4 / 7) / 2, "dice": 2 / 5, "pixel_accuracy": 5 / 8, "precision": 1 / 3,
            "recall": 1 / 2, "precision_2px": 1.0, "recall_2px": 1.0, "f1_2px": 1.0, "iou_per_image": 1 / 4,
        },
    )  # fmt: skip
    close(scores.at(0.0), {"recall": 1.0, "precision": 1 / 4})
    close(scores.at(0.2), {"recall": 1.0, "precision": 2 / 6})
    close(scores.at(0.9), {"recall": 1 / 2, "precision": 1.0})
    close(scores.at(1.0), {"recall": 0.0, "precision": 0.0, "dice": 0.0})
    # By falling probability: right, wrong, wrong, wrong, wrong, right.
    assert math.isclose(scores.average_precision(), 1 / 2 * 1 + 1 / 2 * 2 / 6)


def check_the_tolerance_is_euclidean_between_centres() -> None:
    truth = np.zeros((11, 11), dtype=bool)
    truth[5, 5] = True
    for offset, right in {(0, 2): 1, (2, 0): 1, (1, 1): 1, (1, 2): 0, (2, 2): 0, (0, 3): 0}.items():
        predicted = np.zeros((11, 11), dtype=np.float32)
        predicted[5 + offset[0], 5 - offset[1]] = 1
        found = scored([(predicted, truth)]).at(0.5)
        close(found, {"precision_2px": right, "recall_2px": right, "f1_2px": right, "iou": 0})
    wide = scored([(predicted, truth)], tolerance=3.0).at(0.5)
    close(wide, {"f1_3px": 1.0})
    assert "f1_2px" not in wide


def check_a_wide_prediction_is_precise_only_near_the_crack() -> None:
    truth = np.zeros((21, 30), dtype=bool)
    truth[10] = True
    predicted = np.zeros((21, 30), dtype=np.float32)
    predicted[6:15] = 1
    close(scored([(predicted, truth)]).at(0.5), {"precision": 1 / 9, "precision_2px": 5 / 9, "recall_2px": 1.0})


def check_centre_lines() -> None:
    """A crack three wide and twenty long, found in its left half, one pixel thick, off its centre."""
    truth = np.zeros((9, 20), dtype=bool)
    truth[3:6] = True
    predicted = np.zeros((9, 20), dtype=np.float32)
    predicted[5, :10] = 1
    line = skeletonize(truth)
    assert scored([(predicted, truth)]).at(0.5)["cldice"] == 0.0  # all of the line is in the crack, none of the crack's
    predicted[4, :10] = 1
    covered = (line & (predicted > 0)).sum() / line.sum()
    close(scored([(predicted, truth)]).at(0.5), {"cldice": 2 * covered / (1 + covered)})
    assert 0.4 < covered < 0.6


def check_counts_are_those_of_brute_force_at_every_threshold() -> None:
    pictures = [
        *random_pictures(3),
        (np.zeros((7, 9)), np.zeros((7, 9), bool)),
        (np.ones((5, 4)), np.zeros((5, 4), bool)),
    ]
    scores = scored(pictures)
    for threshold in (0.0, 0.001, 0.2, 0.5, 0.733, 0.999, 1.0):
        counts = [brute(probability, truth, threshold) for probability, truth in pictures]
        whole = from_brute(sum(counts))
        each = [from_brute(count) for count in counts]
        means = {f"{name}_per_image": float(np.mean([one[name] for one in each])) for name in whole}
        close(scores.at(threshold), whole | means)
        found, wrong, missed, background = (int(value) for value in sum(counts)[:4])
        assert scores.confusion(threshold) == [[background, wrong], [missed, found]]


def check_average_precision_is_that_of_sorted_pixels() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random((40, 40)) < 0.1
    probability = np.round(np.clip(rng.normal(0.3 + 0.3 * truth, 0.2), 0, 1) * STEPS) / STEPS
    order = np.argsort(-probability.ravel(), kind="stable")
    values, hits = probability.ravel()[order], truth.ravel()[order].cumsum()
    last = np.append(np.diff(values) != 0, True)  # equal probabilities come together
    precision, recall = (hits / np.arange(1, hits.size + 1))[last], (hits / hits[-1])[last]
    expected = (np.diff(recall, prepend=0) * precision).sum()
    assert math.isclose(scored([(probability, truth)]).average_precision(), expected, rel_tol=1e-12)


def check_the_share_of_a_disc_is_that_of_distances() -> None:
    probability, truth = random_pictures(1)[0]
    for tolerance in (0.0, 1.0, 2.0, 2.9, 5.0):
        apart = np.argwhere(np.ones_like(truth))[:, None] - np.argwhere(truth)[None]
        distance = np.sqrt((apart**2).sum(-1).min(1)).reshape(truth.shape)
        assert (near(truth, tolerance) == (distance <= tolerance)).all()
        assert (highest_near(truth.astype(float), tolerance) == near(truth, tolerance)).all()
    assert (highest_near(probability, 0.0) == probability).all()


def check_what_predicts_all_or_nothing_looks_bad() -> None:
    truth = np.zeros((50, 50), dtype=bool)
    truth[:, 7] = True
    close(scored([(np.zeros((50, 50)), truth)]).at(0.5), {"iou": 0, "dice": 0, "pixel_accuracy": 0.98, "f1_2px": 0})
    close(scored([(np.ones((50, 50)), truth)]).at(0.5), {"iou": 0.02, "recall": 1, "pixel_accuracy": 0.02})


def check_pictures_without_a_crack() -> None:
    """All scores are 1 where nothing is predicted, 0 where something is; over such a split alone there is no score."""
    clear, alarm = (np.zeros((6, 6)), np.zeros((6, 6), bool)), (np.eye(6), np.zeros((6, 6), bool))
    cracked = (np.eye(6), np.eye(6, dtype=bool))
    names = ("iou", "dice", "precision", "recall", "f1_2px", "cldice")
    for pictures, mean in (([clear, cracked], 1.0), ([alarm, cracked], 0.5)):
        scores = scored(pictures)
        close(scores.at(0.5), {f"{name}_per_image": mean for name in names})
        assert (scores.images, scores.images_without_crack) == (2, 1)
    close(scored([alarm, cracked]).at(0.5), {"precision": 0.5, "recall": 1.0})
    empty = scored([clear, alarm])
    assert all(math.isnan(empty.at(0.5)[name]) for name in names)
    assert math.isnan(empty.average_precision())
    assert raises(MetricsError, empty.best_threshold).startswith("no threshold can be chosen on a split")


def check_a_crack_nobody_predicts_near_a_clear_picture() -> None:
    close(
        scored([(np.zeros((6, 6)), np.eye(6, dtype=bool))]).at(0.5), {"cldice": 0, "cldice_per_image": 0, "f1_2px": 0}
    )


def check_perfect_predictions_score_one() -> None:
    found = scored([(truth.astype(float), truth) for _, truth in random_pictures()]).at(0.5)
    assert set(found.values()) == {1.0}, found
    assert len(found) == 20


def check_best_threshold() -> None:
    truth = np.arange(20) < 5
    probability = np.where(truth, 0.8, 0.3) * np.ones((4, 1))
    scores = scored([(probability, np.tile(truth, (4, 1)))])
    assert scores.best_threshold() == 0.5  # all from 0.35 to 0.8 are perfect
    probability = np.where(truth, 0.3, 0.1) * np.ones((4, 1))
    assert scored([(probability, np.tile(truth, (4, 1)))]).best_threshold() == 0.3
    for metric in ("iou", "f1_2px", "cldice", "dice_per_image"):
        scores = scored(random_pictures())
        best = scores.at(scores.best_threshold(metric))[metric]
        assert best == max(scores.at(threshold)[metric] for threshold in scores.thresholds)


def check_order_and_processes_do_not_matter() -> None:
    pictures = random_pictures(6)
    whole, first, second = scored(pictures), scored(pictures[3:]), scored(pictures[:3])
    first.merge(second)
    close(first.at(0.35), whole.at(0.35))
    assert first.images == whole.images == 6
    untouched = Scores()
    untouched.merge(whole)
    assert untouched.at(0.5) == whole.at(0.5)


def check_what_always_holds() -> None:
    for seed in range(10):
        scores = scored(random_pictures(2, seed))
        curve = scores.curve()
        assert all(a >= b for a, b in zip(curve["recall"], curve["recall"][1:]))  # noqa: B905
        assert all(a >= b for a, b in zip(curve["recall_2px"], curve["recall_2px"][1:]))  # noqa: B905
        for threshold in (0.1, 0.5, 0.9):
            found = scores.at(threshold)
            assert all(0 <= value <= 1 for value in found.values())
            assert found["precision"] <= found["precision_2px"] and found["recall"] <= found["recall_2px"]
            assert math.isclose(found["dice"], 2 * found["iou"] / (1 + found["iou"]))
        assert len(curve["threshold"]) == 101 and curve["threshold"][35] == 0.35
        assert curve["dice"][50] == scores.at(0.5)["dice"]


def check_float32_on_a_threshold_is_predicted() -> None:
    for step in range(0, STEPS + 1, 50):
        probability = np.full((2, 2), step / STEPS, dtype=np.float32)
        assert scored([(probability, np.ones((2, 2), bool))]).at(step / STEPS)["recall"] == 1.0, step


def check_memory_does_not_grow_with_the_split() -> None:
    scores = scored(random_pictures(2))
    pictures = random_pictures(20)
    tracemalloc.start()
    for probability, truth in pictures:
        scores.add(probability, truth)
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 200_000 and peak < 5_000_000, (left, peak)


def check_centre_lines_are_left_out_where_nobody_asks() -> None:
    found = scored(random_pictures(1), cldice=False).at(0.5)
    assert "cldice" not in found and "iou" in found
    assert "cldice" not in scored(random_pictures(1)).at(0.123)


def check_what_is_refused() -> None:
    assert "differ in size" in raises(ValueError, lambda: Scores().add(np.zeros((2, 2)), np.zeros((2, 3), bool)))
    for bad in (np.nan, 1.5, -0.1):
        message = raises(MetricsError, lambda: Scores().add(np.full((2, 2), bad), np.ones((2, 2), bool)))  # noqa: B023
        assert message.startswith("the model predicts probabilities from ")
    assert raises(CvlError, lambda: Scores().at(0.5)).startswith("no picture was scored")
