"""The data set: where it comes from, whether it is sound, what is in it, and how it looks.

    cvl run yolo-ui-detection data                        the shipped sample
    cvl run yolo-ui-detection data --data my-screens      own screenshots, YOLO or COCO labels

Ends with 2 where there are more faults than MAX_BAD. `capture` makes a data set from web pages.
"""

from __future__ import annotations

from pathlib import Path

from dataset import SAMPLE

from cvl import params as parameters
from cvl.formats import boxes
from cvl.kit import inspection, run, samples
from cvl.kit.runlog import write_config


def main() -> None:
    params = parameters.load(__file__)
    root = Path(params.DATA_DIR) if params.DATA_DIR else samples.folder(SAMPLE)
    data = boxes.read(root)
    folder = run.folder(__file__, params.OUTPUT_DIR)
    write_config(folder, params.settings, effective={})
    inspection.show(data, root, folder, count=params.NUM_SAMPLES)
    inspection.conclude(data, params.MAX_BAD)


if __name__ == "__main__":
    run.main(main)
