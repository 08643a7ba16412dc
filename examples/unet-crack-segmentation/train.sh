#!/usr/bin/env bash
# Trains unet-crack-segmentation in its container; `cvl run unet-crack-segmentation train` also judges the result.
#   bash train.sh                    on the data that the example ships
#   BATCH_SIZE=2 bash train.sh       parameters come from the environment, or from .env beside this file,
#   bash train.sh --batch-size 2     or as arguments; paths of this machine only from the environment
# Written by `cvl render` from example.yaml and the Dockerfile: change those.
set -euo pipefail

unset CDPATH
SCRIPT_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
REPO_ROOT=$SCRIPT_DIR
until [ -f "$REPO_ROOT/cvl/contract.py" ]; do
  [ "$REPO_ROOT" != / ] || { echo "train.sh: no folder above $SCRIPT_DIR holds the package cvl" >&2; exit 2; }
  REPO_ROOT=$(dirname -- "$REPO_ROOT")
done

args=(--rm --init)
fail() { echo "train.sh: $2" >&2; exit "$1"; }
is_set() { [ -n "${!1+x}" ]; }
absolute() { if [ -d "$1" ]; then (cd -- "$1" && pwd); else echo "$(absolute "$(dirname -- "$1")")/${1##*/}"; fi; }

# The image's name follows from everything that goes into it.
BASE_IMAGE=${BASE_IMAGE:-python:3.11.14-slim-bookworm}
APT_PACKAGES=${APT_PACKAGES:-}
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
content() {
  (cd -- "$SCRIPT_DIR" && cat -- Dockerfile requirements.txt)
  printf '%s\n' "BASE_IMAGE=$BASE_IMAGE" "APT_PACKAGES=$APT_PACKAGES"
}
IMG=cvl/unet-crack-segmentation:$(content | sha256 | cut -c 1-12)

# Parameters, and their other names.
PARAMETERS=(
  MODEL ENCODER WEIGHTS EMBED_DIM DATA_DIR DATASET ARCHIVE OUTPUT_DIR EXPERIMENT_NAME RESUME NUM_EPOCHS BATCH_SIZE
  GRAD_ACCUM CROPS LOSS POS_WEIGHT LR OPTIMIZER WEIGHT_DECAY SCHEDULER STEP_SIZE GAMMA WARMUP_EPOCHS PATIENCE
  EARLY_STOP_METRIC PRECISION GRAD_CLIP GRAD_CHECKPOINT COMPILE EMA IMAGE_SIZE OVERLAP AUGMENT NUM_WORKERS CACHE
  VAL_EVERY SAVE_EVERY KEEP SEED DETERMINISTIC MAX_TRAIN_SAMPLES MAX_BAD DEVICES LOG_GPU_MEMORY METRICS THRESHOLD
  CHECKPOINT SPLIT SAVE_PREDICTIONS SAVE_CONFUSION_MATRIX SAVE_PROBABILITIES SOURCE NUM_SAMPLES EXPORT_FORMAT LR_MIN
  LR_MAX LR_STEPS MAX_BATCH_SIZE NUM_PICTURES PICTURE_SIZE EMPTY_SHARE JPEG_QUALITY MODEL_ID TRAIN_DATA EPOCHS
)

# take NAME ALIAS [SAID=MEANT…]: another name of a parameter counts where its own name is unset.
take() {
  local name=$1 alias=$2 value=${!2-} pair
  shift 2
  is_set "$alias" || return 0
  for pair in "$@"; do
    [ "$(printf %s "$value" | tr '[:upper:]' '[:lower:]')" != "${pair%%=*}" ] || value=${pair#*=}
  done
  is_set "$name" || export "$name=$value"
  unset "$alias"
}
take_all() {
  take MODEL MODEL_ID
  take DATA_DIR TRAIN_DATA
  take NUM_EPOCHS EPOCHS
}
take_all

# .env sets what the environment leaves unset.
line_of_dotenv='^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*[^[:space:]])?'
if [ -f "$SCRIPT_DIR/.env" ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ $line_of_dotenv ]] || continue
    name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]-}
    case $value in
      \"*\" | \'*\') value=${value:1:${#value}-2} ;;
      *) value=${value%%[[:space:]]#*} value=${value%"${value##*[![:space:]]}"} ;;
    esac
    case " ${PARAMETERS[*]} " in *" $name "*) is_set "$name" || export "$name=$value" ;; esac
  done <"$SCRIPT_DIR/.env"
fi
take_all

# OUTPUT_DIR is the folder of this run; where it is unset, the job makes one.
OUTPUTS=$SCRIPT_DIR/outputs
mkdir -p -- "$OUTPUTS" "${HOME}/.cache/huggingface" "${HOME}/.cache/cvl"
if [ -n "${OUTPUT_DIR-}" ]; then
  mkdir -p -- "$OUTPUT_DIR"
  OUTPUT_DIR=$(absolute "$OUTPUT_DIR")
  OUTPUTS=$(dirname -- "$OUTPUT_DIR")
  export OUTPUT_DIR=/workspace/outputs/${OUTPUT_DIR##*/}
else
  unset OUTPUT_DIR
fi

# mount_path NAME TARGET [PATTERN…]: the path in NAME appears at TARGET, read-only; what fits a PATTERN is no path.
mount_path() {
  local name=$1 target=$2 path=${!1-} pattern q='"'
  shift 2
  [ -n "$path" ] || return 0
  for pattern in "$@"; do
    # shellcheck disable=SC2254
    case $path in $pattern) return 0 ;; esac
  done
  [ -e "$path" ] || fail 2 "$name: $path does not exist"
  path=$(absolute "$path")
  case $path in
    "$OUTPUTS"/*) target=/workspace/outputs/${path#"$OUTPUTS"/} ;;
    *)
      case $target in */) target=$target${path##*/} ;; esac
      args+=(--mount "type=bind,${q}src=${path//$q/$q$q}$q,${q}dst=${target//$q/$q$q}$q,readonly")
      ;;
  esac
  export "$name=$target"
}
mount_path WEIGHTS /inputs/WEIGHTS/ none imagenet
mount_path DATA_DIR /data
mount_path ARCHIVE /inputs/ARCHIVE/
mount_path RESUME /inputs/RESUME/
mount_path CHECKPOINT /inputs/CHECKPOINT/
mount_path SOURCE /inputs/SOURCE/

# What crosses into the container where it is set: parameters, secrets, and a few names that every job gets.
SECRETS=(
  WANDB_API_KEY
)
PASSED=(
  CUDA_VISIBLE_DEVICES CUDA_LAUNCH_BLOCKING LOG_LEVEL WANDB_PROJECT WANDB_MODE MLFLOW_TRACKING_URI HF_HUB_OFFLINE
  HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy "${!NCCL_@}" "${!PYTORCH_@}"
)
for name in "${PARAMETERS[@]}" "${SECRETS[@]}" "${PASSED[@]}"; do
  ! is_set "$name" || args+=(--env "$name")
done

command -v docker >/dev/null || fail 4 'the docker command is missing'
docker version --format '{{.Server.Version}}' >/dev/null || exit 4
if ! docker image inspect "$IMG" >/dev/null 2>&1; then
  echo "the image $IMG is not there: building it (once, some minutes)" >&2
  bash "$SCRIPT_DIR/build.sh" >&2
fi

info=$(docker info --format '{{json .}}')
missing=
if [ ! -e /proc/driver/nvidia/version ] && [ ! -e /dev/nvidiactl ] && [ ! -e /dev/dxg ]; then
  missing='driver, the NVIDIA kernel module is not loaded'
elif [[ $info == *'"nvidia":{'* ]] || command -v nvidia-container-runtime-hook >/dev/null; then
  args+=(--gpus all)
elif [[ $info == *nvidia.com/gpu* ]]; then
  args+=(--device nvidia.com/gpu=all)
elif command -v nvidia-container-runtime >/dev/null || command -v nvidia-ctk >/dev/null; then
  missing='engine configuration, Docker has no nvidia runtime; run nvidia-ctk runtime configure, restart it'
else
  missing='toolkit, nvidia-container-toolkit is not installed'
fi
if [ -n "$missing" ]; then
  echo "no GPU for the container (missing: $missing): training on the CPU" >&2
fi

# The caller's user, so that nothing on this machine ends up owned by root; a rootless engine sees to that itself.
case $info in *name=rootless*) ;; *) args+=(--user "$(id -u):$(id -g)") ;; esac

if [ -t 0 ] && [ -t 1 ]; then args+=(--interactive --tty); fi

exec docker run "${args[@]}" \
  --workdir /workspace \
  --shm-size 8192m \
  --security-opt no-new-privileges \
  --label cvl.example=unet-crack-segmentation \
  --label cvl.preset=train \
  --mount "type=bind,src=${SCRIPT_DIR},dst=/workspace" \
  --mount "type=bind,src=${REPO_ROOT},dst=/cvlization_repo,readonly" \
  --mount "type=bind,src=${HOME}/.cache/huggingface,dst=/root/.cache/huggingface" \
  --mount "type=bind,src=${HOME}/.cache/cvl,dst=/root/.cache/cvl" \
  --mount "type=bind,src=${OUTPUTS},dst=/workspace/outputs" \
  --env "PYTHONPATH=/cvlization_repo" \
  --env "PYTHONUNBUFFERED=1" \
  --env "HF_HOME=/root/.cache/huggingface" \
  --env "TORCH_HOME=/root/.cache/cvl/torch" \
  --env "MPLCONFIGDIR=/root/.cache/cvl/matplotlib" \
  --env "YOLO_CONFIG_DIR=/root/.cache/cvl/ultralytics" \
  --env "TORCHINDUCTOR_CACHE_DIR=/root/.cache/cvl/inductor" \
  --env "CVL_CACHE=/root/.cache/cvl" \
  --env "HOME=/tmp" \
  --env "USER=cvl" \
  "$IMG" python train.py "$@"
