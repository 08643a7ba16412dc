# shellcheck shell=bash
# Sourced by bin/cvl and bin/test: finds the tool's own Python environment, or makes it on the first call.
# shellcheck disable=SC2154 # they set `script` and `here`

repository=${here%/*}
cache=${XDG_CACHE_HOME:-${HOME:-~}/.cache}/cvl

say() { printf '%s: %s\n' "${0##*/}" "$1" >&2; }

# Prints the interpreter itself, not the name it was found by: a version manager's stand-in would change PATH for what follows.
find_python() {
  local candidate candidates=(python3 python3.{14,13,12,11,10})
  [[ -z ${CVL_PYTHON-} ]] || candidates=("$CVL_PYTHON")
  for candidate in "${candidates[@]}"; do
    "$candidate" -c 'import sys; print(sys.executable) if sys.version_info >= (3, 10) else sys.exit(1)' 2>/dev/null && return
  done
  say "Python 3.10 or newer is needed, and ${candidates[0]} is: $("${candidates[0]}" --version 2>&1 || true)"
  say "hint: install one (Debian, Ubuntu: apt install python3) or name one: CVL_PYTHON=/path/to/python3"
  return 4
}

# use_environment NAME EXTRAS ARGS…: sets `python`. Where there is no finished environment it makes one and starts the script
# afresh with ARGS, so that a call that finds one pays for two small processes only.
use_environment() {
  local name=$1 extras=$2 project wanted key base
  shift 2
  project=$(<"$repository/pyproject.toml")
  wanted=$(type -P "${CVL_PYTHON:-python3}" || true)
  key=$(cksum <<<"${project%%$'\n[tool.'*}$(readlink -f -- "${wanted:-/}")$MACHTYPE")
  environment=$cache/envs/$name-${key// /-}
  python=$environment/bin/python
  [[ -f $environment/.complete && -x $python ]] && return
  base=$(find_python) || exit
  exec "$base" -E "$here/_environment.py" "$environment" "$repository/pyproject.toml" "$extras" -- "$BASH" "$script" "$@"
}
