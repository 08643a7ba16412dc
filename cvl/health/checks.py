"""The static checks of `cvl verify`: what can be known about an example without running anything of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvl import contract, evidence, plan, render, schema, tables
from cvl.health import dockerfile, reads
from cvl.health.folder import Catalogue, NotRun, Subject, tracked
from cvl.manifest import Example

MAX_BYTES = 10_000_000
README = "README.md"
SCRIPTS = ("build.sh", "train.sh")
REQUIRED = (contract.MANIFEST, plan.DOCKERFILE, *SCRIPTS, "train.py", README)
WEIGHTS = {".ckpt", ".engine", ".h5", ".onnx", ".pt", ".pth", ".safetensors"}
INTERPRETERS = ("python", "python3", "bash", "sh")
OUTPUTS = Path(contract.OUTPUTS).name
# The host gives these a meaning; it is enough that the code mentions them.
HOST_PARAMETERS = (contract.OUTPUT_DIR, contract.DATA_DIR, contract.RESUME)
# Set in the job by cvl, or by what starts its processes.
SET_IN_JOBS = {*contract.JOB_ENV, *contract.CONTAINER_ENV, contract.RUN, contract.PARAM_SOURCES}
SET_IN_JOBS |= {"PATH", "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}


@dataclass(frozen=True)
class Finding:
    """A check that holds (`ok`), or one thing that it found."""

    check: str
    ok: bool
    message: str
    file: Path
    line: int = 0  # 0: the file as a whole
    severity: str = "error"  # error, warning, or not run
    hint: str = ""


@dataclass(frozen=True)
class Report:
    """Everything about one example."""

    name: str
    folder: Path
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that a check found; `file` is relative to the example's folder."""

    message: str
    file: str = contract.MANIFEST
    line: int = 0
    hint: str = ""
    severity: str = "error"


Problems = Iterator[Problem]


@dataclass(frozen=True)
class Check:
    """A name, what is true when it finds nothing, and the function that looks."""

    name: str
    holds: str
    find: Callable[[Subject], Problems]


def check(folders: Sequence[Path]) -> Iterator[Report]:
    """A report for each example folder, in order; every file is read once."""
    files = tracked(folders)
    catalogues: dict[Path, Catalogue] = {}
    for path in folders:
        siblings = catalogues.setdefault(path.parent, Catalogue(path.parent))
        subject = Subject(path, siblings, files)
        yield Report(path.name, path, tuple(finding for one in CHECKS for finding in _findings(one, subject)))


def _findings(one: Check, subject: Subject) -> list[Finding]:
    folder = subject.folder.path
    found: list[Finding] = []
    try:
        for p in one.find(subject):
            found.append(Finding(one.name, False, p.message, folder / p.file, p.line, p.severity, p.hint))
    except NotRun as reason:
        return found or [Finding(one.name, False, str(reason), folder, severity="not run")]
    return found or [Finding(one.name, True, one.holds, folder)]


def _manifest(subject: Subject) -> Problems:
    for line, problem in subject.broken:
        yield Problem(str(problem), line=line)


def _files(subject: Subject) -> Problems:
    named = () if subject.broken else (subject.example.requirements, subject.example.setup)
    for name in filter(None, (*REQUIRED, *named)):
        if not subject.has(name):
            yield Problem(f"{name} is missing", name)


def _presets(subject: Subject) -> Problems:
    for preset in subject.example.presets.values():
        program, *words = preset.command or ("",)
        named = words[0] if program in INTERPRETERS and words and words[0].endswith((".py", ".sh")) else ""
        for name in filter(None, (preset.script, named)):
            path = subject.folder.path / name
            line = subject.line_of("presets", preset.name)
            if not path.resolve().is_relative_to(subject.folder.path.resolve()):
                yield Problem(f"the preset {preset.name} leaves the example's folder: {name}", line=line)
            elif not path.is_file() and name not in REQUIRED:
                yield Problem(f"the preset {preset.name} names {name}, which does not exist", line=line)


def _executable(subject: Subject) -> Problems:
    for name in filter(subject.has, SCRIPTS):
        if not (subject.folder.path / name).stat().st_mode & 0o111:
            yield Problem(f"{name} is not executable", name, hint=f"chmod +x {subject.folder.path.name}/{name}")


def _scripts(subject: Subject) -> Problems:
    scripts = render.scripts(subject.example)
    if not scripts or not subject.has(plan.DOCKERFILE):
        raise NotRun("the preset train is a script of its own" if not scripts else "there is no Dockerfile")
    for name, wanted in scripts.items():
        if subject.has(name) and subject.folder.text(name) != wanted:
            line = _first_difference(subject.folder.text(name), wanted)
            yield Problem(f"{name} differs from the manifest and the plan", name, line, _render(subject))


def _dockerfile(subject: Subject) -> Problems:
    found = subject.folder.dockerfile
    if not subject.has(plan.DOCKERFILE):
        raise NotRun("there is no Dockerfile")
    for line, message in (
        *dockerfile.base_images(found),
        *dockerfile.arguments(found),
        *dockerfile.copies(found, (subject.requirements, subject.setup)),
        *dockerfile.leaves_root(found),
        *dockerfile.opens_root(found, subject.setup),
    ):
        yield Problem(message, plan.DOCKERFILE, line)


def _layers(subject: Subject) -> Problems:
    mine, usual = dockerfile.first_layers(subject.folder.dockerfile), subject.siblings.layers
    if not mine or usual is None:
        raise NotRun("there is no Dockerfile")
    sibling, wanted = usual
    if [text for _, text in mine] == wanted:
        return
    first = next((i for i, (pair, text) in enumerate(zip(mine, wanted, strict=False)) if pair[1] != text), len(wanted))
    line = mine[min(first, len(mine) - 1)][0]
    message = f"the first layers, up to torch, differ from {sibling.path.name}/{plan.DOCKERFILE}: they share no disk"
    yield Problem(message, plan.DOCKERFILE, line)


def _pinned(subject: Subject) -> Problems:
    for pin in subject.folder.pins(subject.requirements):
        if not pin.version:
            yield Problem(f"{pin.name} is not pinned exactly (name==version)", subject.requirements, pin.line)


def _shared(subject: Subject) -> Problems:
    for pin in subject.folder.pins(subject.requirements):
        sibling, usual = subject.siblings.versions.get((pin.name, pin.marker), (None, pin.version))
        if sibling and pin.version and pin.version != usual:
            message = f"{pin.name} is {pin.version}, but {usual} in {sibling.path.name}"
            yield Problem(message, subject.requirements, pin.line)


def _python(subject: Subject) -> Problems:
    for name, tree in subject.folder.code.items():
        if isinstance(tree, SyntaxError):
            yield Problem(f"not Python: {tree.msg}", name, tree.lineno or 1)


def _parameters(subject: Subject) -> Problems:
    example, read = subject.example, set()
    for name, tree in subject.folder.code.items():
        if isinstance(tree, SyntaxError):
            raise NotRun(f"{name} is not Python")
        for found in reads.parameters(tree):
            read.add(found.name)
            yield from _judge_read(found, name, example)
    code = " ".join(map(subject.folder.text, subject.folder.code))
    for name in example.parameters:
        if name not in read and not (name in HOST_PARAMETERS and name in code):
            yield Problem(f"{name} is declared and never read", line=subject.line_of("parameters", name))


def _judge_read(read: reads.Read, file: str, example: Example) -> Problems:
    if not read.name:
        message = "getattr(params, …) hides from this check which parameter is read"
        yield Problem(message, file, read.line, "write params.NAME", "warning")
    elif read.name not in example.parameters and not (read.environment and _is_set(read.name, example)):
        near = schema.did_you_mean(read.name, example.parameters)
        yield Problem(f"{read.name} is read and not declared{near}", file, read.line)


def _is_set(name: str, example: Example) -> bool:
    """Whether the job finds the variable `name` without any parameter."""
    return name in SET_IN_JOBS or name in example.secrets or plan.passes(name)


def _readme(subject: Subject) -> Problems:
    text = subject.folder.text(README)
    if not subject.has(README):
        raise NotRun(f"there is no {README}")
    if not text.strip():
        yield Problem("is empty", README, 1)
        return
    table = tables.parameter_table(subject.example)
    part = tables.part(text, tables.PARAMETERS)
    if table and part is None:
        marks = f"<!-- cvl:{tables.PARAMETERS} --> and <!-- /cvl:{tables.PARAMETERS} -->"
        yield Problem(f"has no table of parameters between {marks}", README, 1, _render(subject))
    elif part is not None and part != table:
        line = text[: text.index(f"<!-- cvl:{tables.PARAMETERS} -->")].count("\n") + 1
        yield Problem("its table of parameters differs from the manifest", README, line, _render(subject))


def _evidence(subject: Subject) -> Problems:
    for state in evidence.states(subject.example):
        if state.file and state.word != evidence.CURRENT:
            name = str(state.file.relative_to(subject.example.folder))
            hint = f"cvl run {subject.example.name} {state.preset}, then cvl evidence record RUN"
            yield Problem(f"is {state}", name, 0, hint, "warning")


def _tracked(subject: Subject) -> Problems:
    if subject.tracked.reason:
        raise NotRun(subject.tracked.reason)
    for path in subject.tracked.files[subject.folder.path]:
        name = path.relative_to(subject.folder.path)
        if name.parts[0] == OUTPUTS:
            yield Problem("git tracks an output", str(name), hint=f"git rm -r --cached {OUTPUTS}")
        elif name.suffix in WEIGHTS:
            yield Problem("git tracks weights", str(name), hint="let the example fetch them")
        elif path.is_file() and path.stat().st_size > MAX_BYTES:
            yield Problem(f"git tracks a file over {MAX_BYTES // 1_000_000} MB", str(name))


def _first_difference(found: str, wanted: str) -> int:
    pairs = zip(found.splitlines(), wanted.splitlines(), strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    return (min(len(found.splitlines()), len(wanted.splitlines())) if same is None else same) + 1


def _render(subject: Subject) -> str:
    return f"cvl render {subject.folder.path.name}"


CHECKS = (
    Check("manifest", f"{contract.MANIFEST} holds what it must", _manifest),
    Check("files", "every file is there", _files),
    Check("presets", "presets run files of this folder", _presets),
    Check("executable", "scripts are executable", _executable),
    Check("scripts", "scripts are in step with the plan", _scripts),
    Check("dockerfile", "environment only, base pinned, open to every user", _dockerfile),
    Check("layers", "shares its first layers with its siblings", _layers),
    Check("pinned", "requirements are pinned exactly", _pinned),
    Check("shared", "shared packages have the versions of its siblings", _shared),
    Check("python", "code is Python", _python),
    Check("parameters", "parameters read are those declared", _parameters),
    Check("readme", "README.md is in step with the manifest", _readme),
    Check("evidence", "no evidence is stale", _evidence),
    Check("tracked", "git tracks no outputs, weights or large files", _tracked),
)
