"""The rendered scripts: readable, portable, the same as `cvl run`. Docker is a fake that prints its words."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvl import contract, manifest, plan, render
from cvl.commands.render import command
from cvl.manifest import Example

REPOSITORY = Path(__file__).parents[1]
TINY = REPOSITORY / "tests" / "engines" / "tiny"

# Prints each word of `docker run` on a line of its own, in brackets, and the variables that cross by name.
FAKE = """\
#!/usr/bin/env bash
case "$1 $2" in
  "version "*) exit "${FAKE_ENGINE:-0}" ;;
  "image inspect") exit "${FAKE_IMAGE:-0}" ;;
  "info "*) cat "$(dirname "$0")/info" ;;
  "build "*) printf 'build <%s>\\n' "${@:2}"; ls "${@: -1}" ;;
  "run "*)
    printf '<%s>\\n' "${@:2}"
    for word in "$@"; do case $word in *[!A-Z_]*) ;; *) printf '%s=%s\\n' "$word" "${!word-}" ;; esac; done
    ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The example of the engines' tests with its scripts, in a folder with a space."""
    root = tmp_path / "a repository"
    (root / "cvl").mkdir(parents=True)
    (root / "cvl" / "contract.py").touch()
    folder = shutil.copytree(TINY, root / "examples" / "tiny")
    for name, text in render.scripts(example(folder)).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(FAKE)
    (folder / "docker").chmod(0o755)
    (folder / "info").write_text('{"Runtimes":{"runc":{}},"SecurityOptions":["name=seccomp"]}')
    return folder


def example(folder: Path) -> Example:
    return manifest.load(folder / "example.yaml")


def run(
    script: Path, fake: Path, *words: str, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    outside = {"PATH": f"{fake}:{os.environ['PATH']}", "HOME": os.environ["HOME"], **environ}
    return subprocess.run(["bash", str(script), *words], env=outside, cwd=cwd, capture_output=True, text=True)


def words_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return re.findall(r"^<(.*)>$", done.stdout, re.MULTILINE)


def options(words: list[str], name: str) -> list[str]:
    return [value for flag, value in pairwise(words) if flag == name]


@pytest.mark.parametrize("name", ["build.sh", "train.sh"])
def test_shellcheck_and_bash_accept_them(tiny: Path, name: str) -> None:
    program = shutil.which("shellcheck", path=sysconfig.get_path("scripts")) or shutil.which("shellcheck")
    assert program, "shellcheck is not installed"
    for check in ([program, str(tiny / name)], ["bash", "-n", str(tiny / name)]):
        done = subprocess.run(check, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["build.sh", "train.sh"])
def test_nothing_that_bash_3_lacks(tiny: Path, name: str) -> None:
    text = (tiny / name).read_text()
    for newer in ("declare -A", "local -n", "mapfile", "readarray", ",,}", "^^}", "&>>", "|&", "printf '%(", "wait -n"):
        assert newer not in text


def test_the_mounts_are_written_out_as_documented(tiny: Path) -> None:
    text = (tiny / "train.sh").read_text()
    for line in (
        '  --mount "type=bind,src=${SCRIPT_DIR},dst=/workspace" \\',
        '  --mount "type=bind,src=${REPO_ROOT},dst=/cvlization_repo,readonly" \\',
        '  --mount "type=bind,src=${HOME}/.cache/huggingface,dst=/root/.cache/huggingface" \\',
        '  --env "PYTHONPATH=/cvlization_repo" \\',
        '  --env "PYTHONUNBUFFERED=1" \\',
        '  "$IMG" python train.py "$@"',
    ):
        assert line in text.splitlines()
    assert str(REPOSITORY) not in text
    assert max(map(len, text.splitlines())) <= 130


@pytest.mark.parametrize("environ", [{}, {"BASE_IMAGE": "mine/own:1"}, {"NOTE": 'two words $and "more"'}])
def test_the_image_is_the_one_of_the_plan(tiny: Path, fake: Path, environ: dict[str, str]) -> None:
    wanted = plan.image(example(tiny), environ)
    words = words_of(run(tiny / "train.sh", fake, **environ))
    assert wanted.tag in words
    built = run(tiny / "build.sh", fake, "--no-cache", **environ)
    assert built.returncode == 0, built.stderr
    given = re.findall(r"^build <(.*)>$", built.stdout, re.MULTILINE)
    assert options(given, "--tag") == [wanted.tag]
    assert options(given, "--build-arg") == [f"{name}={value}" for name, value in wanted.args.items()]
    assert "--no-cache" in given
    assert built.stdout.splitlines()[-2:] == sorted(wanted.files)


@pytest.mark.parametrize("environ", [{}, {"PYTHON": "3.12"}, {"BASE_IMAGE": "mine:$PYTHON"}, {"TAG": "x y"}])
def test_build_arguments_that_refer_to_others_are_filled_in(tiny: Path, fake: Path, environ: dict[str, str]) -> None:
    layered = "ARG PYTHON=3.11\nARG TAG=${PYTHON}-slim\nARG BASE_IMAGE=${MIRROR}python:${TAG:-none}\nARG COST='$5'\n"
    dockerfile = tiny / "Dockerfile"
    dockerfile.write_text(layered + dockerfile.read_text().partition("\n")[2])
    for name, text in render.scripts(example(tiny)).items():
        (tiny / name).write_text(text, encoding="utf-8")
    wanted = plan.image(example(tiny), environ)
    expected = {"PYTHON": "3.11", "TAG": wanted.args["PYTHON"] + "-slim", "COST": "$5", **environ}
    expected.setdefault("BASE_IMAGE", "python:" + expected["TAG"])
    assert {name: wanted.args[name] for name in expected} == expected
    given = re.findall(r"^build <(.*)>$", run(tiny / "build.sh", fake, **environ).stdout, re.MULTILINE)
    assert options(given, "--build-arg") == [f"{name}={value}" for name, value in wanted.args.items()]
    assert wanted.tag in words_of(run(tiny / "train.sh", fake, **environ))
    test_shellcheck_and_bash_accept_them(tiny, "train.sh")


def test_a_missing_image_is_built_first(tiny: Path, fake: Path) -> None:
    done = run(tiny / "train.sh", fake, FAKE_IMAGE="1")
    assert "building it" in done.stderr
    assert "build <--tag>" in done.stderr
    assert "<--rm>" in done.stdout


def test_arguments_reach_the_job(tiny: Path, fake: Path) -> None:
    assert words_of(run(tiny / "train.sh", fake, "--batch-size", "2", "a b"))[-5:] == [
        "python", "train.py", "--batch-size", "2", "a b",
    ]  # fmt: skip


def test_only_what_is_set_and_known_crosses(tiny: Path, fake: Path) -> None:
    environ = {"NUM_EPOCHS": "5", "TINY_SECRET": "hunter2", "NCCL_DEBUG": "INFO", "AWS_SECRET": "no"}
    done = run(tiny / "train.sh", fake, **environ)
    by_name = [word for word in options(words_of(done), "--env") if "=" not in word]
    assert sorted(by_name) == ["LR", "NCCL_DEBUG", "NUM_EPOCHS", "TINY_SECRET"]
    assert "hunter2" not in "".join(words_of(done))
    assert {"NUM_EPOCHS=5", "LR=0.001", "TINY_SECRET=hunter2"} <= set(done.stdout.splitlines())
    fixed = [word for word in options(words_of(done), "--env") if "=" in word]
    assert fixed == [f"{name}={value}" for name, value in {**contract.JOB_ENV, **contract.CONTAINER_ENV}.items()]


@pytest.mark.parametrize(
    ("environ", "dotenv", "wanted"),
    [
        ({"EPOCHS": "7"}, "", "NUM_EPOCHS=7"),
        ({"EPOCHS": "7", "NUM_EPOCHS": "8"}, "", "NUM_EPOCHS=8"),
        ({"MIXED_PRECISION": "True"}, "", "PRECISION=fp16"),
        ({}, "EPOCHS=9  # nine\n", "NUM_EPOCHS=9"),
        ({"NUM_EPOCHS": "8"}, "EPOCHS=9\n", "NUM_EPOCHS=8"),
        ({"EPOCHS": "8"}, "NUM_EPOCHS=9\n", "NUM_EPOCHS=8"),
        ({}, "# no\nexport MODE = 'a b' \n", "MODE=a b"),
        ({}, "LR=5", "LR=5"),
        ({"LR": "1e-5"}, "LR=5\nPATH=/nowhere\n", "LR=1e-5"),
    ],
)
def test_names_dotenv_and_preset_by_precedence(
    tiny: Path, fake: Path, environ: dict[str, str], dotenv: str, wanted: str
) -> None:
    (tiny / ".env").write_text(dotenv)
    done = run(tiny / "train.sh", fake, **environ)
    words_of(done)
    name = wanted.partition("=")[0]
    assert [line for line in done.stdout.splitlines() if line.startswith(f"{name}=")] == [wanted]
    assert "EPOCHS" not in options(words_of(done), "--env")


def test_paths_of_this_machine_appear_in_the_container(tiny: Path, fake: Path, tmp_path: Path) -> None:
    (tmp_path / 'my, "own" data').mkdir()
    (tmp_path / "w.pt").touch()
    environ = {"TRAIN_DATA": 'my, "own" data', "WEIGHTS": "w.pt", "RESUME": f"{tiny}/outputs/a/last.pt"}
    (tiny / "outputs" / "a").mkdir(parents=True)
    (tiny / "outputs" / "a" / "last.pt").touch()
    done = run(tiny / "train.sh", fake, cwd=tmp_path, **environ)
    mounts = options(words_of(done), "--mount")
    assert f'type=bind,"src={tmp_path}/my, ""own"" data","dst=/data",readonly' in mounts
    assert f'type=bind,"src={tmp_path}/w.pt","dst=/inputs/WEIGHTS/w.pt",readonly' in mounts
    assert len(mounts) == 7
    said = set(done.stdout.splitlines())
    assert {"DATA_DIR=/data", "WEIGHTS=/inputs/WEIGHTS/w.pt", "RESUME=/workspace/outputs/a/last.pt"} <= said


@pytest.mark.parametrize("word", ["none", "tiny3", ""])
def test_a_word_is_no_path(tiny: Path, fake: Path, word: str) -> None:
    done = run(tiny / "train.sh", fake, WEIGHTS=word)
    assert f"WEIGHTS={word}" in done.stdout.splitlines()
    assert len(options(words_of(done), "--mount")) == 5


def test_a_path_that_does_not_exist_is_named_before_anything_starts(tiny: Path, fake: Path) -> None:
    done = run(tiny / "train.sh", fake, WEIGHTS="tiny33", FAKE_IMAGE="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "WEIGHTS: tiny33 does not exist" in done.stderr


def test_the_folder_of_the_run(tiny: Path, fake: Path, tmp_path: Path) -> None:
    usual = words_of(run(tiny / "train.sh", fake))
    assert f"type=bind,src={tiny}/outputs,dst=/workspace/outputs" in options(usual, "--mount")
    assert (tiny / "outputs").is_dir()
    done = run(tiny / "train.sh", fake, cwd=tmp_path, OUTPUT_DIR="runs/first")
    assert f"type=bind,src={tmp_path}/runs,dst=/workspace/outputs" in options(words_of(done), "--mount")
    assert "OUTPUT_DIR=/workspace/outputs/first" in done.stdout.splitlines()
    assert (tmp_path / "runs" / "first").is_dir()
    assert "OUTPUT_DIR" not in options(words_of(run(tiny / "train.sh", fake, OUTPUT_DIR="")), "--env")


def test_the_user_is_the_caller_unless_the_engine_is_rootless(tiny: Path, fake: Path) -> None:
    assert options(words_of(run(tiny / "train.sh", fake)), "--user") == [f"{os.getuid()}:{os.getgid()}"]
    (fake / "info").write_text('{"SecurityOptions":["name=seccomp","name=rootless"]}')
    assert "--user" not in words_of(run(tiny / "train.sh", fake))


@pytest.mark.parametrize(
    ("driver", "program", "info", "wanted", "said"),
    [
        (False, "nvidia-ctk", '{"Runtimes":{"nvidia":{}}}', [], "missing: driver"),
        (True, "", "{}", [], "missing: toolkit"),
        (True, "nvidia-ctk", "{}", [], "missing: engine configuration"),
        (True, "nvidia-ctk", '{"Runtimes":{"nvidia":{}}}', ["--gpus", "all"], ""),
        (True, "nvidia-container-runtime-hook", "{}", ["--gpus", "all"], ""),
        (True, "", '{"DiscoveredDevices":[{"ID":"nvidia.com/gpu=0"}]}', ["--device", "nvidia.com/gpu=all"], ""),
    ],
)
def test_gpus_by_layer(
    tiny: Path, fake: Path, driver: bool, program: str, info: str, wanted: list[str], said: str
) -> None:
    """The driver's sign, the toolkit's programs and the engine's word are made up."""
    script = tiny / "train.sh"
    text = re.sub(
        r"/proc/driver/nvidia/version|/dev/nvidiactl|/dev/dxg", "/" if driver else "/nowhere", script.read_text()
    )
    script.write_text(text)
    if program:
        shutil.copy(fake / "docker", fake / program)
    (fake / "info").write_text(info)
    done = run(script, fake)
    words = words_of(done)
    assert [word for word in words if word in ("--gpus", "--device", "all", "nvidia.com/gpu=all")] == wanted
    assert (said in done.stderr) if said else ("no GPU" not in done.stderr)


def test_an_example_that_must_have_a_gpu_stops_without_one(tiny: Path, fake: Path) -> None:
    path = tiny / "example.yaml"
    path.write_text(path.read_text().replace("shm_gb: 0.5", "shm_gb: 0.5, cpu_ok: false"))
    script = tiny / "train.sh"
    script.write_text(re.sub(r"-e /[\w/]+", "-e /nowhere", render.train_script(example(tiny))))
    done = run(script, fake)
    assert (done.returncode, done.stdout) == (4, "")
    assert "missing: driver" in done.stderr


def test_no_engine_is_exit_code_4(tiny: Path, fake: Path, tmp_path: Path) -> None:
    assert run(tiny / "train.sh", fake, FAKE_ENGINE="1").returncode == 4
    for name in ("bash", "dirname", "mkdir", "cat", "cut", "sha256sum", "uname"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = run(tiny / "train.sh", fake, PATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (4, "train.sh: the docker command is missing\n")


def test_outside_a_repository_the_package_is_missed(tiny: Path, fake: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(tiny, tmp_path / "elsewhere")
    done = run(moved / "train.sh", fake)
    assert done.returncode == 2
    assert "holds the package cvl" in done.stderr


def test_the_command_writes_and_checks(tiny: Path) -> None:
    for name in ("build.sh", "train.sh"):
        (tiny / name).unlink()
    invoke = CliRunner().invoke
    stale = invoke(command, ["--check", str(tiny)], standalone_mode=False)
    assert stale.return_value == 1
    assert "+exec docker run" in stale.stdout
    assert not (tiny / "train.sh").exists()
    written = invoke(command, [str(tiny)], standalone_mode=False)
    assert written.return_value == 0, written.output
    assert (tiny / "train.sh").stat().st_mode & 0o777 == 0o755
    assert invoke(command, ["--check", str(tiny)], standalone_mode=False).return_value == 0
    (tiny / "train.sh").write_text((tiny / "train.sh").read_text().replace("--init", "--no-init"))
    edited = invoke(command, ["--check", str(tiny)], standalone_mode=False)
    assert edited.return_value == 1
    assert "-args=(--rm --no-init)" in edited.stdout
    (tiny / "build.sh").chmod(0o644)
    invoke(command, [str(tiny)], standalone_mode=False)
    assert os.access(tiny / "build.sh", os.X_OK)
