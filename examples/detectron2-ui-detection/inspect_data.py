"""The data set: where it comes from, whether it is sound, what is in it, and how it looks.

    cvl run detectron2-ui-detection data                        the shipped sample
    cvl run detectron2-ui-detection data --data my-screens      own screenshots, YOLO or COCO labels

It also says how many boxes MODEL's anchors reach at IMAGE_SIZE: COCO's, and those of ANCHOR_SIZES and ASPECT_RATIOS.
Ends with 2 where there are more faults than MAX_BAD. `capture` of yolo-ui-detection makes a data set from web pages.
"""

from __future__ import annotations

from pathlib import Path

import anchors
from configuration import base, set_anchors
from dataset import SAMPLE
from library import quiet

from cvl import params as parameters
from cvl.formats import boxes
from cvl.formats.boxes import BoxDataset
from cvl.kit import inspection, run, samples
from cvl.kit.runlog import write_config
from cvl.params import Values


def main() -> None:
    params = parameters.load(__file__, device=run.device())
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    root = Path(params.DATA_DIR) if params.DATA_DIR else samples.folder(SAMPLE)
    data = boxes.read(root)
    folder = run.folder(__file__, params.OUTPUT_DIR)
    write_config(folder, params.settings, effective={})
    inspection.show(data, root, folder, count=params.NUM_SAMPLES)
    print(f"\n{say_anchors(data, params)}")
    inspection.conclude(data, params.MAX_BAD)


def say_anchors(data: BoxDataset, params: Values) -> str:
    """Of the boxes of train."""
    pictures = [picture for picture in data.splits.get("train", ()) if picture.boxes]
    if not pictures:
        return "no box in train that anchors could reach"
    published, ours = base(params.MODEL), base(params.MODEL)
    set_anchors(ours, params.ANCHOR_SIZES, params.ASPECT_RATIOS)
    choices = anchors.of(published, "COCO"), anchors.of(ours, "this run")
    title = f"boxes of train that an anchor of {params.MODEL} reaches, {params.IMAGE_SIZE} px:"
    return f"{title}\n{anchors.table(pictures, choices, params.IMAGE_SIZE)}"


if __name__ == "__main__":
    run.main(main)
