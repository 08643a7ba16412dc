"""All verdicts of a run in one word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cvl.rules.model import Status, Verdict


@dataclass(frozen=True)
class Outcome:
    """`word` is pass, fail or not judged; `ok` is False where the exit code is 3."""

    word: str
    detail: str
    ok: bool
    health_only: bool = False

    def __str__(self) -> str:
        return f"{self.word.upper()}{', health only' if self.health_only else ''} ({self.detail})"


def outcome(verdicts: Iterable[Verdict], *, strict: bool = False) -> Outcome:
    """Fails with any failed rule of severity error; `strict` also where a bound could not be compared."""
    count = Counter(verdict.status for verdict in verdicts)
    total, failures, apart = count.total(), count[Status.FAIL], count[Status.NOT_COMPARABLE]
    notes = [
        f"{count[status]} {status.value.replace('_', ' ')}"
        for status in (Status.WARN, Status.NOT_RUN, Status.NOT_COMPARABLE)
        if count[status]
    ]
    ok = not failures and not (strict and apart)
    if failures:
        return Outcome("fail", ", ".join([f"{failures} of {total} rules", *notes]), ok)
    if not count[Status.PASS] + count[Status.WARN]:
        return Outcome("not judged", ", ".join(notes) or "no rule applies", ok)
    return Outcome("pass", ", ".join([f"{count[Status.PASS]} of {total} rules", *notes]), ok, health_only=apart > 0)
