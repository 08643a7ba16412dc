"""What the network gets to see: crops in training, windows in evaluation, sizes that fit."""

from __future__ import annotations

import scoring
import torch
import views
from tiles import Tiles
from torch import Tensor, nn
from torchvision import tv_tensors

from cvl.errors import UsageError
from cvl.kit.datasets import normalise


class Pixelwise(nn.Module):
    """A network that looks at each pixel alone, so that windows change nothing."""

    def forward(self, images: Tensor) -> Tensor:
        return 3 * images[:, :1] - 1


class Counting(Pixelwise):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(tuple(images.shape))
        return super().forward(images)


def check_windows_of_any_kind_put_the_picture_together_again() -> None:
    for height, width in ((1, 1), (7, 33), (64, 64), (65, 130), (200, 97)):
        image = torch.randn(1, 3, height, width)
        for size, overlap, batch in (((64, 64), 0.0, 1), ((32, 64), 0.25, 4), ((64, 32), 0.9, 7)):
            found = Tiles(size, overlap, batch).logits(Pixelwise(), image)
            assert found.shape == (1, 1, height, width)
            torch.testing.assert_close(found, Pixelwise()(image), rtol=1e-5, atol=1e-5)


def check_windows_have_one_size_and_come_in_batches() -> None:
    model = Counting()
    Tiles((64, 64), 0.0, 3).logits(model, torch.zeros(1, 3, 128, 160))
    assert model.batches == [(3, 3, 64, 64), (3, 3, 64, 64)]  # 2 rows of 3


def check_sizes() -> None:
    assert views.sides("256", 32) == (256, 256)
    assert views.sides("256,384", 32) == views.sides("[256, 384]", 32) == (256, 384)
    assert views.sides("33", 1) == (33, 33)
    for text, hint in (("50", "IMAGE_SIZE=64"), ("32", "IMAGE_SIZE=64"), ("", ""), ("1,2,3", "")):
        try:
            views.sides(text, 32)
        except UsageError as error:
            assert hint in str(error), error
        else:
            raise AssertionError(text)


def check_the_mask_moves_with_the_picture() -> None:
    torch.manual_seed(0)
    for strength in ("none", "light", "strong"):
        for height, width in ((40, 60), (300, 200)):
            mask = (torch.rand(1, height, width) > 0.5).to(torch.uint8)
            mask = mask.repeat_interleave(9, -1).repeat_interleave(9, -2)[:, :height, :width]
            image = (mask * 200 + 20).expand(3, -1, -1)
            seen, moved = views.training((96, 64), strength)(tv_tensors.Image(image), tv_tensors.Mask(mask))
            assert seen.shape == (3, 96, 64) and moved.shape == (1, 96, 64)
            assert set(moved.unique().tolist()) <= {0, 1}
            bright = seen[0] > 0.25 * seen[0].min() + 0.75 * seen[0].max()
            assert (bright == moved[0].bool()).float().mean() > 0.85, strength


def check_what_is_shown_is_what_was_there() -> None:
    image = torch.randint(0, 256, (3, 9, 11), dtype=torch.uint8)
    assert torch.equal(views.visible(normalise()(tv_tensors.Image(image)).as_subclass(Tensor)), image)


def check_names_of_metrics() -> None:
    assert scoring.wanted('["iou", "f1"]') == ["iou", "dice"]
    assert scoring.wanted("recall_per_image,average_precision") == ["recall_per_image", "average_precision"]
    try:
        scoring.wanted("iou,dise")
    except UsageError as error:
        assert "there is no dise" in str(error)
    else:
        raise AssertionError
