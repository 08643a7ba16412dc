"""Engines by name; each module fits `base.Engine`."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from cvl.engines.base import Engine

ENGINES = {"docker": "cvl.engines.docker", "local": "cvl.engines.local"}


def get(name: str) -> Engine:
    """The engine called `name`, a key of ENGINES; what it needs is imported now."""
    return cast(Engine, import_module(ENGINES[name]).ENGINE)
