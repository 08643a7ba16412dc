"""The static checks: a whole example passes them all, and each break is found by one check, in its file and line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cvl.health import checks as health
from cvl.health.checks import Finding
from tests.examples_factory import DOCKERFILE, MANIFEST, REQUIREMENTS, TRAIN, make_example, write_generated

Break = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The second of three whole examples."""
    for name in ("toy-a", "toy-b", "toy-c"):
        make_example(tmp_path / "examples", name)
    return tmp_path / "examples" / "toy-b"


def findings(folder: Path) -> list[Finding]:
    (report,) = health.check([folder])
    return list(report.findings)


def found(folder: Path) -> list[tuple[str, str, int, str]]:
    """(check, file, line, message) of everything that does not hold."""
    return [
        (f.check, str(f.file.relative_to(folder)), f.line, f.message)
        for f in findings(folder)
        if not f.ok and f.severity == "error"
    ]


def replaced(file: str, old: str, new: str) -> Break:
    def change(folder: Path) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def in_step(change: Break) -> Break:
    """A change after which the generated files are written again."""

    def both(folder: Path) -> None:
        change(folder)
        write_generated(folder)

    return both


def written(file: str, content: bytes) -> Break:
    def change(folder: Path) -> None:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)

    return change


def removed(file: str) -> Break:
    return lambda folder: (folder / file).unlink()


def chmod(file: str) -> Break:
    return lambda folder: (folder / file).chmod(0o644)


def leaving_link(folder: Path) -> None:
    (folder / "elsewhere.py").symlink_to(folder.parent / "toy-a" / "train.py")


def both(*changes: Break) -> Break:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


PRESET = "  smoke: {command: [python, train.py]"
BREAKS: dict[str, tuple[Break, str, str, int, str]] = {
    "no Dockerfile": (removed("Dockerfile"), "files", "Dockerfile", 0, "Dockerfile is missing"),
    "no build.sh": (removed("build.sh"), "files", "build.sh", 0, "build.sh is missing"),
    "no train.sh": (removed("train.sh"), "files", "train.sh", 0, "train.sh is missing"),
    "no requirements": (removed("requirements.txt"), "files", "requirements.txt", 0, "requirements.txt is missing"),
    "no README": (removed("README.md"), "files", "README.md", 0, "README.md is missing"),
    "no setup script": (
        in_step(replaced("example.yaml", "environment: {", "environment: {setup: make.sh, ")),
        "files", "make.sh", 0, "make.sh is missing",
    ),
    "build.sh not executable": (chmod("build.sh"), "executable", "build.sh", 0, "build.sh is not executable"),
    "train.sh edited": (
        replaced("train.sh", "#!/usr/bin/env bash\n", "#!/usr/bin/env bash\necho mine\n"),
        "scripts", "train.sh", 2, "differs from the manifest",
    ),
    "build.sh cut short": (written("build.sh", b"#!/usr/bin/env bash\n"), "scripts", "build.sh", 2, "differs"),
    "command without its file": (
        replaced("example.yaml", PRESET, PRESET.replace("train.py", "smoke.py")),
        "presets", "example.yaml", 10, "smoke names smoke.py, which does not exist",
    ),
    "script without its file": (
        replaced("example.yaml", "script: build.sh", "script: make.sh"),
        "presets", "example.yaml", 8, "build names make.sh",
    ),
    "command leaves the folder": (
        replaced("example.yaml", PRESET, PRESET.replace("train.py", "../toy-a/train.py")),
        "presets", "example.yaml", 10, "leaves the example's folder: ../toy-a/train.py",
    ),
    "absolute command": (
        replaced("example.yaml", PRESET, PRESET.replace("train.py", "/etc/profile.sh")),
        "presets", "example.yaml", 10, "leaves the example's folder",
    ),
    "link that leaves the folder": (
        both(leaving_link, replaced("example.yaml", PRESET, PRESET.replace("train.py", "elsewhere.py"))),
        "presets", "example.yaml", 10, "leaves the example's folder: elsewhere.py",
    ),
    "script outside": (
        replaced("example.yaml", "script: build.sh", "script: ../build.sh"),
        "manifest", "example.yaml", 8, "$.presets.build.script: '../build.sh' is not a path inside",
    ),
    "base without a tag": (
        in_step(replaced("Dockerfile", "WORKDIR", "FROM debian AS other\nWORKDIR")),
        "dockerfile", "Dockerfile", 9, "the base image debian is not pinned",
    ),
    "no BASE_IMAGE": (
        in_step(both(replaced("Dockerfile", "ARG BASE_IMAGE=python:3.11-slim\n", ""),
                     replaced("Dockerfile", "${BASE_IMAGE}", "python:3.11-slim"))),
        "dockerfile", "Dockerfile", 1, "has no `ARG BASE_IMAGE=…`",
    ),
    "ARG that refers to none": (
        in_step(replaced("Dockerfile", "WORKDIR", "ARG EXTRA=${TARGETARCH}-$BASE_IMAGE\nWORKDIR")),
        "dockerfile", "Dockerfile", 9, "ARG EXTRA refers to TARGETARCH, which is no ARG above it",
    ),
    "USER root": (
        in_step(replaced("Dockerfile", "WORKDIR", "USER root\nWORKDIR")),
        "dockerfile", "Dockerfile", 9, "ends as USER root",
    ),
    "code copied": (
        in_step(replaced("Dockerfile", "WORKDIR /workspace", "WORKDIR /workspace\nCOPY . .")),
        "dockerfile", "Dockerfile", 10, "copies .; the image holds the environment only",
    ),
    "/root stays closed": (
        in_step(replaced("Dockerfile", "chmod 755 /root && ", "")),
        "dockerfile", "Dockerfile", 7, "lacks `chmod 755 /root`",
    ),
    "/root/.cache stays closed": (
        in_step(replaced("Dockerfile", " && chmod 1777 /root/.cache", "")),
        "dockerfile", "Dockerfile", 7, "lacks `chmod 1777 /root/.cache`",
    ),
    "pip after /root was opened": (
        in_step(replaced("Dockerfile", "WORKDIR", "RUN pip install wheel==0.44.0 && chmod 755 /root\nWORKDIR")),
        "dockerfile", "Dockerfile", 7, "`chmod 1777 /root/.cache` stands before the last packages",
    ),
    "another torch": (
        in_step(replaced("Dockerfile", "torch==2.6.0", "torch==2.5.1")),
        "layers", "Dockerfile", 4, "differ from toy-a/Dockerfile",
    ),
    "another base": (
        in_step(replaced("Dockerfile", "python:3.11-slim", "python:3.12-slim")),
        "layers", "Dockerfile", 2, "differ from toy-a/Dockerfile",
    ),
    "a package without version": (
        in_step(replaced("requirements.txt", "pillow==10.4.0", "scipy")),
        "pinned", "requirements.txt", 3, "scipy is not pinned exactly",
    ),
    "a lower bound": (
        in_step(replaced("requirements.txt", "pillow==10.4.0", "scipy>=1.0")),
        "pinned", "requirements.txt", 3, "scipy>=1.0 is not pinned exactly",
    ),
    "a wildcard": (
        in_step(replaced("requirements.txt", "pillow==10.4.0", "scipy==1.*")),
        "pinned", "requirements.txt", 3, "scipy==1.* is not pinned exactly",
    ),
    "another file of requirements": (
        in_step(replaced("requirements.txt", "pillow==10.4.0", "-r more.txt")),
        "pinned", "requirements.txt", 3, "-r more.txt is not pinned exactly",
    ),
    "another version than the siblings": (
        in_step(replaced("requirements.txt", "numpy==1.26.4", "NumPy == 1.26.3  # older")),
        "shared", "requirements.txt", 2, "numpy is 1.26.3, but 1.26.4 in toy-a",
    ),
    "a syntax error": (written("broken.py", b"x = 1\ndef f(:\n"), "python", "broken.py", 2, "invalid syntax"),
    "a null byte": (written("broken.py", b"x = '\0'\n"), "python", "broken.py", 1, "not Python"),
    "code that is not UTF-8": (written("broken.py", b"x = '\xe9'\n"), "python", "broken.py", 1, "not Python"),
    "code nested too deeply": (written("broken.py", b"(" * 100_000), "python", "broken.py", 1, "not Python"),
    "read and not declared": (
        replaced("train.py", "params.BATCH_SIZE", "params.BATCHSIZE + params.BATCH_SIZE"),
        "parameters", "train.py", 14, "BATCHSIZE is read and not declared, did you mean 'BATCH_SIZE'?",
    ),
    "read from the environment and not declared": (
        written("more.py", b'import os\n\nx = os.environ["WARMUP"]\n'),
        "parameters", "more.py", 3, "WARMUP is read and not declared",
    ),
    "asked of the environment and not declared": (
        written("more.py", b'import os\nx = os.environ.get("WARMUP", 1)\n'),
        "parameters", "more.py", 2, "WARMUP is read and not declared",
    ),
    "getenv and not declared": (
        written("more.py", b'from os import getenv\nx = getenv("WARMUP")\n'),
        "parameters", "more.py", 2, "WARMUP is read and not declared",
    ),
    "declared and never read": (
        replaced("train.py", " / params.BATCH_SIZE", ""),
        "parameters", "example.yaml", 19, "BATCH_SIZE is declared and never read",
    ),
    "the run folder never mentioned": (
        replaced("train.py", "params.OUTPUT_DIR or ", ""),
        "parameters", "example.yaml", 21, "OUTPUT_DIR is declared and never read",
    ),
    "an empty README": (written("README.md", b" \n"), "readme", "README.md", 1, "is empty"),
    "a README without its table": (written("README.md", b"# Toy\n"), "readme", "README.md", 1, "has no table"),
    "a stale README": (
        replaced("README.md", "Images per step", "Images"),
        "readme", "README.md", 3, "its table of parameters differs from the manifest",
    ),
}  # fmt: skip


def test_whole_examples_pass_every_check(folder: Path) -> None:
    reports = list(health.check([folder.parent / name for name in ("toy-a", "toy-b", "toy-c")]))
    assert [report.name for report in reports] == ["toy-a", "toy-b", "toy-c"]
    for report in reports:
        assert [f.check for f in report.findings] == [check.name for check in health.CHECKS]
        assert [f.check for f in report.findings if not f.ok] == ["tracked"]
        assert report.findings[-1].severity == "not run"


@pytest.mark.parametrize("name", BREAKS)
def test_one_break_fails_one_check(folder: Path, name: str) -> None:
    change, check, file, line, message = BREAKS[name]
    change(folder)
    (only,) = found(folder)
    assert only[:3] == (check, file, line), only
    assert message in only[3]


def test_siblings_of_a_broken_example_still_pass(folder: Path) -> None:
    in_step(replaced("Dockerfile", "torch==2.6.0", "torch==2.5.1"))(folder)
    in_step(replaced("requirements.txt", "numpy==1.26.4", "numpy==1.26.3"))(folder)
    assert found(folder.parent / "toy-a") == []
    assert found(folder.parent / "toy-c") == []


def test_a_broken_manifest_leaves_the_checks_of_files(folder: Path) -> None:
    replaced("example.yaml", "stability: stable", "stability: stabel")(folder)
    (folder / "train.py").write_text("def (")
    assert [(check, file, line) for check, file, line, _ in found(folder)] == [
        ("manifest", "example.yaml", 5),
        ("python", "train.py", 1),
    ]
    skipped = {f.check: f.message for f in findings(folder) if f.severity == "not run"}
    assert {"presets", "scripts", "parameters", "readme", "evidence"} == skipped.keys() - {"tracked"}
    assert skipped["scripts"] == "the manifest has errors"


def test_every_problem_of_a_manifest_is_a_finding_of_its_own(folder: Path) -> None:
    replaced("example.yaml", "stability: stable", "stability: stabel\nzzz: 1")(folder)
    assert [line for check, _, line, _ in found(folder) if check == "manifest"] == [5, 6]


def test_getattr_is_a_warning_that_says_what_to_write(folder: Path) -> None:
    (folder / "more.py").write_text("def read(params, name):\n    return getattr(params, name)\n")
    (warning,) = [f for f in findings(folder) if f.severity == "warning"]
    assert (warning.check, warning.file.name, warning.line) == ("parameters", "more.py", 2)
    assert warning.hint == "write params.NAME"


@pytest.mark.parametrize("name", ["HF_HOME", "CUDA_VISIBLE_DEVICES", "NCCL_DEBUG", "LOCAL_RANK", "HOME", "CVL_CACHE"])
def test_what_every_job_has_needs_no_declaration(folder: Path, name: str) -> None:
    (folder / "more.py").write_text(f'import os\nx = os.environ.get("{name}")\n')
    assert found(folder) == []


def test_a_secret_may_be_read_from_the_environment_only(folder: Path) -> None:
    in_step(replaced("example.yaml", "verification:", "secrets: [HF_TOKEN]\nverification:"))(folder)
    (folder / "more.py").write_text('import os\nx = os.getenv("HF_TOKEN")\n')
    assert found(folder) == []
    (folder / "more.py").write_text("def f(params):\n    return params.HF_TOKEN\n")
    assert [(check, file, line) for check, file, line, _ in found(folder)] == [("parameters", "more.py", 2)]


def test_setting_a_variable_is_not_reading_it(folder: Path) -> None:
    (folder / "more.py").write_text('import os\nos.environ["OWN"] = "1"\nos.environ.setdefault("OTHER", "1")\n')
    assert found(folder) == []


@pytest.mark.parametrize("place", ["outputs/run/code.py", ".hidden/code.py", "__pycache__/code.py"])
def test_what_is_no_code_is_not_read(folder: Path, place: str) -> None:
    (folder / place).parent.mkdir(parents=True)
    (folder / place).write_text("def (")
    assert found(folder) == []


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index-url https://example.org/simple",
        "scipy == 1.14.0 ; python_version < '3.13'",
        "torch==2.6.0+cpu",
        "uvicorn[standard]==0.30.0",
        "scipy==1.14.0 --hash=sha256:abc",
        "detectron2 @ git+https://example.org/detectron2@" + "a" * 40,
        "tool @ https://example.org/tool.whl#sha256=" + "0" * 64,
    ],
)
def test_exact_pins_of_every_form(folder: Path, line: str) -> None:
    (folder / "requirements.txt").write_text(f"{REQUIREMENTS}{line}\n")
    assert [entry for entry in found(folder) if entry[0] == "pinned"] == []


@pytest.mark.parametrize(
    "base",
    ["python@sha256:" + "a" * 64, "registry.example.org:5000/base:1.0", "pytorch/pytorch:2.6.0-cuda12.4-runtime"],
)
def test_pinned_bases_of_every_form(tmp_path: Path, base: str) -> None:
    text = DOCKERFILE.replace("python:3.11-slim", base)
    assert found(make_example(tmp_path, files={"Dockerfile": text})) == []


@pytest.mark.parametrize("base", ["python", "python:latest", "registry.example.org:5000/base", ""])
def test_bases_that_are_not_pinned(tmp_path: Path, base: str) -> None:
    text = DOCKERFILE.replace("python:3.11-slim", base)
    assert [check for check, *_ in found(make_example(tmp_path, files={"Dockerfile": text}))] == ["dockerfile"]


def test_comments_spaces_and_what_follows_torch_do_not_change_the_first_layers(folder: Path) -> None:
    text = DOCKERFILE.replace("# The same", "# Quite the same").replace("\\\n    torch", "   torch")
    (folder / "Dockerfile").write_text(text.replace("WORKDIR", "RUN echo more\nWORKDIR"))
    assert [entry for entry in found(folder) if entry[0] == "layers"] == []


def test_here_documents_and_stages(tmp_path: Path) -> None:
    text = DOCKERFILE.replace(
        "WORKDIR",
        "FROM ${BASE_IMAGE} AS last\nCOPY --from=0 /usr /usr\nCOPY <<EOF /etc/note\nUSER root\nEOF\n"
        "RUN <<'END'\npip install wheel==0.44.0\nchmod 755 /root\nchmod 1777 /root/.cache\nEND\nWORKDIR",
    )
    assert found(make_example(tmp_path, files={"Dockerfile": text})) == []


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def test_what_git_tracks(folder: Path) -> None:
    git(folder.parent, "init")
    (folder / "outputs").mkdir()
    (folder / "outputs" / "log.txt").write_text("")
    (folder / "untracked.pt").write_text("")
    (folder / "best.pt").write_text("")
    with (folder / "large.bin").open("wb") as file:
        file.truncate(health.MAX_BYTES + 1)
    git(folder, "add", "--force", ".", ":!untracked.pt")
    assert [(check, file) for check, file, *_ in found(folder)] == [
        ("tracked", "best.pt"),
        ("tracked", "large.bin"),
        ("tracked", "outputs/log.txt"),
    ]
    assert found(folder.parent / "toy-a") == []


def test_one_git_process_for_a_whole_catalogue(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(folder.parent, "init")
    git(folder.parent, "add", ".")
    calls = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: calls.append(words) or run(*words, **options))
    reports = list(health.check(sorted(path for path in folder.parent.iterdir() if path.name != ".git")))
    assert len(calls) == 1
    assert all(finding.ok for report in reports for finding in report.findings)


def test_nothing_of_the_example_runs_and_nothing_is_written(folder: Path) -> None:
    (folder / "train.py").write_text("import pathlib\npathlib.Path('ran').touch()\n" + TRAIN)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert found(folder) == []
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_script_of_its_own_is_not_compared(tmp_path: Path) -> None:
    own = MANIFEST.replace("train: {{command: [python, train.py],", "train: {{script: train.sh,")
    folder = make_example(tmp_path, "toy", {"example.yaml": own.format(name="toy"), "train.sh": "", "build.sh": ""})
    (folder / "train.sh").write_text("#!/bin/sh\nexec docker run mine\n")
    assert found(folder) == []
    assert [f.check for f in findings(folder) if f.severity == "not run"] == ["scripts", "tracked"]


def test_a_package_pinned_by_python_version_is_compared_by_version(folder: Path) -> None:
    pins = "numpy==1.26.4\nscipy==1.15.0; python_version < '3.11'\nscipy==1.16.0; python_version >= '3.11'"
    in_step(replaced("requirements.txt", "numpy==1.26.4", pins))(folder)
    assert found(folder) == []
