"""One run from start to verdict: engine chosen, job supervised, metrics judged, record kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cvl import console, contract, engines, live, machine, postmortem, proof, runs, verdict
from cvl.engines.base import Engine, Outcome, supervise, unwatched
from cvl.engines.local import LocalEngine
from cvl.errors import DataError, EngineError, Interrupted, JobError, MetricsError, UsageError
from cvl.judge import Judgement
from cvl.manifest import Example, Preset
from cvl.params import Setting
from cvl.plan import Host, Plan
from cvl.readers.growing import Memory
from cvl.runs import Record
from cvl.settings import OWN

_REFUSED = "the job would not start"


@dataclass(frozen=True)
class Job:
    """Everything one run needs, decided."""

    example: Example
    preset: Preset
    plan: Plan
    settings: Mapping[str, Setting]
    strict: bool = False
    abort_on_fail: bool = False


def this_host() -> Host:
    """The caller and this machine."""
    return Host(
        uid=os.getuid(),
        gid=os.getgid(),
        home=Path.home(),
        environ=dict(os.environ),
        repository=repository(Path.home() / ".cache" / "cvl"),
    )


def repository(cache: Path) -> Path:
    """The folder that holds the package `cvl` and nothing else a job could import by mistake."""
    package = Path(__file__).parent
    if (package.parent / "pyproject.toml").is_file():
        return package.parent
    alone = cache / f"package-{contract.VERSION}"
    alone.mkdir(parents=True, exist_ok=True)
    if not (alone / "cvl").is_dir():
        _mirror(package, alone / "cvl")
    return alone


def default_output(example: Example) -> Path:
    """The example's outputs/; where the catalogue is installed and not checked out, a folder here."""
    if Path(__file__).parent in example.folder.parents:
        return Path.cwd() / "outputs" / example.name
    return example.folder / Path(contract.OUTPUTS).name


def check_data(example: Example, preset: Preset, settings: Mapping[str, Setting]) -> None:
    """Looks the user's data over before anything starts; DataError lists what is wrong with it.

    The preset that shows what is wrong is started all the same.
    """
    data = settings.get(contract.DATA_DIR)
    if data is None or not data.value or data.source in OWN or not example.data_formats:
        return
    from cvl.formats import boxes, masks
    from cvl.formats.dataset import refuse

    allowed = settings["MAX_BAD"].value if "MAX_BAD" in settings else 0
    folder = Path(str(data.value))
    found = masks.read(folder) if "masks" in example.data_formats else boxes.read(folder)
    if preset.name == example.inspect:
        return
    try:
        refuse(found.problems, int(allowed or 0))
    except DataError as error:
        more = f"; `cvl run {example.name} {example.inspect} --data {data.value}` shows all" if example.inspect else ""
        raise DataError(error.message, hint=error.hint + more) from None
    for note in found.notes:
        console.say(f"data: {note}")


def check_output(plan: Plan) -> None:
    """UsageError where the run's folder cannot be made, found before anything starts."""
    folder = plan.run_folder
    above = next(path for path in (folder, *folder.parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        reason = "is not writable" if above.is_dir() else "is no folder"
        raise UsageError(f"cannot write {folder}: {above} {reason}", hint="--output DIR puts runs elsewhere")


def choose(name: str, plan: Plan, *, python: str, accept_versions: bool) -> Engine:
    """The engine called `name`; `auto` is docker where it can serve the plan, else local, said aloud."""
    if python and not shutil.which(python):
        raise UsageError(f"--python {python}: there is no such program", hint="give the path of a Python interpreter")
    local = LocalEngine(python=python, accept_versions=accept_versions)
    if name == "local" or (name == "auto" and python):
        return _serving(local, plan)
    docker = engines.get("docker" if name == "auto" else name)
    reason = docker.refusal(plan)
    if not reason:
        return docker
    if name != "auto":
        raise EngineError(f"the engine {name} cannot serve: {reason}", hint="--engine local needs no container engine")
    console.say(f"engine: local ({reason})")
    return _serving(local, plan)


def _serving(engine: Engine, plan: Plan) -> Engine:
    reason = engine.refusal(plan)
    if reason:
        raise EngineError(f"the engine {engine.NAME} cannot serve: {reason}", hint="--gpus none trains on the CPU")
    return engine


def run(
    job: Job, engine: Engine, sink: Callable[[bytes], None], *, show: Callable[[str], None] | None = None
) -> tuple[Record, Judgement | None]:
    """Runs the job to its end and judges what it logged; the record is on disk from the start.

    `show` is told how the metrics stand while the job runs.
    """
    folder = job.plan.run_folder
    before = _Before(folder)
    record = _begin(job, engine)
    watch = live.Watch(
        folder, partial(_judged, job, record, Memory()), abort=job.abort_on_fail, show=show, say=console.say
    )
    beside = watch.beside if job.abort_on_fail or show else unwatched
    started = None
    try:
        record.environment = dict(engine.prepare(job.plan, console.say))
        record.command = engine.command(job.plan)
        runs.save(folder, record)
        started = time.monotonic()  # what was built or installed for it is not the job
        with _logged(folder, sink) as output:
            outcome = supervise(lambda: engine.start(job.plan), output, timeout=job.plan.timeout, beside=beside)
    except (KeyboardInterrupt, EngineError, OSError) as error:
        record.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        record.ended = runs.now()
        if isinstance(error, EngineError):
            record.post_mortem = asdict(postmortem.explain(error.exit_code, tail=error.message.encode()))
        runs.save(folder, record)
        if started is None:
            before.restore()
        raise
    record.seconds = round((record.seconds or 0) + time.monotonic() - started, 1)
    judgement = _conclude(job, record, outcome, live.reason(watch.stopped_by) if watch.stopped_by else "")
    if record.status == "failed" and record.exit_code == UsageError.exit_code and not before.logged_since():
        record.reason = _REFUSED
    runs.save(folder, record)
    if refused(record):
        before.restore()
    return record, judgement


def refused(record: Record) -> bool:
    """Whether the job would not start: what it was asked for is wrong, or does not fit the run to go on with."""
    return record.reason == _REFUSED


class _Before:
    """What a job that does not start must leave as it was: the record of the run to go on with, and `latest`."""

    def __init__(self, folder: Path) -> None:
        self._record, self._latest = folder / contract.RECORD, folder.parent / runs.LATEST
        self._content = self._record.read_bytes() if self._record.is_file() else b""
        self._target = self._latest.readlink().name if self._latest.is_symlink() else ""
        self._metrics = folder / contract.METRICS
        self._size = self._logged()

    def _logged(self) -> int:
        return self._metrics.stat().st_size if self._metrics.is_file() else 0

    def logged_since(self) -> bool:
        return self._logged() != self._size

    def restore(self) -> None:
        if self._content:
            temporary = self._record.with_name(f".{self._record.name}.before")
            temporary.write_bytes(self._content)
            os.replace(temporary, self._record)
        if self._target:
            runs.point_latest(self._latest.parent, self._target)


def script_command(example: Example, preset: Preset, arguments: tuple[str, ...]) -> list[str]:
    """How a preset that is only a script is started on the host."""
    script = example.folder / preset.script
    if not script.resolve().is_relative_to(example.folder):
        raise UsageError(f"the preset {preset.name} points outside its folder: {preset.script}")
    if not script.is_file():
        raise UsageError(f"the preset {preset.name} names {preset.script}, which does not exist in {example.folder}")
    return ["bash", str(script), *arguments]


def run_script(words: list[str]) -> int:
    """Runs what `script_command` made; its exit code."""
    console.say(f"running {Path(words[1]).name} on this machine")
    process = subprocess.Popen(words)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # SIGINT reaches it through the terminal, SIGTERM must be passed on
            process.terminate()


def exit_code(record: Record, *, strict: bool) -> int:
    """The process's exit code, from how the run ended."""
    if record.status == "interrupted":
        return Interrupted.exit_code
    if record.status == "stopped" or record.verdict == "fail" or (strict and record.health_only):
        return MetricsError.exit_code
    if record.exit_code == 0 and record.status == "done":
        return 0
    return UsageError.exit_code if record.exit_code == UsageError.exit_code else JobError.exit_code


def _mirror(package: Path, target: Path) -> None:
    """Copies what a job imports of an installed cvl, so that nothing else of site-packages comes along."""
    parts = ("__init__.py", "contract.py", "errors.py", "params.py", "formats", "kit")
    temporary = Path(tempfile.mkdtemp(dir=target.parent))
    for name in parts:
        source = package / name
        if source.is_dir():
            shutil.copytree(source, temporary / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, temporary / name)
    try:
        os.replace(temporary, target)
    except OSError:  # another process was quicker, or an earlier call did it
        shutil.rmtree(temporary)


def _begin(job: Job, engine: Engine) -> Record:
    plan, folder = job.plan, job.plan.run_folder
    resumed = (folder / contract.RECORD).is_file()
    try:
        for path in (plan.folder / Path(contract.OUTPUTS).name, folder / "logs"):
            path.mkdir(parents=True, exist_ok=True)
        for mount in plan.mounts:
            if not mount.source.exists():
                mount.source.mkdir(parents=True)
        record = runs.load(folder) if resumed else Record(plan.run, plan.example, plan.preset)
        record.status, record.engine, record.pid = "running", engine.NAME, os.getpid()
        record.started = record.started or runs.now()
        record.resumes += [runs.now()] if resumed else []
        record.parameters = {n: {"value": s.value, "source": s.source} for n, s in job.settings.items()}
        record.mounts = [{"source": str(m.source), "target": m.target, "read_only": m.read_only} for m in plan.mounts]
        record.git = machine.git_state(plan.folder)
        record.content_hash = machine.content_hash(plan.folder)
        now = proof.of(job.example, job.preset)
        record.proof = now if not resumed or now == record.proof else {}
        record.hardware = machine.hardware()
        runs.save(folder, record)
        runs.point_latest(folder.parent, plan.run)
    except OSError as error:
        raise UsageError(
            f"cannot write {error.filename or folder}: {error.strerror}",
            hint="--output DIR puts runs elsewhere; HOME must be writable for the caches",
        ) from None
    return record


def _conclude(job: Job, record: Record, outcome: Outcome, reason: str) -> Judgement | None:
    """Puts into the record how the job ended: what its logs are worth, or where it failed, why."""
    record.ended = runs.now()
    record.exit_code = outcome.exit_code
    record.status, record.reason, record.post_mortem = _status(outcome), reason, {}
    folder = job.plan.run_folder
    if record.status == "failed" and outcome.exit_code != MetricsError.exit_code:
        tail = runs.tail(folder / contract.TRAIN_LOG, postmortem.TAIL_BYTES)
        record.post_mortem = asdict(postmortem.explain(outcome.exit_code, oom_killed=outcome.oom_killed, tail=tail))
        return None
    if record.status in ("interrupted", "timed_out"):
        return None
    judgement = _judged(job, record)
    verdict.keep(record, judgement, folder)
    if record.status != "done":
        record.verdict = "fail"
    return judgement


def _judged(job: Job, record: Record, memory: Memory | None = None) -> Judgement:
    return verdict.of_run(job.example, job.preset, record, job.plan.run_folder, strict=job.strict, memory=memory)


def _status(outcome: Outcome) -> str:
    if outcome.interrupted:
        return "interrupted"
    if outcome.timed_out:
        return "timed_out"
    return "stopped" if outcome.aborted else "failed" if outcome.exit_code else "done"


@contextmanager
def _logged(folder: Path, sink: Callable[[bytes], None]) -> Iterator[Callable[[bytes], None]]:
    """A sink that also writes logs/train.log; a full disk costs the log, never the job."""
    with (folder / contract.TRAIN_LOG).open("ab", buffering=0) as log:
        full = False

        def write(chunk: bytes) -> None:
            nonlocal full
            sink(chunk)
            try:
                if not full:
                    log.write(chunk)
            except OSError as error:
                full = True
                console.say(f"cannot go on writing {contract.TRAIN_LOG}: {error.strerror}")

        yield write


def to_stream(stream: Any) -> Callable[[bytes], None]:
    """Raw bytes to a text stream's buffer at once, carriage returns and all; a closed pipe is no reason to stop."""

    def write(chunk: bytes) -> None:
        try:
            stream.buffer.write(chunk)
            stream.buffer.flush()
        except (BrokenPipeError, ValueError):
            return

    return write
