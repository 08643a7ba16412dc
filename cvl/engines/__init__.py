"""Engines by name; each module fits `base.Engine`."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from cvl.engines.base import Engine
from cvl.errors import UsageError

ENGINES = {"docker": "cvl.engines.docker", "local": "cvl.engines.local"}


def get(name: str) -> Engine:
    """The engine called `name`."""
    try:
        module = import_module(ENGINES[name])
    except KeyError:
        raise UsageError(f"there is no engine {name!r}", hint=f"engines are: auto, {', '.join(ENGINES)}") from None
    return cast(Engine, module.ENGINE)
