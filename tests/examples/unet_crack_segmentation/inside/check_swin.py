"""Swin-Unet: against timm's encoder, against attention written out pixel by pixel, and at sizes no window divides."""

from __future__ import annotations

import itertools

import timm
import torch
from swin_block import SwinBlock, WindowAttention, cut, join, together
from swin_unet import PatchExpand, SwinUnet, window_for
from torch import Tensor

CPU = torch.device("cpu")


def attention_written_out(block: SwinBlock, x: Tensor, shift: tuple[int, int]) -> Tensor:
    """Each pixel of (H, W, C) looks at the pixels of its window alone; windows begin at `shift`, cut at the borders."""
    attention, (height, width, dim) = block.attn, x.shape
    pixels = list(itertools.product(range(height), range(width)))
    q, k, v = attention.qkv(x).reshape(height, width, 3, attention.heads, dim // attention.heads).unbind(2)
    out = torch.zeros(height, width, dim, dtype=x.dtype)
    for here in pixels:
        home = [(at - by) // block.window for at, by in zip(here, shift, strict=True)]
        near = [p for p in pixels if [(at - by) // block.window for at, by in zip(p, shift, strict=True)] == home]
        side = 2 * block.window - 1
        rows = [(here[0] - p[0] + block.window - 1) * side + here[1] - p[1] + block.window - 1 for p in near]
        bias = attention.relative_position_bias_table[rows]
        keys, values = torch.stack([k[p] for p in near]), torch.stack([v[p] for p in near])
        scores = (q[here] * keys).sum(-1) / (dim // attention.heads) ** 0.5 + bias
        out[here] = (scores.softmax(0)[..., None] * values).sum(0).flatten()
    return attention.proj(out)


def check_attention_is_that_of_loops_over_pixels() -> None:
    torch.manual_seed(0)
    for (height, width), shifted in itertools.product([(6, 9), (5, 7), (3, 3), (2, 8)], [False, True]):
        block = SwinBlock(8, heads=2, window=3, shifted=shifted, drop_path=0.0).double()
        torch.nn.init.normal_(block.attn.relative_position_bias_table)
        x = torch.randn(1, height, width, 8, dtype=torch.float64)
        shift = tuple(1 if shifted and side > 3 else 0 for side in (height, width))
        torch.testing.assert_close(block._attend(x)[0], attention_written_out(block, x[0], shift))


def check_encoder_is_timms() -> None:
    torch.manual_seed(0)
    for size, window in ((64, 8), (56, 7)):
        reference = timm.create_model(
            "swin_tiny_patch4_window7_224", depths=(2, 2, 2, 2), num_classes=0, window_size=window, img_size=8 * size
        ).eval()
        model = SwinUnet((4 * size, 4 * size)).eval()
        if window == 8:
            model = SwinUnet((256, 256)).eval()
        model.encoder.load_state_dict(reference.state_dict())
        images = torch.randn(1, 3, 8 * size, 8 * size)
        with torch.no_grad():
            torch.testing.assert_close(model.encoder(images)[-1], reference.forward_features(images), atol=2e-5, rtol=0)


def check_parameters_are_as_many_as_published() -> None:
    """27.17 million, with one class in place of nine."""
    assert sum(weight.numel() for weight in SwinUnet((224, 224)).parameters()) == 27_168_132


def check_windows() -> None:
    sizes = {(224, 224): 7, (256, 256): 8, (448, 224): 7, (512, 256): 8, (320, 320): 7, (320, 480): 7, (96, 96): 7}
    assert {size: window_for(size) for size in sizes} == sizes


def check_cut_and_join_undo_each_other() -> None:
    x = torch.arange(2.0 * 6 * 9 * 4).reshape(2, 6, 9, 4)
    windows = cut(x, 3)
    assert windows.shape == (2, 6, 9, 4)
    assert torch.equal(windows[1, 1, :, 0].reshape(3, 3), x[1, :3, 3:6, 0])
    assert torch.equal(join(windows, (6, 9), 3), x)


def check_who_may_look_at_whom() -> None:
    """A map of 3 x 2 in windows of 2, rolled by one row: rows 1 2 | padding 0, and row 0 came round."""
    found = together((3, 2), (1, 0), 2, CPU)
    assert found.shape == (2, 4, 4)
    assert found[0].all()
    assert found[1].tolist() == [[True, True, False, False]] * 2 + [[False, False, True, True]] * 2


def check_expanding_places_the_channels() -> None:
    expand = PatchExpand(4, 2, 1)
    expand.norm = torch.nn.Identity()
    torch.nn.init.eye_(expand.expand.weight)
    x = torch.arange(8.0).reshape(1, 1, 2, 4)
    assert expand(x)[0, :, :, 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


def check_any_size_goes_through() -> None:
    torch.manual_seed(0)
    model = SwinUnet((256, 256), embed_dim=32).eval()
    for size in ((32, 32), (30, 50), (1, 1), (100, 260)):
        with torch.no_grad():
            out = model(torch.randn(2, 3, *size))
        assert out.shape == (2, 1, *size) and out.isfinite().all()


def check_every_weight_gets_a_gradient() -> None:
    torch.manual_seed(0)
    model = SwinUnet((64, 64), embed_dim=32)
    model(torch.randn(2, 3, 64, 96)).square().mean().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


def check_a_picture_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    model = SwinUnet((64, 64), embed_dim=32).eval()
    images = torch.randn(3, 3, 60, 70)
    with torch.no_grad():
        torch.testing.assert_close(model(images)[1:2], model(images[1:2]), atol=1e-5, rtol=0)


def check_bias_is_shared_by_pairs_of_equal_offset() -> None:
    offsets = WindowAttention(8, 2, 3).offsets
    assert offsets.shape == (9, 9) and offsets.min() == 0 and offsets.max() == 24
    assert offsets[0, 1] == offsets[4, 5] == offsets[7, 8] != offsets[1, 0]
    assert (offsets.diagonal() == 12).all()
