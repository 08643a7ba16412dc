"""The command line as a whole: every error in one form, whoever found it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def cvl(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cvl", *words]
    return subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("words", "message", "usage"),
    [
        (["rns"], "there is no command 'rns', did you mean runs?", "cvl"),
        (["runs", "show"], "missing argument 'RUN'", "cvl runs show"),
        (["check", "a", "b"], "got unexpected extra argument (b)", "cvl check"),
        (["check", "--tsk", "x"], "no such option '--tsk', did you mean --task?", "cvl check"),
        (
            ["run", "x", "y", "--timeout", "soon"],
            "invalid value for '--timeout': 'soon' is not a valid float",
            "cvl run",
        ),
        (["check", "--task"], "option '--task' requires an argument", "cvl"),
    ],
)
def test_what_click_finds_looks_like_what_cvl_finds(words: list[str], message: str, usage: str) -> None:
    done = cvl(*words)
    assert (done.returncode, done.stdout) == (2, "")
    text = done.stderr.replace("option: --tsk", "option '--tsk'")  # click before 8.2
    first, hint = text.splitlines()
    assert first.startswith(f"error: {message}")
    assert hint == f"hint: `{usage} --help` shows the usage"


@pytest.mark.parametrize("words", [[], ["runs"]])
def test_no_words_are_answered_by_the_help_page(words: list[str]) -> None:
    done = cvl(*words)
    assert (done.stdout + done.stderr).startswith("Usage: cvl") and "error:" not in done.stderr
