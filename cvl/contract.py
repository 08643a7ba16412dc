"""Names that the host and the job share: mount points, environment variables, file names."""

from __future__ import annotations

VERSION = "0.1.0"

WORKSPACE = "/workspace"
REPOSITORY = "/cvlization_repo"
OUTPUTS = f"{WORKSPACE}/outputs"
DATA = "/data"
INPUTS = "/inputs"
HF_CACHE = "/root/.cache/huggingface"
CVL_CACHE = "/root/.cache/cvl"

# Parameters with a meaning of their own: `--data`, `--output`/`--name`, `--resume`.
DATA_DIR = "DATA_DIR"
OUTPUT_DIR = "OUTPUT_DIR"
RESUME = "RESUME"

# JSON {NAME: source} for values that do not come from the caller's environment.
PARAM_SOURCES = "CVL_PARAM_SOURCES"
# Set by `cvl run`, which then writes logs/train.log; without it the job writes its own.
RUN = "CVL_RUN"

# Set in every job. Values are paths in the container; the local engine maps them to the host.
JOB_ENV = {
    "PYTHONPATH": REPOSITORY,
    "PYTHONUNBUFFERED": "1",
    "HF_HOME": HF_CACHE,
    "TORCH_HOME": f"{CVL_CACHE}/torch",
    "MPLCONFIGDIR": f"{CVL_CACHE}/matplotlib",
    "YOLO_CONFIG_DIR": f"{CVL_CACHE}/ultralytics",
    "TORCHINDUCTOR_CACHE_DIR": f"{CVL_CACHE}/inductor",
    "CVL_CACHE": CVL_CACHE,
}
# HOME and USER hold in a container only: the caller's uid has no entry in its passwd file.
CONTAINER_ENV = {"HOME": "/tmp", "USER": "cvl"}

# What else crosses over from the caller's environment; a trailing `*` matches any ending.
PASSED_ENV = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_LAUNCH_BLOCKING",
    "LOG_LEVEL",
    "NCCL_*",
    "PYTORCH_*",
    "WANDB_PROJECT",
    "WANDB_MODE",
    "MLFLOW_TRACKING_URI",
    "HF_HUB_OFFLINE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)

LABEL_RUN = "cvl.run"
LABEL_EXAMPLE = "cvl.example"
LABEL_PRESET = "cvl.preset"

MANIFEST = "example.yaml"
RECORD = "run.json"
CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
FINAL_METRICS = "metrics.json"
TRAIN_LOG = "logs/train.log"
CHECKPOINTS = "checkpoints"
EVALUATION = "evaluation/metrics.json"
NATIVE = "native"
PICTURES = "visualizations"
