"""Which screenshots are kept, and for which split: whole sites for test, whole pages for val."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence

from browser import Shot
from websites import Page

from cvl.errors import DataError

SPLITS = ("train", "val", "test")
TRIALS = 400


def test_pages(pages: Sequence[Page], sites: Collection[str]) -> set[Page]:
    """The pages of the named sites; DataError where a name is no site."""
    unknown = set(sites) - {page.site.name for page in pages}
    if unknown:
        known = ", ".join(sorted({page.site.name for page in pages}))
        raise DataError(f"TEST_SITES names {', '.join(sorted(unknown))}", hint=f"the sites here are {known}")
    return {page for page in pages if page.site.name in sites}


def divide(shots: Sequence[Shot], tests: set[Page], val_share: float, seed: int) -> dict[Page, str]:
    """The split of each page. Of many random choices of val pages, the one that shares out the classes most evenly."""
    contents: dict[Page, Counter[str]] = {}
    for shot in shots:
        counts = contents.setdefault(shot.page, Counter())
        counts.update(box[0] for box in shot.boxes)
        counts["site " + shot.page.site.name] += 1
    rest = sorted((page for page in contents if page not in tests), key=lambda page: page.slug)
    size = max(1, round(val_share * len(rest))) if val_share and len(rest) > 1 else 0
    total = sum((contents[page] for page in rest), Counter())
    order = random.Random(seed)
    trials = [order.sample(rest, size) for _ in range(TRIALS)]
    val = min(trials, key=lambda pages: _unevenness(sum((contents[p] for p in pages), Counter()), total, val_share))
    return {page: "test" if page in tests else "val" if page in val else "train" for page in contents}


def _unevenness(part: Counter[str], total: Counter[str], share: float) -> float:
    """How far each class and site is from its share; worse where one side has none of it."""
    return sum(
        abs(part[name] / total[name] - share) + (not part[name]) + 2 * (part[name] == total[name]) for name in total
    )


def choose(shots: Sequence[Shot], splits: dict[Page, str], limits: dict[str, int], seed: int) -> dict[str, list[Shot]]:
    """At most `limits` shots a split (0: all), rare classes and pages not yet shown first; sorted by name."""
    chosen: dict[str, list[Shot]] = {}
    for split in SPLITS:
        pool = sorted((s for s in shots if splits[s.page] == split), key=lambda s: s.name)
        random.Random(seed).shuffle(pool)
        if limits[split] and len(pool) > limits[split]:
            pool = _rarest_first(pool, limits[split])
        if pool:
            chosen[split] = sorted(pool, key=lambda s: s.name)
    return chosen


def _rarest_first(pool: list[Shot], most: int) -> list[Shot]:
    """Greedy: the shot whose boxes are worth most, a box being worth less the more of its class are in already."""
    have: Counter[str] = Counter()
    pages: Counter[Page] = Counter()
    counts = {shot: Counter(box[0] for box in shot.boxes) for shot in pool}
    picked: list[Shot] = []
    for _ in range(most):
        best = max(
            (shot for shot in pool if shot not in picked),
            key=lambda s: sum(min(n, 6) / (5 + have[c]) for c, n in counts[s].items()) / (1 + pages[s.page]),
        )
        picked.append(best)
        have.update(counts[best])
        pages[best.page] += 1
    return picked
