#!/usr/bin/env bash
# Builds the image of unet-crack-segmentation: the environment only, the code is mounted.
#   bash build.sh [OPTIONS OF docker build…]; BASE_IMAGE, APT_PACKAGES in the environment replace the defaults
# Written by `cvl render` from example.yaml and the Dockerfile: change those.
set -euo pipefail

unset CDPATH
SCRIPT_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

# The image's name follows from everything that goes into it.
BASE_IMAGE=${BASE_IMAGE:-python:3.11.14-slim-bookworm}
APT_PACKAGES=${APT_PACKAGES:-}
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
content() {
  (cd -- "$SCRIPT_DIR" && cat -- Dockerfile requirements.txt)
  printf '%s\n' "BASE_IMAGE=$BASE_IMAGE" "APT_PACKAGES=$APT_PACKAGES"
}
IMG=cvl/unet-crack-segmentation:$(content | sha256 | cut -c 1-12)

# Nothing else goes to Docker, so that nothing else can change the image.
context=$(mktemp -d)
trap 'rm -rf -- "$context"' EXIT
tar -C "$SCRIPT_DIR" -cf - Dockerfile requirements.txt | tar -C "$context" -xf -

if docker buildx version >/dev/null 2>&1; then export DOCKER_BUILDKIT=1; fi
docker build --force-rm \
  --tag "$IMG" \
  --build-arg "BASE_IMAGE=$BASE_IMAGE" \
  --build-arg "APT_PACKAGES=$APT_PACKAGES" \
  "$@" "$context"

echo "built $IMG" >&2
