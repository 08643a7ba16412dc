"""torch.compile, refused in time where it cannot work."""

from __future__ import annotations

import os
import shutil
from typing import Any

from cvl.errors import UsageError


def compiled(model: Any) -> Any:
    """`model` compiled in its first step; UsageError where no C++ compiler is on PATH, which torch would say then."""
    import torch

    if not any(shutil.which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++") if name):
        raise UsageError(
            "COMPILE=true needs a C++ compiler, and there is none on PATH",
            hint='COMPILE=false; or install g++, in the image by APT_PACKAGES="g++ python3-dev" cvl run NAME build',
        )
    return torch.compile(model)
