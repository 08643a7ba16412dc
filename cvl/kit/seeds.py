"""Randomness that depends on what it is for, never on what happened before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager


def derive(*parts: int) -> int:
    """A seed below 2**63 for these numbers, such as (SEED, epoch, index); others in any place give another seed."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


@contextmanager
def seeded(*parts: int) -> Iterator[None]:
    """torch's generator of the CPU as these numbers set it; afterwards it is as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(*parts))  # torch.manual_seed also queues a call for each GPU
        yield
