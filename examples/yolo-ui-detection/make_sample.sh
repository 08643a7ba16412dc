#!/usr/bin/env bash
# Makes the shipped sample: fetches five MIT-licensed packages of web pages with npm and captures a choice of them.
# Usage: make_sample.sh FOLDER   (wants npm, node, a Chromium and the Python packages of capture.py)
set -euo pipefail

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
TARGET="${1:?usage: make_sample.sh FOLDER}"
PYTHON="${PYTHON:-python3}"
WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT
mkdir -p "$WORK/sites"

fetch() { # PACKAGE FOLDER: the package's files in sites/FOLDER
    mkdir -p "$WORK/sites/$2"
    (cd "$WORK" && tar -xzf "$(npm pack --silent "$1")" -C "sites/$2" --strip-components=1)
}

keep() { # FOLDER PATTERN: of the pages in sites/FOLDER, only those whose path matches
    find "$WORK/sites/$1" -regextype posix-extended -name '*.html' ! -regex ".*/($2)\.html" -delete
}

fetch startbootstrap-sb-admin-2@4.1.4 sb-admin-2
keep sb-admin-2 'buttons|cards|forgot-password|index|login|register|tables'

fetch gentelella@4.2.0 gentelella-package
mv "$WORK/sites/gentelella-package/dist" "$WORK/sites/gentelella"
mv "$WORK/sites/gentelella-package/package.json" "$WORK/sites/gentelella/"
rm -r "$WORK/sites/gentelella-package"
keep gentelella 'production/(index|landing|profile|inbox|form[a-z_]*|general_elements|calendar|chat|contacts|file_manager|user_management|settings|playground|theme|orders|e_commerce|product_detail|notifications|tables_dynamic|widgets|login|register|verify_2fa)'

fetch @creative-tim-official/argon-dashboard-free@1.2.0 argon-dashboard
keep argon-dashboard 'examples/(dashboard|icons|login|profile|register|tables)'

fetch sneat-bootstrap-html-admin-template-free@1.0.0 sneat
keep sneat 'html/(index|forms?-[a-z-]+|pages-account-[a-z-]+|auth-[a-z-]+|cards-basic|tables-basic|ui-(dropdowns|buttons|list-groups|tabs-pills|navbar|pagination-breadcrumbs|modals|accordion|carousel))'

# AdminLTE publishes its plugins with a script of its own that needs its dependencies.
(cd "$WORK" && npm install --silent --no-audit --no-fund --ignore-scripts --prefix lte admin-lte@3.2.0 fs-extra)
(cd "$WORK/lte/node_modules/admin-lte" && node build/npm/Publish.js >/dev/null && cp -r . "$WORK/sites/admin-lte")
rm -rf "$WORK/sites/admin-lte/node_modules"
keep admin-lte 'index|widgets|kanban|UI/(general|buttons|sliders|modals)|forms/[a-z]+|tables/(data|jsgrid)|mailbox/(mailbox|compose)|search/enhanced|examples/(profile|e-commerce|project-add|contacts|contact-us|login|register-v2|invoice)'

export PYTHONPATH="$HERE/../..${PYTHONPATH:+:$PYTHONPATH}"
export PAGES_DIR="$WORK/sites" TEST_SITES=sneat OUTPUT_DIR="$TARGET"
export VIEWPORTS="${VIEWPORTS:-800x600,390x844,600x800}" COLOR_SCHEMES=light,dark SCROLLS="${SCROLLS:-6}" VAL_SHARE=0.2 SEED=0
export MAX_IMAGES="${MAX_IMAGES:-140,32,36}" MIN_INSTANCES=20 MIN_BOX=8 IMAGE_FORMAT=webp
"$PYTHON" "$HERE/capture.py"
