"""The exponential moving average of a model's weights: what is validated and kept where EMA is on."""

from __future__ import annotations

from typing import Any


def ema(model: Any, decay: float) -> Any:
    """torch's AveragedModel of `model`: `.update_parameters(model)` after each optimizer step, `.module` to evaluate.

    The decay warms up as min(decay, (1 + n) / (10 + n)) after n updates, so that the first weights are soon forgotten.
    Buffers are averaged too where they are floating point (running means and variances), else copied. `state_dict()`
    holds n as well. Give it the model without wrappers (compile, distributed).
    """
    import torch
    from torch.optim.swa_utils import AveragedModel

    def average(averages: Any, weights: Any, updates: Any) -> None:
        if not torch.is_floating_point(averages[0]):
            torch._foreach_copy_(averages, weights)
            return
        n = int(updates)
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + n) / (10 + n)))

    averaged = AveragedModel(model, multi_avg_fn=torch.no_grad()(average), use_buffers=True)
    averaged.module.requires_grad_(False)
    return averaged.eval()
