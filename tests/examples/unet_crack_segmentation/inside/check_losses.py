"""The losses: values and gradients against other implementations, and what they promise at the edges."""

from __future__ import annotations

from collections.abc import Callable

import losses
import numpy as np
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from cvl.errors import UsageError

Loss = Callable[[Tensor, Tensor], Tensor]


def batch(n: int = 3, size: int = 12, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Logits and masks with a crack in each."""
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(n, 1, size, size, generator=generator, dtype=torch.float64)
    target = (torch.rand(n, 1, size, size, generator=generator) < 0.15).double()
    return logits.to(dtype).requires_grad_(), target.to(dtype)


def total(name: str, **options: float) -> Loss:
    loss = losses.make(name, **options)
    return lambda logits, target: sum(loss(logits, target).values())


def each(loss: Loss) -> Loss:
    """The mean over pictures of what another implementation says of one."""
    return lambda logits, target: sum(loss(logits[[i]], target[[i]]) for i in range(len(logits))) / len(logits)


def agree(mine: Loss, other: Loss, tolerance: float = 1e-12, dtype: torch.dtype = torch.float64) -> None:
    logits, target = batch(dtype=dtype)
    values = [loss(logits, target) for loss in (mine, other)]
    gradients = [torch.autograd.grad(value, logits)[0] for value in values]
    torch.testing.assert_close(*values, rtol=0, atol=tolerance)
    torch.testing.assert_close(*gradients, rtol=0, atol=tolerance)
    assert gradients[0].abs().max() > 1e-4


def raises(call: Callable[[], object]) -> str:
    try:
        call()
    except UsageError as error:
        return str(error)
    raise AssertionError("nothing was refused")


def check_dice_is_smps() -> None:
    agree(total("dice"), each(smp.losses.DiceLoss("binary", smooth=0.5)))


def check_tversky_is_smps() -> None:
    agree(total("tversky"), each(smp.losses.TverskyLoss("binary", alpha=0.3, beta=0.7, smooth=0.5)))


def check_focal_is_smps() -> None:
    agree(total("focal"), smp.losses.FocalLoss("binary", gamma=2.0))


def check_lovasz_is_smps() -> None:
    agree(total("lovasz"), smp.losses.LovaszLoss("binary", per_image=True), tolerance=1e-6, dtype=torch.float32)


def check_bce_is_written_out() -> None:
    def plain(logits: Tensor, target: Tensor) -> Tensor:
        p = logits.sigmoid()
        return -(7 * target * p.log() + (1 - target) * (1 - p).log()).mean()

    agree(total("bce", pos_weight=7.0), plain)


def check_pos_weight_of_focal_is_written_out() -> None:
    def plain(logits: Tensor, target: Tensor) -> Tensor:
        p = logits.sigmoid()
        return -(7 * target * (1 - p) ** 2 * p.log() + (1 - target) * p**2 * (1 - p).log()).mean()

    agree(total("focal", pos_weight=7.0), plain)


def check_skeleton_is_that_of_grey_morphology() -> None:
    """Erosion with a cross, dilation with a square, as the authors of clDice publish them."""
    logits, _ = batch()
    cross, square = ndimage.generate_binary_structure(2, 1), np.ones((3, 3))

    def opened(image: np.ndarray) -> np.ndarray:
        eroded = ndimage.grey_erosion(image, footprint=cross, mode="constant", cval=np.inf)
        return ndimage.grey_dilation(eroded, footprint=square, mode="constant", cval=-np.inf)

    for picture, found in zip(logits.sigmoid(), losses.skeleton(logits.sigmoid()), strict=True):
        image = picture[0].detach().numpy()
        expected = np.maximum(image - opened(image), 0)
        for _ in range(losses.SKELETON_STEPS):
            image = ndimage.grey_erosion(image, footprint=cross, mode="constant", cval=np.inf)
            rest = np.maximum(image - opened(image), 0)
            expected = expected + np.maximum(rest - expected * rest, 0)
        np.testing.assert_allclose(found[0].detach().numpy(), expected, atol=1e-15)


def check_cldice_is_monais() -> None:
    """Value and gradient of monai.losses.SoftclDiceLoss(iter_=5, smooth=1e-12, sigmoid=True), monai 1.6.1."""
    rows, columns = torch.meshgrid(torch.arange(16.0).double(), torch.arange(16.0).double(), indexing="ij")
    logits = (3 * torch.sin(rows * 1.3 + columns * 0.7) + torch.cos(rows * columns)).reshape(1, 1, 16, 16)
    target = ((rows - columns).abs() < 2).double().reshape(1, 1, 16, 16)
    logits.requires_grad_()
    value = losses.cldice(logits, target)
    gradient = torch.autograd.grad(value, logits)[0]
    assert abs(value.item() - 0.7186002130963176) < 1e-9
    assert abs(gradient.norm().item() - 0.02410020399963099) < 1e-9
    assert abs(gradient[0, 0, 5, 6].item() - -0.0010076651479553754) < 1e-9


def check_line_of_three_pixels_has_its_middle_as_skeleton() -> None:
    image = torch.zeros(1, 1, 9, 20, dtype=torch.float64)
    image[..., 3:6, :] = 1
    expected = torch.zeros_like(image)
    expected[..., 4, :] = 1
    torch.testing.assert_close(losses.skeleton(image), expected)


def check_gradients_are_those_of_small_differences() -> None:
    logits, target = batch(n=2, size=5)
    for name in losses.LOSSES:
        assert torch.autograd.gradcheck(total(name), (logits, target)), name


def check_first_losses_of_an_undecided_network() -> None:
    logits, target = torch.zeros(2, 1, 50, 50), torch.zeros(2, 1, 50, 50)
    target[..., :1] = 1
    share = 0.02
    values = {name: float(total(name)(logits, target)) for name in ("bce", "dice", "focal", "lovasz")}
    assert abs(values["bce"] - np.log(2)) < 1e-6
    assert abs(values["dice"] - (1 - share / (0.5 + share))) < 1e-3
    assert abs(values["focal"] - np.log(2) / 4) < 1e-6
    assert abs(values["lovasz"] - 1) < 1e-6


def check_what_is_right_costs_nothing_and_what_is_wrong_costs_much() -> None:
    _, target = batch()
    sure = 200 * (2 * target - 1)
    for name in losses.LOSSES:
        assert float(total(name)(sure, target)) < 1e-9, name
        assert float(total(name)(-sure, target)) > 0.4, name


def check_masks_without_a_crack_are_defined() -> None:
    target = torch.zeros(2, 1, 8, 8)
    for name in losses.LOSSES:
        logits = torch.full_like(target, -100.0)
        assert float(total(name)(logits, target)) < 1e-6, name
        costs = []
        for level in (-0.9, 0.0, 0.9):
            logits = torch.full_like(target, level).requires_grad_()
            costs.append(total(name)(logits, target))
            (gradient,) = torch.autograd.grad(costs[-1], logits)
            assert gradient.isfinite().all() and gradient.sum() >= 0, name
        assert costs[0] < costs[1] < costs[2], name


def check_accumulated_gradients_are_those_of_the_larger_batch() -> None:
    logits, target = batch(n=4)
    for name in losses.LOSSES:
        whole = torch.autograd.grad(total(name)(logits, target), logits)[0]
        halves = sum(total(name)(logits[i : i + 2], target[i : i + 2]) / 2 for i in (0, 2))
        torch.testing.assert_close(torch.autograd.grad(halves, logits)[0], whole, rtol=0, atol=1e-15)


def check_autocast_and_half_precision_are_computed_in_float32() -> None:
    logits, target = (tensor.detach().float() for tensor in batch())
    for name in losses.LOSSES:
        for dtype in (torch.bfloat16, torch.float16):
            coarse = logits.to(dtype)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                value = total(name)(coarse, target)
            assert value.dtype == torch.float32, name
            assert value == total(name)(coarse.float(), target), name


def check_extreme_logits_stay_finite() -> None:
    _, target = batch()
    for name in losses.LOSSES:
        logits = (1e4 * (1 - 2 * target)).float().requires_grad_()
        value = total(name, **({"pos_weight": 50.0} if "bce" in name or "focal" in name else {}))(logits, target)
        assert value.isfinite() and torch.autograd.grad(value, logits)[0].isfinite().all(), name


def check_a_nan_is_not_hidden() -> None:
    logits, target = (tensor.detach().clone() for tensor in batch())
    logits[0, 0, 3, 3] = float("nan")
    for name in losses.LOSSES:
        assert total(name)(logits, target).isnan(), name


def check_parts_are_named_and_weighted() -> None:
    logits, target = batch()
    parts = losses.make("cldice")(logits, target)
    assert list(parts) == ["dice", "cldice"]
    torch.testing.assert_close(parts["dice"], losses.dice(logits, target) / 2)
    torch.testing.assert_close(parts["cldice"], losses.cldice(logits, target) / 2)


def check_what_is_refused() -> None:
    assert raises(lambda: losses.make("dise")).startswith("there is no LOSS dise\nhint: one of bce, dice, focal, ")
    assert raises(lambda: losses.make("dice", pos_weight=2.0)).startswith("LOSS=dice has no POS_WEIGHT (asked for: 2)")


def check_bce_is_torchs_where_nothing_weighs() -> None:
    agree(total("bce"), F.binary_cross_entropy_with_logits)
