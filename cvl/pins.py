"""A requirements file line by line, for the local engine and for `cvl verify`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def read(text: str) -> Iterator[tuple[int, str, Requirement | None]]:
    """(line, words, requirement); None where the words are none, such as `-r more.txt`. Long options are left out."""
    from packaging.requirements import InvalidRequirement, Requirement

    for number, line in enumerate(text.splitlines(), start=1):
        words = re.sub(r"(^|\s)(#|--).*", "", line).strip(" \t\\")
        if not words:
            continue
        try:
            yield number, words, Requirement(words)
        except InvalidRequirement:
            yield number, words, None
