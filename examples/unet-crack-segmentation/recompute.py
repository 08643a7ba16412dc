"""Gradient checkpointing of any encoder: its blocks keep their input alone and compute the rest again going back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from cvl.errors import UsageError


def encoder_blocks(encoder: nn.Module) -> None:
    """Makes every block of `encoder` forget its activations; UsageError where it is not made of blocks."""
    blocks = list(_blocks(encoder))
    if not blocks:
        raise UsageError(
            f"GRAD_CHECKPOINT: {type(encoder).__name__} is not made of blocks that could be computed again",
            hint="another ENCODER, such as resnet34 or mit_b0, or a smaller BATCH_SIZE with a larger GRAD_ACCUM",
        )
    for block in blocks:
        contexts = partial(_contexts, block)
        block.forward = partial(checkpoint, block.forward, use_reentrant=False, context_fn=contexts)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost elements of the lists and sequences in `module` that have parts themselves."""
    listed = isinstance(module, (nn.Sequential, nn.ModuleList))
    for child in module.children():
        if listed and next(child.children(), None) is not None:
            yield child
        else:
            yield from _blocks(child)


def _contexts(block: nn.Module) -> tuple[object, object]:
    return nullcontext(), _without_statistics(block)


@contextmanager
def _without_statistics(block: nn.Module) -> Iterator[None]:
    """The second time through, BatchNorm counts the batch once more: in copies that are thrown away."""
    kept = [(norm, dict(norm.named_buffers())) for norm in block.modules() if isinstance(norm, _BatchNorm)]
    for norm, buffers in kept:
        _set(norm, {name: buffer.clone() for name, buffer in buffers.items()})
    try:
        yield
    finally:
        for norm, buffers in kept:
            _set(norm, buffers)


def _set(module: nn.Module, buffers: dict[str, Tensor]) -> None:
    for name, buffer in buffers.items():
        setattr(module, name, buffer)
