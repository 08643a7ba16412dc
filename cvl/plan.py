"""From an example, a preset and settings to a Plan: what runs, where, and with what. Pure: decides, never acts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from cvl import contract, dockerfile, params
from cvl.errors import UsageError
from cvl.manifest import Example, Preset
from cvl.params import Parameter, Setting

DOCKERFILE = "Dockerfile"


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host at a place in the container."""

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Image:
    """The image a job runs in: its tag follows from everything that goes into it."""

    tag: str
    files: tuple[str, ...]  # relative to the example's folder; the whole build context
    args: Mapping[str, str]


@dataclass(frozen=True)
class Host:
    """What a plan needs to know of the caller and the machine."""

    uid: int
    gid: int
    home: Path
    environ: Mapping[str, str]
    repository: Path  # holds the package `cvl` that the job imports

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "cvl"


@dataclass(frozen=True)
class Request:
    """What the user asked for, beyond example and preset."""

    run: str
    output: Path  # the folder that holds runs
    settings: Mapping[str, Setting] = field(default_factory=dict)  # only what was set; paths absolute
    extra: tuple[str, ...] = ()
    gpus: str = ""  # empty: all there are; none, a number, or ids such as 0,1
    env_names: tuple[str, ...] = ()
    timeout: float | None = None


@dataclass(frozen=True)
class Plan:
    """One job, ready for any engine; paths in `env` and `command` are those of the container."""

    example: str
    preset: str
    run: str
    folder: Path  # the example's folder
    run_folder: Path  # on the host
    image: Image
    command: tuple[str, ...]
    mounts: tuple[Mount, ...]
    env: Mapping[str, str]
    path_env: frozenset[str]  # names in `env` whose values are paths in the container
    secrets: Mapping[str, str] = field(repr=False)  # and what `--env NAME` adds: never shown, never stored
    user: str = ""
    shm_gb: float = 2.0
    gpus: str = ""
    needs_gpu: bool = False  # asked for by the user, or the example cannot do without
    labels: Mapping[str, str] = field(default_factory=dict)
    requirements: str = ""
    setup: str = ""
    timeout: float | None = None

    def on_host(self, path: str) -> str:
        """The host's path of a path in the container, or `path` itself where nothing is mounted."""
        for mount in sorted(self.mounts, key=lambda m: -len(m.target)):
            if path == mount.target or path.startswith(f"{mount.target}/"):
                return str(mount.source) + path[len(mount.target) :]
        return path


def make(example: Example, preset: Preset, request: Request, host: Host) -> Plan:
    """The plan of `preset`; raises UsageError where a setting has no place in this example."""
    places = {n: _path_mount(example.parameters[n], s, request.output) for n, s in request.settings.items()}
    mounted = {name: mount for name, mount in places.items() if mount}
    env = {**contract.JOB_ENV, **_passed(host.environ, request.env_names)}
    env |= {contract.RUN: request.run, contract.OUTPUT_DIR: f"{contract.OUTPUTS}/{request.run}"}
    env |= {name: params.as_word(setting.value) for name, setting in request.settings.items()}
    env |= {name: mount.target for name, mount in mounted.items()}
    sources = {n: s.source for n, s in request.settings.items() if s.source != "environment"}
    if sources:
        env[contract.PARAM_SOURCES] = json.dumps(sources, sort_keys=True)
    return Plan(
        example=example.name,
        preset=preset.name,
        run=request.run,
        folder=example.folder,
        run_folder=request.output / request.run,
        image=image(example, host.environ),
        command=(*preset.command, *request.extra),
        mounts=(
            *standard_mounts(example.folder, request.output, host),
            *(mount for mount in mounted.values() if not mount.target.startswith(f"{contract.OUTPUTS}/")),
        ),
        env=env,
        path_env=frozenset({*contract.JOB_ENV, contract.OUTPUT_DIR, *mounted} - {"PYTHONUNBUFFERED"}),
        secrets={n: host.environ[n] for n in (*example.secrets, *request.env_names) if n in host.environ},
        user=f"{host.uid}:{host.gid}",
        shm_gb=example.resources.shm_gb,
        gpus=request.gpus or ("all" if example.resources.gpu or example.resources.cpu_ok else "none"),
        needs_gpu=request.gpus not in ("", "none", "0") or (example.resources.gpu > 0 and not example.resources.cpu_ok),
        labels={
            contract.LABEL_RUN: request.run,
            contract.LABEL_EXAMPLE: example.name,
            contract.LABEL_PRESET: preset.name,
        },
        requirements=example.requirements,
        setup=example.setup,
        timeout=request.timeout,
    )


def standard_mounts(folder: Path, output: Path, host: Host) -> list[Mount]:
    """The mounts that every job has, outermost first."""
    return [
        Mount(folder, contract.WORKSPACE),
        Mount(host.repository, contract.REPOSITORY, read_only=True),
        Mount(host.home / ".cache" / "huggingface", contract.HF_CACHE),
        Mount(host.cache, contract.CVL_CACHE),
        Mount(output, contract.OUTPUTS),
    ]


def image(example: Example, environ: Mapping[str, str]) -> Image:
    """The example's image for the build arguments in `environ`; reads the files that go into it.

    The tag is the first 12 hex digits of SHA-256 over the files' bytes in order, then `NAME=value`
    lines of the build arguments; build.sh and train.sh compute the same with sha256sum.
    """
    files = image_files(example)
    content = [(example.folder / name).read_bytes() if (example.folder / name).is_file() else b"" for name in files]
    args = dockerfile.build_args(dockerfile.instructions(content[0].decode(errors="replace")), environ)
    digest = hashlib.sha256(b"".join(content))
    for name, value in args.items():
        digest.update(f"{name}={value}\n".encode())
    return Image(f"cvl/{example.name}:{digest.hexdigest()[:12]}", files, args)


def build_defaults(example: Example) -> dict[str, str]:
    """The default of each build argument as the Dockerfile has it, in order."""
    file = example.folder / DOCKERFILE
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return dockerfile.defaults(dockerfile.instructions(text))


def image_files(example: Example) -> tuple[str, ...]:
    """What `docker build` gets: nothing else can change the image."""
    return tuple(name for name in (DOCKERFILE, example.requirements, example.setup) if name)


def passes(name: str) -> bool:
    """Whether the caller's variable `name` crosses into every job."""
    return any(fnmatchcase(name, pattern) for pattern in contract.PASSED_ENV)


def _passed(environ: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    missing = [name for name in names if name not in environ]
    if missing:
        raise UsageError(f"--env {missing[0]}: not set in the environment", hint="-e KEY=VALUE sets a parameter")
    return {name: value for name, value in environ.items() if passes(name) and name not in names}


def _path_mount(parameter: Parameter, setting: Setting, output: Path) -> Mount | None:
    """Where the path that `setting` holds appears in the container; None where it is not a path of the caller's."""
    if setting.source == "preset" or not parameter.is_path(setting.value):
        return None
    source = Path(str(setting.value))
    if source.is_relative_to(output) and source != output:
        inside = PurePosixPath(contract.OUTPUTS) / source.relative_to(output).as_posix()
        return Mount(source, str(inside), read_only=True)
    if parameter.name == contract.DATA_DIR:
        return Mount(source, contract.DATA, read_only=True)
    return Mount(source, f"{contract.INPUTS}/{parameter.name}/{source.name}", read_only=True)


def holds_password(value: str) -> bool:
    """Whether `value` is a URL with credentials in it (a proxy's, usually)."""
    return bool(re.search(r"://[^/\s]*@", value))
