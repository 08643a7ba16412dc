"""Ruff, mypy, shellcheck, and the files that other programs read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]


def check(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def program(name: str) -> str:
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def shell_scripts() -> list[Path]:
    places = ("bin/*", ".ci/*", "examples/*/*.sh")
    files = [path for place in places for path in REPOSITORY.glob(place) if path.is_file()]
    found = [path for path in files if path.suffix in ("", ".sh")]
    assert len(found) >= 4
    return found


def test_ruff() -> None:
    check(sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise")


def test_format() -> None:
    check(sys.executable, "-m", "ruff", "format", "--no-cache", "--check")


def test_types(tmp_path: Path) -> None:
    check(sys.executable, "-m", "mypy", "--no-error-summary", f"--cache-dir={tmp_path}")


def test_shell_scripts() -> None:
    check(program("shellcheck"), "--external-sources", *shell_scripts())


def test_workflows_fit_the_published_schema() -> None:
    files = sorted(REPOSITORY.glob(".github/workflows/*.yml"))
    assert len(files) == 3
    check(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *files)


def test_actions_are_pinned_by_commit() -> None:
    used = [
        step["uses"]
        for path in REPOSITORY.glob(".github/workflows/*.yml")
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        for step in job["steps"]
        if "uses" in step
    ]
    assert used
    assert not [name for name in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name)]


def test_hooks_run_from_the_repository_alone() -> None:
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [source["repo"] for source in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert {"id", "name", "entry", "language"} <= set(hook)
        programs = re.findall(r"bin/\w+", hook["entry"])
        assert programs and all((REPOSITORY / name).is_file() for name in programs)
