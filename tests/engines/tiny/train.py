"""A job that does what a test asks for with MODE."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from cvl import params as parameters

params = parameters.load(__file__)


def stop(number, frame):
    print("stopping", flush=True)
    sys.exit(143)


def can_write(path):
    try:
        Path(path).write_text("written by the job")
    except OSError as error:
        return error.strerror
    return True


def report():
    places = {
        "workspace": "/workspace/outputs/touched",
        "repository": "/cvlization_repo/touched",
        "cache": "/root/.cache/huggingface/touched",
        "root_cache": "/root/.cache/touched",
        "home": str(Path.home() / "touched"),
    }
    print(
        json.dumps(
            {
                "uid": os.getuid(),
                "cwd": str(Path.cwd()),
                "writes": {name: can_write(path) for name, path in places.items()},
                "secret": os.environ.get("TINY_SECRET"),
                "values": params.as_dict(),
                "extra": params.extra,
            }
        )
    )


def say(text):
    print(text, flush=True)


match params.MODE:
    case "report":
        report()
    case "sleep":
        signal.signal(signal.SIGTERM, stop)
        say("ready")
        time.sleep(120)
    case "stubborn":
        signal.signal(signal.SIGTERM, lambda number, frame: say("no"))
        say("ready")
        while True:
            time.sleep(120)
    case "silent":
        say("ready")
        time.sleep(5)
        say("done")
    case "eat":
        hoard = [b"x" * 2**20 for _ in range(2**20)]
    case "bytes":
        sys.stdout.buffer.write(b"10%\r\xff\xfe100%\r\n")

if params.OUTPUT_DIR:
    Path(params.OUTPUT_DIR).mkdir(parents=True, exist_ok=True)
    (Path(params.OUTPUT_DIR) / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": i, "epoch": i, "time": i, "train/loss": 1 / i}) + "\n" for i in range(1, 21))
    )
sys.exit(params.CODE)
