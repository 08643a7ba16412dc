"""build.sh and train.sh of an example: the plan written out for people with bash and Docker, and nothing else."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable
from pathlib import Path
from shlex import quote

from cvl import container, contract, dockerfile, manifest, params, plan, shell
from cvl.manifest import Example
from cvl.params import Parameter
from cvl.plan import Host

TRAIN = "train"
_WIDTH = 120


def scripts(example: Example) -> dict[str, str]:
    """The text of every script that is rendered, by file name; none where the preset train is a script of its own."""
    preset = example.presets.get(TRAIN)
    if preset is None or not preset.command:
        return {}
    return {"build.sh": build_script(example), "train.sh": train_script(example)}


def build_script(example: Example) -> str:
    """Builds the image that train.sh and the docker engine run."""
    return _paragraphs(
        f"""\
        #!/usr/bin/env bash
        # Builds the image of {example.name}: the environment only, the code is mounted.
        #   bash build.sh [OPTIONS OF docker build…]{_build_args_help(example)}
        # Written by `cvl render` from {contract.MANIFEST} and the Dockerfile: change those.
        set -euo pipefail
        """,
        shell.SCRIPT_DIR,
        _image(example),
        f"""\
        # Nothing else goes to Docker, so that nothing else can change the image.
        context=$(mktemp -d)
        trap 'rm -rf -- "$context"' EXIT
        tar -C "$SCRIPT_DIR" -cf - {_files(example)} | tar -C "$context" -xf -
        """,
        "if docker buildx version >/dev/null 2>&1; then export DOCKER_BUILDKIT=1; fi\n"
        + _command(
            "docker build --force-rm",
            '--tag "$IMG"',
            *(f'--build-arg "{name}=${name}"' for name in plan.build_defaults(example)),
            '"$@" "$context"',
        ),
        'echo "built $IMG" >&2\n',
    )


def train_script(example: Example) -> str:
    """Runs the preset `train` as `cvl run` would, without a record and a verdict."""
    preset = manifest.preset(example, TRAIN)
    labels = {contract.LABEL_EXAMPLE: example.name, contract.LABEL_PRESET: preset.name}
    return _paragraphs(
        f"""\
        #!/usr/bin/env bash
        # Trains {example.name} in its container; `cvl run {example.name} {preset.name}` also judges the result.
        #   bash train.sh                    on the data that the example ships
        #   BATCH_SIZE=2 bash train.sh       parameters come from the environment, or from .env beside this file,
        #   bash train.sh --batch-size 2     or as arguments; paths of this machine only from the environment
        # Written by `cvl render` from {contract.MANIFEST} and the Dockerfile: change those.
        set -euo pipefail
        """,
        shell.SCRIPT_DIR + shell.REPO_ROOT,
        shell.HELPERS,
        _image(example),
        _parameters(example),
        shell.OUTPUTS,
        _paths(example),
        _preset_values(example),
        _crossing(example),
        shell.ENGINE,
        _gpus(example),
        shell.USER,
        shell.TTY,
        _command(
            'exec docker run "${args[@]}"',
            *(f"{flag} {value}" for flag, value in container.options(shm_gb=example.resources.shm_gb, labels=labels)),
            *(f'--mount "{container.mount_option(mount)}"' for mount in _mounts()),
            *(f'--env "{name}={value}"' for name, value in {**contract.JOB_ENV, **contract.CONTAINER_ENV}.items()),
            f'"$IMG" {" ".join(map(quote, preset.command))} "$@"',
        ),
    )


def _image(example: Example) -> str:
    """The lines that give `IMG`, the tag that `plan.image` computes."""
    args = plan.build_defaults(example)
    lines = [
        "# The image's name follows from everything that goes into it.",
        *(f"{name}=${{{name}:-{_default(default, [*args][:i])}}}" for i, (name, default) in enumerate(args.items())),
        "sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }",
        "content() {",
        f'  (cd -- "$SCRIPT_DIR" && cat -- {_files(example)})',
        *([f"""  printf '%s\\n' {" ".join(f'"{name}=${name}"' for name in args)}"""] if args else []),
        "}",
        f"IMG=cvl/{example.name}:$(content | sha256 | cut -c 1-12)",
    ]
    return "\n".join(lines) + "\n"


def _parameters(example: Example) -> str:
    """Every name that stands for a parameter, and the values that the environment and .env give to them."""
    aliases = _aliases(example)
    names = [*dict.fromkeys([*example.parameters, contract.OUTPUT_DIR]), *(words.split()[1] for words in aliases)]
    array = "# Parameters, and their other names.\n" + _array("PARAMETERS", names)
    if not aliases:
        return array + "\n" + shell.DOTENV
    take_all = "\n".join(["take_all() {", *(f"  take {words}" for words in aliases), "}"])
    return f"{array}\n{shell.TAKE}{take_all}\ntake_all\n\n{shell.DOTENV}take_all\n"


def _aliases(example: Example) -> list[str]:
    """`NAME ALIAS [SAID=MEANT…]` of each alias that the environment can set."""
    found = []
    for parameter in example.parameters.values():
        for alias in parameter.aliases:
            if alias.name.isupper():
                pairs = (quote(f"{said}={meant}") for said, meant in alias.values.items())
                found.append(" ".join([parameter.name, alias.name, *pairs]))
    return found


def _paths(example: Example) -> str:
    calls = [_path_call(p) for p in example.parameters.values() if p.type == "path" and p.name != contract.OUTPUT_DIR]
    return shell.MOUNT_PATH + "".join(f"{call}\n" for call in calls) if calls else ""


def _path_call(parameter: Parameter) -> str:
    target = contract.DATA if parameter.name == contract.DATA_DIR else f"{contract.INPUTS}/{parameter.name}/"
    return " ".join(["mount_path", parameter.name, target, *map(quote, parameter.words)])


def _preset_values(example: Example) -> str:
    """What the preset sets counts where nobody set anything else."""
    own = params.collect(example.parameters, manifest.preset(example, TRAIN).env.items(), source="preset")
    words = {name: params.as_word(example.parameters[name].parse(raw)) for name, raw in own.items()}
    lines = [f"is_set {name} || export {name}={quote(value)}" for name, value in words.items()]
    return "\n".join([f"# The preset {TRAIN}.", *lines]) + "\n" if lines else ""


def _crossing(example: Example) -> str:
    """Names of variables that cross into the container where they are set."""
    passed = [name for name in contract.PASSED_ENV if name not in example.parameters]
    patterns = [f'"${{!{name[:-1]}@}}"' for name in passed if name.endswith("*")]
    plain = [name for name in passed if not name.endswith("*")]
    return (
        "# What crosses into the container where it is set: parameters, secrets, and a few names that every job gets.\n"
        + (_array("SECRETS", example.secrets) if example.secrets else "")
        + _array("PASSED", [*plain, *patterns])
        + 'for name in "${PARAMETERS[@]}" '
        + ('"${SECRETS[@]}" ' if example.secrets else "")
        + '"${PASSED[@]}"; do\n'
        + '  ! is_set "$name" || args+=(--env "$name")\n'
        + "done\n"
    )


def _gpus(example: Example) -> str:
    """All GPUs where Docker can hand them on; what is missing is said, and ends the script where a GPU is a must."""
    must = example.resources.gpu > 0 and not example.resources.cpu_ok
    signs = " && ".join(f"[ ! -e {sign} ]" for sign in container.DRIVER_SIGNS)
    others = " || ".join(f"command -v {name} >/dev/null" for name in container.TOOLKIT_PROGRAMS[1:])
    message = container.no_gpu("$missing")
    consequence = f'fail 4 "{message}"' if must else f'echo "{message}: training on the CPU" >&2'
    return textwrap.dedent(
        f"""\
        info=$(docker info --format '{{{{json .}}}}')
        missing=
        if {signs}; then
          missing={quote(container.NO_DRIVER)}
        elif [[ $info == *'"nvidia":{{'* ]] || command -v {container.TOOLKIT_HOOK} >/dev/null; then
          args+=(--gpus all)
        elif [[ $info == *nvidia.com/gpu* ]]; then
          args+=(--device nvidia.com/gpu=all)
        elif {others}; then
          missing={quote(container.NOT_CONFIGURED)}
        else
          missing={quote(container.NO_TOOLKIT)}
        fi
        if [ -n "$missing" ]; then
          {consequence}
        fi
        """
    )


def _mounts() -> list[plan.Mount]:
    """The standard mounts, with the script's variables for folders."""
    host = Host(uid=0, gid=0, home=Path("${HOME}"), environ={}, repository=Path("${REPO_ROOT}"))
    return plan.standard_mounts(Path("${SCRIPT_DIR}"), Path("${OUTPUTS}"), host)


def _default(text: str, above: Collection[str]) -> str:
    """The default of a build argument inside `${NAME:-…}`; those `above` it are variables of the script already."""
    found = ""
    for plain, name, other in dockerfile.parts(text):
        known = f"${{{name}:-{_literal(other)}}}" if other else f"${{{name}}}"
        found += known if name in above else _literal(plain + other)
    return found


def _build_args_help(example: Example) -> str:
    names = [*plan.build_defaults(example)]
    verb = "replaces" if len(names) == 1 else "replace"
    return f"; {', '.join(names)} in the environment {verb} the defaults" if names else ""


def _files(example: Example) -> str:
    return " ".join(map(quote, plan.image_files(example)))


def _literal(value: str) -> str:
    """`value` inside `${NAME:-…}`."""
    return re.sub(r'([\\"$`}\s])', r"\\\1", value)


def _array(name: str, words: Iterable[str]) -> str:
    lines = textwrap.wrap(" ".join(words), _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"{name}=(", *(f"  {line}" for line in lines), ")"]) + "\n"


def _command(*words: str) -> str:
    return " \\\n  ".join(words) + "\n"


def _paragraphs(*texts: str) -> str:
    return "\n".join(textwrap.dedent(text) for text in texts if text)
