"""The library's own check of a result, TEST.EXPECTED_RESULTS, from the calibrated rules of the manifest.

It tells; the rules judge. It knows values around a centre only, so a result above the range fails it as one below.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from library import verify_results

from cvl.contract import MANIFEST
from cvl.kit.run import say
from cvl.params import SOURCES, Values


def results(folder: Path, params: Values, effective: Mapping[str, Any], device: str) -> list[list[Any]]:
    """[["bbox", "AP50", centre, tolerance]] in percent, from the calibrated range that holds for these parameters.

    It was measured on the shipped sample with the preset's own: for others there is none.
    """
    manifest = yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))
    matter = {name for name, entry in manifest["parameters"].items() if entry.get("affects_result", True)}
    if any(params.settings[name].source not in SOURCES[:3] for name in matter):
        return []
    values = params.as_dict() | effective
    rules = manifest["verification"]["presets"].get(_preset(manifest, values), [])
    known = {**values, "device": device}
    for rule in rules:
        bounds = rule.get("range", {})
        if bounds.get("metric") == "map50" and "calibrated" in rule and _holds(rule.get("when", {}), known):
            low, high = 100 * bounds.get("min", 0.0), 100 * bounds.get("max", 1.0)
            return [["bbox", "AP50", round((low + high) / 2, 4), round((high - low) / 2, 4)]]
    return []


def tell(cfg: Any, best_map50: float) -> None:
    """What the library says of the best validation; it would end the process."""
    if not cfg.TEST.EXPECTED_RESULTS:
        return
    ((_, name, centre, tolerance),) = cfg.TEST.EXPECTED_RESULTS
    try:
        verify_results(cfg, {"bbox": {name: 100 * best_map50}})
        outcome = "met"
    except SystemExit:
        outcome = "not met"
    say(f"TEST.EXPECTED_RESULTS, {name} {centre:g} ± {tolerance:g}: {outcome} with {100 * best_map50:.2f}")


def _preset(manifest: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The preset whose own parameters have these values; of several the one that sets most."""
    trained = {name: preset.get("env", {}) for name, preset in manifest["presets"].items()}
    trained = {name: env for name, env in trained.items() if name in manifest["verification"]["presets"]}
    fitting = [
        name for name, env in trained.items() if all(_same(values.get(key), value) for key, value in env.items())
    ]
    return max(fitting, key=lambda name: len(trained[name]), default="")


def _holds(when: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return all(
        any(_same(known.get(name), value) for value in (wanted if isinstance(wanted, list) else [wanted]))
        for name, wanted in when.items()
    )


def _same(value: Any, wanted: Any) -> bool:
    """YAML's spelling and the parameter's type may differ: 1e-4 and 0.0001."""
    try:
        return float(value) == float(wanted)
    except (TypeError, ValueError):
        return str(value).lower() == str(wanted).lower()
