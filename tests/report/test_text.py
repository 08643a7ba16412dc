"""The verdict at a terminal: complete at 60 columns, never wider than 100, readable without colour."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from cvl.judge import Judgement
from cvl.report import text
from cvl.rules import Status, Verdict, Where, outcome

LOG = "metrics.jsonl"
VERDICTS = (
    Verdict("finite", Status.PASS, "train_loss", "finite", "120 values", Where(LOG)),
    Verdict(
        "trend", Status.FAIL, "train_loss", "last / first ≤ 0.8", "1.01 (2.3 → 2.32)", Where(LOG, 120, 12),
        hint="learning rate 0",
    ),
    Verdict("range", Status.NOT_COMPARABLE, "map50", "best 0.6 … 1", "0.2", Where(LOG, 3), "LR is 1, not 2"),
    Verdict("plateau", Status.WARN, "map50", "gain", "0", Where(LOG, 3), hint="train longer", severity="warn"),
    Verdict("init", Status.NOT_RUN, "train_loss", "0.69", reason="for WEIGHTS=none, this run has coco"),
)  # fmt: skip
SHOWN = Judgement(
    Path("run"), VERDICTS, outcome(VERDICTS), "decent detection: mAP@50:95 30.0", ("both stand still",), ("f: torn",)
)


def words(shown: str) -> str:
    return " ".join(shown.split())


def test_everything_is_there_in_order() -> None:
    shown = text.render(SHOWN, width=100, colour=False)
    lines = shown.splitlines()
    assert [line[0] for line in lines[1:6]] == ["✓", "✗", "–", "!", "–"]
    assert "last / first ≤ 0.8  1.01 (2.3 → 2.32)" in shown
    assert "✗ trend train_loss\n  hint: learning rate 0\n" in shown
    assert "– range map50: LR is 1, not 2\n" in shown
    assert "– init train_loss: for WEIGHTS=none, this run has coco\n" in shown
    assert lines[-3:] == [
        "rating: decent detection: mAP@50:95 30.0",
        "        both stand still",
        "verdict: FAIL (1 of 5 rules, 1 warn, 1 not run, 1 not comparable)",
    ]
    assert "note: f: torn" in shown


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 300])
def test_no_line_is_too_wide_and_nothing_is_cut_off(width: int) -> None:
    shown = text.render(SHOWN, width=width, colour=False)
    assert max(map(cell_len, shown.splitlines())) <= min(width, 100)
    assert shown.count("…") == 1  # that of 0.6 … 1


def test_colour_adds_nothing_but_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain, coloured = (text.render(SHOWN, width=80, colour=colour) for colour in (False, True))
    assert "\x1b[" in coloured and "\x1b" not in plain
    assert words(re.sub(r"\x1b\[[0-9;]*m", "", coloured)) == words(plain)


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", text.render(SHOWN))
    monkeypatch.delenv("NO_COLOR")
    assert re.search(r"\x1b\[[0-9;]*3[0-9]", text.render(SHOWN))


def test_text_of_a_log_is_no_markup_and_no_escape_sequence() -> None:
    verdict = Verdict("finite", Status.FAIL, "[red]x[/red]", "a\nb", "\x1b[31m", Where("[/]"), ":smile:", "[link=x]")
    shown = text.render(Judgement(Path("run"), (verdict,), outcome([verdict]), "[bold]"), width=100, colour=False)
    assert "\x1b" not in shown
    for foreign in ("[red]x[/red]", "[/]", ":smile:", "[link=x]", "[bold]"):
        assert foreign in shown


def test_a_terminal_without_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    class Narrow:
        encoding = "ascii"

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stdout", Narrow())
    shown = text.render(SHOWN, width=100)
    assert shown.isascii()
    assert "x trend train_loss" in shown and "<= 0.8" in shown


def test_nothing_to_show() -> None:
    shown = text.render(Judgement(Path("run"), (), outcome([])), width=80, colour=False)
    assert shown == "verdict: NOT JUDGED (no rule applies)"
