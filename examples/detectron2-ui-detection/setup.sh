#!/usr/bin/env bash
# Installs Detectron2 for the interpreter PYTHON: bash setup.sh PYTHON
# DETECTRON2 (a git address, a folder or a wheel) installs that instead, for example the upstream package with compiled
# operators: DETECTRON2=git+https://github.com/facebookresearch/detectron2 (needs a compiler).
set -euo pipefail

PYTHON=$1
# Upstream publishes no package. This one (Apache-2.0) is its code of April 2024; its tag says CPython 3.10, its
# Python code runs on newer ones. The compiled part inside was made for another torch: it is left out.
PACKAGE=sal-detectron2==0.7.2

# An environment that uv made, or `venv --without-pip`, has no pip of its own.
if "$PYTHON" -m pip --version >/dev/null 2>&1; then
  install=("$PYTHON" -m pip install --upgrade)
elif command -v uv >/dev/null; then
  install=(uv pip install --python "$PYTHON")
else
  install=(python3 -m pip --python "$PYTHON" install --upgrade)
fi

if [ -n "${DETECTRON2:-}" ]; then
  echo "installing Detectron2 from $DETECTRON2" >&2
  exec "${install[@]}" --no-deps --no-build-isolation "$DETECTRON2"
fi
if "$PYTHON" -c 'from importlib.metadata import version; version("sal-detectron2")' 2>/dev/null; then
  exit 0
fi

site=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"${install[@]}" --no-deps --only-binary=:all: --python-version 3.10 --target "$site" "$PACKAGE"
rm -f -- "$site"/detectron2/_C*.so
