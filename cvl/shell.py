"""The parts of build.sh and train.sh that are the same for every example; bash 3.2, which macOS has, runs them."""

from __future__ import annotations

from cvl import contract

SCRIPT_DIR = """\
unset CDPATH
SCRIPT_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
"""

REPO_ROOT = """\
REPO_ROOT=$SCRIPT_DIR
until [ -f "$REPO_ROOT/cvl/contract.py" ]; do
  [ "$REPO_ROOT" != / ] || { echo "train.sh: no folder above $SCRIPT_DIR holds the package cvl" >&2; exit 2; }
  REPO_ROOT=$(dirname -- "$REPO_ROOT")
done
"""

HELPERS = """\
args=(--rm --init)
fail() { echo "train.sh: $2" >&2; exit "$1"; }
is_set() { [ -n "${!1+x}" ]; }
absolute() { if [ -d "$1" ]; then (cd -- "$1" && pwd); else echo "$(absolute "$(dirname -- "$1")")/${1##*/}"; fi; }
"""

ENGINE = """\
command -v docker >/dev/null || fail 4 'the docker command is missing'
docker version --format '{{.Server.Version}}' >/dev/null || exit 4
if ! docker image inspect "$IMG" >/dev/null 2>&1; then
  echo "the image $IMG is not there: building it (once, some minutes)" >&2
  bash "$SCRIPT_DIR/build.sh" >&2
fi
"""

TAKE = """\
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
"""

DOTENV = """\
# .env sets what the environment leaves unset.
line_of_dotenv='^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*[^[:space:]])?'
if [ -f "$SCRIPT_DIR/.env" ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ $line_of_dotenv ]] || continue
    name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]-}
    case $value in
      \\"*\\" | \\'*\\') value=${value:1:${#value}-2} ;;
      *) value=${value%%[[:space:]]#*} value=${value%"${value##*[![:space:]]}"} ;;
    esac
    case " ${PARAMETERS[*]} " in *" $name "*) is_set "$name" || export "$name=$value" ;; esac
  done <"$SCRIPT_DIR/.env"
fi
"""

OUTPUTS = f"""\
# OUTPUT_DIR is the folder of this run; where it is unset, the job makes one.
OUTPUTS=$SCRIPT_DIR/outputs
mkdir -p -- "$OUTPUTS" "${{HOME}}/.cache/huggingface" "${{HOME}}/.cache/cvl"
if [ -n "${{OUTPUT_DIR-}}" ]; then
  mkdir -p -- "$OUTPUT_DIR"
  OUTPUT_DIR=$(absolute "$OUTPUT_DIR")
  OUTPUTS=$(dirname -- "$OUTPUT_DIR")
  export OUTPUT_DIR={contract.OUTPUTS}/${{OUTPUT_DIR##*/}}
else
  unset OUTPUT_DIR
fi
"""

MOUNT_PATH = f"""\
# mount_path NAME TARGET [PATTERN…]: the path in NAME appears at TARGET, read-only; what fits a PATTERN is no path.
mount_path() {{
  local name=$1 target=$2 path=${{!1-}} pattern q='"'
  shift 2
  [ -n "$path" ] || return 0
  for pattern in "$@"; do
    # shellcheck disable=SC2254
    case $path in $pattern) return 0 ;; esac
  done
  [ -e "$path" ] || fail 2 "$name: $path does not exist"
  path=$(absolute "$path")
  case $path in
    "$OUTPUTS"/*) target={contract.OUTPUTS}/${{path#"$OUTPUTS"/}} ;;
    *)
      case $target in */) target=$target${{path##*/}} ;; esac
      args+=(--mount "type=bind,${{q}}src=${{path//$q/$q$q}}$q,${{q}}dst=${{target//$q/$q$q}}$q,readonly")
      ;;
  esac
  export "$name=$target"
}}
"""

USER = """\
# The caller's user, so that nothing on this machine ends up owned by root; a rootless engine sees to that itself.
case $info in *name=rootless*) ;; *) args+=(--user "$(id -u):$(id -g)") ;; esac
"""

TTY = """\
if [ -t 0 ] && [ -t 1 ]; then args+=(--interactive --tty); fi
"""
