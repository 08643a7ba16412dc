"""What bin/cvl adds to a call: medians against the environment's own Python; run it with any Python."""

import statistics
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCHER = REPOSITORY / "bin/cvl"
ROUNDS = 30
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from cvl.cli import main; main()"
FIND = (
    f'script={LAUNCHER} here={LAUNCHER.parent}; source "$here/_environment.sh"; use_environment cli ""; echo "$python"'
)


def milliseconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - begin)


def main() -> None:
    subprocess.run([LAUNCHER, "--help"], check=True, stdout=subprocess.DEVNULL)
    python = subprocess.run(["bash", "-c", FIND], check=True, capture_output=True, text=True).stdout.strip()
    launched = [str(LAUNCHER), "--help"]
    direct = [python, "-I", "-c", START, str(REPOSITORY), "--help"]
    times = [(milliseconds(launched), milliseconds(direct)) for _ in range(ROUNDS)]
    with_launcher, without = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"bin/cvl --help {with_launcher:.1f} ms, directly {without:.1f} ms: {with_launcher - without:.1f} ms more")


if __name__ == "__main__":
    main()
