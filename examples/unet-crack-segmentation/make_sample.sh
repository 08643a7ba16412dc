#!/usr/bin/env bash
# Makes the shipped sample, cvl/kit/samples/cracks: 144 pictures of generated cracks on textures of scikit-image.
# Usage: make_sample.sh FOLDER   (wants the Python packages of requirements.txt; FOLDER must not hold one already)
set -euo pipefail

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
TARGET="${1:?usage: make_sample.sh FOLDER}"
PYTHON="${PYTHON:-python3}"

export PYTHONPATH="$HERE/../..${PYTHONPATH:+:$PYTHONPATH}"
export OUTPUT_DIR="$TARGET" SEED=0 NUM_PICTURES=96,24,24 PICTURE_SIZE=320 EMPTY_SHARE=0.06 JPEG_QUALITY=85
"$PYTHON" "$HERE/generate.py"
