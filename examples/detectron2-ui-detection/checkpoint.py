"""Checkpoints of this example: found, and loaded without running what may hide in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configuration import runs_here
from library import CfgNode, build_model, get_cfg

from cvl.errors import DataError, UsageError
from cvl.kit import checkpoints
from cvl.params import Values

OUTPUTS = Path(__file__).parent / "outputs"
_NEEDED = ("config", "cfg", "classes")


@dataclass(frozen=True)
class Detector:
    """A model in evaluation mode on the CPU; `config` are the parameters that it was trained with."""

    model: Any
    cfg: Any
    config: Mapping[str, Any]
    classes: tuple[str, ...]

    @property
    def image_size(self) -> int:
        return int(self.cfg.INPUT.MAX_SIZE_TEST)

    def fit(self, classes: Sequence[str]) -> None:
        """Refuses data whose classes are others than those of the model, or in another order."""
        if list(self.classes) != list(classes):
            raise DataError(
                f"the model finds {', '.join(self.classes)}; the data has {', '.join(classes)}",
                hint="CHECKPOINT must have been trained on the classes of DATA_DIR, in the same order",
            )


def find(params: Values) -> Path:
    """CHECKPOINT; unset: the best model that was trained last."""
    return checkpoints.best_of(params.CHECKPOINT, params.OUTPUT_DIR, OUTPUTS)


def load(file: Path) -> Detector:
    """The detector in `file`; UsageError where it is none of ours."""
    state = checkpoints.read(file)
    if any(name not in state for name in _NEEDED):
        raise UsageError(f"CHECKPOINT {file}: was not trained by this example", hint="best_model.pt of one of its runs")
    cfg = configuration(state["cfg"])
    runs_here(cfg, str(state["config"].get("MODEL")))
    model = build_model(cfg)
    try:
        model.load_state_dict(state["model"])
    except RuntimeError as error:
        raise UsageError(f"CHECKPOINT {file}: its weights are not those of its configuration") from error
    return Detector(model.eval(), cfg, state["config"], tuple(state["classes"]))


def configuration(text: str) -> Any:
    """The CfgNode that a checkpoint holds as YAML, for the CPU."""
    cfg = get_cfg()
    cfg.merge_from_other_cfg(CfgNode.load_cfg(text))
    cfg.MODEL.DEVICE = "cpu"
    return cfg
