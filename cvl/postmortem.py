"""Why a job failed, from its exit code, what the engine saw and the end of its log: one cause, one fix. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

TAIL_BYTES = 1 << 16
UNKNOWN = "unknown"
SAID = "said"  # by the job itself
_SHOWN_LINES = 12
_SHOWN_WIDTH = 300
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


_TRACEBACK = "Traceback (most recent call last)"
_FOLLOWS = re.compile(r"During handling of the above exception|The above exception was the direct cause")
_ELSEWHERE = re.compile(r"ChildFailedError|ProcessExitedException|CalledProcessError|exited unexpectedly|^={10}|^-{10}")
_SOURCE = re.compile(r"(\[rank\d+\]:)?  ")  # a frame of a traceback


@dataclass(frozen=True)
class Cause:
    """`evidence` is the line of the log that says so; where the cause is unknown, the end of the log."""

    cause: str
    what: str
    fix: str
    evidence: tuple[str, ...] = ()


class _Known(NamedTuple):
    what: str
    fix: str
    signs: str  # one of these in a line of the log


# Of several signs the last counts, and of those in one line the first here.
KNOWN = {
    "shared_memory": _Known(
        "shared memory (/dev/shm) is full, so a data-loading process died",
        "NUM_WORKERS=0, or more of it: `shm_gb` in the manifest's resources, `docker run --shm-size`",
        r"signal: Bus error|[Uu]nexpected bus error|unable to write to file </torch_|shared memory\(shm\)"
        r"|/dev/shm/\S*.*No space left|No space left.*/dev/shm/",
    ),
    "gpu_memory": _Known(
        "the GPU's memory is full",
        "halve BATCH_SIZE (GRAD_ACCUM=2 keeps the effective batch), a smaller IMAGE_SIZE or model, PRECISION=fp16;"
        " `nvidia-smi` shows what else runs on it",
        r"(CUDA|HIP) out of memory|CUDA error: out of memory|CU(DNN|BLAS)_STATUS_ALLOC_FAILED"
        r"|NVML_SUCCESS == r",  # the allocator asks NVML only to explain that memory is short
    ),
    "host_memory": _Known(
        "the machine's memory is full",
        "fewer NUM_WORKERS, a smaller BATCH_SIZE, no cache of the data in memory, or a machine (a container) with more",
        r"DefaultCPUAllocator: can't allocate memory|not enough memory: you tried to allocate|ArrayMemoryError"
        r"|^MemoryError|std::bad_alloc|signal: Killed|\[Errno 12\] Cannot allocate memory",
    ),
    "no_kernel_image": _Known(
        "this PyTorch was not built for this GPU",
        "an image whose PyTorch knows the GPU (`torch.cuda.get_arch_list()` tells): another BASE_IMAGE, or another GPU",
        r"no kernel image is available for execution|is not compatible with the current PyTorch installation",
    ),
    "driver_too_old": _Known(
        "the NVIDIA driver is older than this image's CUDA needs",
        "update the driver on the host, or take an image with an older CUDA: another BASE_IMAGE",
        r"NVIDIA driver on your system is too old|unsatisfied condition: cuda|CUDA driver version is insufficient"
        r"|forward compatibility was attempted on non supported HW",
    ),
    "nvml_lost": _Known(
        "the container has lost the GPU, or the driver was updated under it",
        "start the run again (--resume); where `nvidia-smi` fails on the host too, restart the machine",
        r"Failed to initialize NVML|nvml error:|Can't initialize NVML|NVMLError"
        r"|CUDA unknown error|Unable to determine the device handle for GPU|GPU is lost|fallen off the bus",
    ),
    "no_gpu": _Known(
        "the job wants a GPU and sees none",
        "`nvidia-smi` on the host tells whether the driver works; --gpus none trains on the CPU",
        r"No CUDA GPUs are available|Found no NVIDIA driver|Torch not compiled with CUDA enabled"
        r"|no CUDA-capable device is detected|Invalid CUDA 'device=",
    ),
    "device_assert": _Known(
        "a check on the GPU failed: nearly always an index or a class beyond what the model has",
        "compare the labels with the number of classes; `--gpus none` or CUDA_LAUNCH_BLOCKING=1 names the line",
        r"device-side assert triggered|Assertion `.*` failed\.?$",
    ),
    "not_finite": _Known(
        "the loss or a gradient became NaN or infinite",
        "a lower LR, gradient clipping, bf16 or fp32 in place of fp16; look for empty boxes and masks",
        r"Loss became infinite or NaN|[Ll]oss is (nan|inf|-inf)|returned nan values in its|is non-finite, so"
        r"|NaN or Inf found in|Training failed: NaN|contains? NaN, infinity|Loss is NaN|Loss NaN/Inf",
    ),
    "disk_full": _Known(
        "the disk is full",
        "make room (`df -h`), or --output DIR puts runs on another disk",
        r"No space left on device|Errno 28|Disk quota exceeded|file write failed|unexpected pos \d+ vs \d+",
    ),
    "hub_access": _Known(
        "the hub refuses this model: its terms are not accepted, the token is missing, or the name is wrong",
        "accept the terms on the model's page and set HF_TOKEN, or check the name",
        r"gated repo|GatedRepo|RepositoryNotFoundError|is not a valid model identifier|(401|403) Client Error"
        r"|Invalid (credentials|username or password|user token)|Repository Not Found",
    ),
    "hub_unreachable": _Known(
        "weights or data could not be fetched: no way to the server",
        "check the network and proxies (HTTPS_PROXY), or fetch them where there is one and share the caches",
        r"couldn't connect to '|LocalEntryNotFoundError|OfflineModeIsEnabled|offline mode is enabled"
        r"|urlopen error|Max retries exceeded|Temporary failure in name resolution|Name or service not known"
        r"|(requests|httpx|urllib3)\.\S*(Connect|Timeout|Proxy)\S*(:|$)|(5\d\d|429) (Server|Client) Error",
    ),
    "missing_library": _Known(
        "a shared library of the system is missing",
        "install it in the Dockerfile (libGL.so.1: opencv-python-headless in place of opencv-python needs none)",
        r"cannot open shared object file|version `\S+' not found \(required by|undefined symbol:",
    ),
    "missing_module": _Known(
        "a Python package is missing, or has another version than the code expects",
        "name it with its version in requirements.txt; --python runs in an environment of your own",
        r"ModuleNotFoundError|ImportError: cannot import name|PackageNotFoundError",
    ),
    "port_in_use": _Known(
        "the port over which the processes meet is taken",
        "MASTER_PORT=<a free one>, or end the run that holds it",
        r"EADDRINUSE|[Aa]ddress already in use",
    ),
    "permission": _Known(
        "the job may not read or write a file",
        "give the file to your user: what a container made as root, `sudo chown -R $(id -u) FOLDER`",
        r"PermissionError|\[Errno 13\]|EACCES|Read-only file system|Operation not permitted",
    ),
    "checkpoint": _Known(
        "the checkpoint does not fit the model, or is damaged",
        "the same model, size and number of classes as when it was saved, or train from the start",
        r"Error\(s\) in loading state_dict|size mismatch for |PytorchStreamReader failed|invalid load key"
        r"|Weights only load failed|failed finding central directory",
    ),
    "data": _Known(
        "the data is not what the code expects: a broken or missing file, a class or a size out of place",
        "look at the file or value that the message names; `--data DIR` has the data checked before the start",
        r"UnidentifiedImageError|image file is truncated|broken (PNG|data stream)|Truncated File Read"
        r"|Target -?\d+ is out of bounds|stack expects each tensor to be equal size|num_samples should be a positive"
        r"|FileNotFoundError|No images found|images? not found|Dataset .* (error|not found)|cannot identify image"
        r"|All bounding boxes should have positive",
    ),
}
_CRASH = Cause(
    "crash",
    "native code crashed, with no word from Python",
    "PYTHONFAULTHANDLER=1 (--env PYTHONFAULTHANDLER) names the line; do the packages fit each other and this CPU?",
)
_NO_WORD = "killed (137), nearly always by the kernel because the machine's memory is full"
_SIGNALS = {132: "crash", 134: "crash", 135: "shared_memory", 136: "crash", 137: "host_memory", 139: "crash"}


def explain(exit_code: int, *, oom_killed: bool | None = None, tail: bytes = b"") -> Cause:
    """Why a job ended with `exit_code`; `tail` is the end of what it wrote."""
    lines = _lines(tail)
    if oom_killed:
        return _known("host_memory", "the kernel ended the job: its memory is full")
    if exit_code == 137:
        return _known("host_memory", _NO_WORD)
    return _said(lines) or _signed(lines) or _signalled(exit_code) or _unknown(lines)


def words(kept: Mapping[str, Any]) -> str:
    """A cause as a run record keeps it, in a few lines; the record is a file that anybody may have written."""
    name, what, fix = (str(kept.get(key, "")) for key in ("cause", "what", "fix"))
    lines = [f"cause: {what}" + (f" ({name})" if name != UNKNOWN else "")]
    lines += [f"  {line}" for line in kept.get("evidence", ())] + ([f"fix: {fix}"] if fix else [])
    return "\n".join(map(_printable, lines))


def _said(lines: list[str]) -> Cause | None:
    """What one of our own jobs says of its end: `error: …`, `hint: …`."""
    start = next((i for i in reversed(range(len(lines))) if lines[i].startswith("error: ")), None)
    if start is None or any(_TRACEBACK in line for line in lines[start:]):
        return None
    hints = [line.removeprefix("hint: ") for line in lines[start:] if line.startswith("hint: ")]
    if known := _matching(lines[start]):
        return known
    return Cause(SAID, _short(lines[start].removeprefix("error: ")), _short(hints[-1]) if hints else "")


def _signed(lines: list[str]) -> Cause | None:
    last = _last_traceback(lines)
    if last and not _ELSEWHERE.search(last[-1]):
        lines = last
    words = (line for line in reversed(lines) if not _SOURCE.match(line) and "Warning: " not in line)
    return next(filter(None, map(_matching, words)), None)


def _matching(line: str) -> Cause | None:
    name = next((name for name, known in KNOWN.items() if re.search(known.signs, line)), None)
    return _known(name, evidence=line) if name else None


def _last_traceback(lines: list[str]) -> list[str]:
    """What comes from the last traceback on, with those that it says it follows from; empty where there is none."""
    starts = [i for i, line in enumerate(lines) if _TRACEBACK in line]
    while len(starts) > 1 and _FOLLOWS.search(lines[starts[-1] - 1]):
        starts.pop()
    return lines[starts[-1] :] if starts else []


def _signalled(exit_code: int) -> Cause | None:
    name = _SIGNALS.get(exit_code)
    return _CRASH if name == "crash" else _known(name) if name else None


def _unknown(lines: list[str]) -> Cause:
    fix = "the whole output is in logs/train.log"
    return Cause(UNKNOWN, "unknown", fix, tuple(map(_short, lines[-_SHOWN_LINES:])))


def _known(name: str, what: str = "", *, evidence: str = "") -> Cause:
    known = KNOWN[name]
    return Cause(name, what or known.what, known.fix, (_short(evidence),) if evidence else ())


def _lines(tail: bytes) -> list[str]:
    """Foreign text made fit for a terminal: no escape sequence, a carriage return ends a line."""
    text = _ESCAPE.sub("", tail.decode("utf-8", "replace"))
    lines = (_printable(line).rstrip() for line in text.splitlines())
    return [line for line in lines if line]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _short(line: str) -> str:
    line = line.strip()
    return line if len(line) <= _SHOWN_WIDTH else f"{line[:_SHOWN_WIDTH]}…"
