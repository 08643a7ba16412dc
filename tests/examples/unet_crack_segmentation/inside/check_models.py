"""The networks: what goes in and out, which weights are where, what is refused, what is really loaded."""

from __future__ import annotations

import copy
import hashlib
import io
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import models
import pretrained
import segmentation_models_pytorch as smp
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save, save_file
from torch import Tensor, nn

from cvl.errors import UsageError

ENCODERS = {"unet_swin": models.SWIN, "segformer": "mit_b0"}
# Millions of parameters on resnet18, or the encoder above.
SIZES = {
    "unet": 14.328, "unetplusplus": 15.970, "unet_aspp": 16.970, "unet_swin": 31.628,
    "swin_unet": 27.176, "segformer": 3.714, "deeplabv3plus": 12.329, "fpn": 13.047,
}  # fmt: skip


def build(name: str, encoder: str = "", weights: str = "none", size: int = 256, dim: int = 96) -> nn.Module:
    encoder = encoder or ENCODERS.get(name, "resnet18")
    return models.build(name, encoder, weights=weights, image_size=(size, size), embed_dim=dim)


def raises(call: Callable[[], object]) -> str:
    try:
        call()
    except UsageError as error:
        return str(error)
    raise AssertionError("nothing was refused")


def file(name: str) -> Path:
    return Path(tempfile.mkdtemp()) / name


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def check_every_model_has_its_size_and_three_groups_of_weights() -> None:
    assert models.MODELS.keys() == SIZES.keys()
    for name, millions in SIZES.items():
        model = build(name)
        groups = models.groups(model)
        grouped = [weight for group in groups.values() for weight in group]
        assert list(groups) == ["encoder", "decoder", "head"] and all(groups.values())
        assert {id(weight) for weight in grouped} == {id(weight) for weight in model.parameters()}, name
        assert len(grouped) == len(list(model.parameters())), name
        found = sum(weight.numel() for weight in grouped) / 1e6
        assert abs(found - millions) < 5e-4, (name, found)
        assert model.pretrained == "none"


def check_every_model_gives_a_logit_a_pixel_at_multiples_of_its_step() -> None:
    for name in SIZES:
        model = build(name, dim=32).eval()
        step = models.multiple(model)
        assert step == {"swin_unet": 1, "deeplabv3plus": 16}.get(name, 32), name
        with torch.no_grad():
            assert model(torch.randn(2, 3, 2 * step, 3 * step)).shape == (2, 1, 2 * step, 3 * step), name


def check_every_model_learns_from_a_single_picture() -> None:
    """A batch of one: the last of an epoch may be that small."""
    torch.manual_seed(0)
    for name in SIZES:
        model = build(name, dim=32).train()
        model(torch.randn(1, 3, 64, 64)).square().mean().backward()
        missing = [key for key, weight in model.named_parameters() if weight.grad is None]
        assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None), name
        assert not [key for key in missing if not key.startswith("encoder.")], (name, missing)


def check_common_encoders_fit() -> None:
    for name, encoder in (("unet", "mit_b0"), ("unet", "efficientnet-b0"), ("unet", "tu-mobilenetv3_small_100"),
                          ("fpn", "mit_b0"), ("deeplabv3plus", "tu-tf_efficientnet_lite0"), ("segformer", "resnet18"),
                          ("unet_aspp", "tu-tf_efficientnet_lite0"), ("unet", "tu-resnet18.a1_in1k")):  # fmt: skip
        assert build(name, encoder).eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1, 64, 64), (name, encoder)


def check_a_swin_encoder_takes_other_sizes_than_it_was_built_for() -> None:
    model = build("unet_swin").eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, 64, 96)).shape == (1, 1, 64, 96)


def trained(model: nn.Module, images: Tensor) -> tuple[list[Tensor], int]:
    """Gradients and statistics after a step's forward and backward pass, and how many values were kept between them."""
    kept = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = model(images).square().mean()
    loss.backward()
    return [*(weight.grad for weight in model.parameters() if weight.grad is not None), *model.buffers()], kept


def check_grad_checkpoint_changes_no_gradient_and_no_statistics() -> None:
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for name, encoder in (("unet", "resnet18"), ("unet", "tu-tf_efficientnet_lite0"), ("fpn", "efficientnet-b0"),
                          ("segformer", "mit_b0"), ("unet_swin", models.SWIN), ("swin_unet", "")):  # fmt: skip
        torch.manual_seed(0)
        plain = build(name, encoder, dim=32).train()
        model = copy.deepcopy(plain)
        models.grad_checkpoint(model)
        average = copy.deepcopy(model)  # as an average of weights is made
        wanted, kept = trained(plain, images)
        for again in (model, average):
            found, less = trained(again, images)
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)
            assert less < 0.8 * kept, (name, less, kept)
        assert model.state_dict().keys() == plain.state_dict().keys()
        with torch.no_grad():
            torch.testing.assert_close(model.eval()(images), plain.eval()(images))


def check_grad_checkpoint_is_refused_where_there_are_no_blocks() -> None:
    message = raises(lambda: models.grad_checkpoint(build("unet", "vgg11")))
    assert message.startswith("GRAD_CHECKPOINT: VGGEncoder is not made of blocks that could be computed again\nhint: ")


def check_what_is_refused() -> None:
    assert raises(lambda: build("vnet")).startswith("there is no MODEL vnet\nhint: one of unet, unetplusplus, ")
    assert raises(lambda: build("unet", "resnet19")).startswith(
        "there is no ENCODER resnet19\nhint: did you mean resnet1"
    )
    assert "did you mean tu-swin_tiny_patch4_window7_224?" in raises(lambda: build("unet", "tu-swin_tiny"))
    assert raises(lambda: build("unet_swin", "resnet18")).startswith(
        "MODEL=unet_swin needs a Swin encoder, not resnet18"
    )
    message = raises(lambda: build("unetplusplus", "mit_b0"))
    assert message.startswith("MODEL=unetplusplus cannot be built on ENCODER=mit_b0: ")
    assert message.endswith("hint: ENCODER=resnet34 fits every MODEL but unet_swin")
    assert raises(lambda: build("deeplabv3plus", models.SWIN)).startswith("MODEL=deeplabv3plus cannot be built on ")
    assert raises(lambda: build("swin_unet", dim=48)).startswith(
        "EMBED_DIM is 48: every attention head has 32 channels"
    )


def check_a_hub_that_does_not_answer_is_said_at_once() -> None:
    for name, encoder in (("unet", "resnet18"), ("unet", "tu-resnet18"), ("swin_unet", "")):
        said = io.StringIO()
        with redirect_stderr(said):
            model = build(name, encoder, weights="imagenet")
        assert model.pretrained == "none"
        assert "ImageNet weights of" in said.getvalue() and "training from scratch" in said.getvalue(), said.getvalue()
    assert raises(lambda: build("swin_unet", weights="imagenet", dim=64)).startswith(
        "the ImageNet weights of MODEL=swin_unet have EMBED_DIM=96, asked for 64"
    )


def check_imagenet_weights_of_swin_fit_swin_unet_at_either_window() -> None:
    """timm loads them from a file here, in place of the hub."""
    warnings.simplefilter("ignore")  # timm's own, where it brings the tables to another size
    create, path = timm.create_model, file("swin.pth")
    published = create(pretrained.SWIN).state_dict()
    torch.save(published, path)
    try:
        timm.create_model = partial(create, pretrained_cfg_overlay={"file": str(path)})
        for size, window in ((224, 7), (256, 8)):
            model = build("swin_unet", size=size)
            model.encoder.load_state_dict(pretrained._of_swin(model))
            for name, value in model.encoder.state_dict().items():
                if name.endswith("bias_table"):
                    assert len(value) == (2 * window - 1) ** 2, name
                if window == 7 or not name.endswith("bias_table"):
                    assert torch.equal(value, published[name]), name
    finally:
        timm.create_model = create


def check_a_hub_that_answers_gives_its_weights() -> None:
    """Against a server of the shape of the hub, with the weights of a small network."""
    torch.manual_seed(3)
    published = smp.encoders.get_encoder("mobilenet_v2").state_dict()
    files = {"config.json": b"{}", "model.safetensors": save(published)}
    with hub(files) as address:
        constants.ENDPOINT, endpoint = address, constants.ENDPOINT
        constants.HUGGINGFACE_CO_URL_TEMPLATE, template = (
            address + "/{repo_id}/resolve/{revision}/{filename}",
            constants.HUGGINGFACE_CO_URL_TEMPLATE,
        )
        try:
            model = build("unet", "mobilenet_v2", weights="imagenet")
        finally:
            constants.ENDPOINT, constants.HUGGINGFACE_CO_URL_TEMPLATE = endpoint, template
    assert model.pretrained == "imagenet"
    assert same(model.encoder.state_dict(), published)
    assert same(build("unet", "mobilenet_v2", weights="imagenet").encoder.state_dict(), published)  # from the cache


@contextmanager
def hub(files: dict[str, bytes]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            content = files.get(self.path.rpartition("/")[2])
            self.send_response(404 if content is None else 200)
            if content is not None:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", self.path.split("/")[-2])
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(files.get(self.path.rpartition("/")[2], b""))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def check_weights_of_a_file() -> None:
    saved = build("unet")
    whole, encoder, tensors = file("best_model.pt"), file("encoder.pth"), file("encoder.safetensors")
    torch.save({"model": saved.state_dict(), "epoch": 3}, whole)
    torch.save(saved.encoder.state_dict(), encoder)
    save_file(saved.encoder.state_dict(), tensors)
    assert same(build("unet", weights=str(whole)).state_dict(), saved.state_dict())
    for path in (encoder, tensors):
        model = build("fpn", weights=str(path))
        assert same(model.encoder.state_dict(), saved.encoder.state_dict())
        assert model.pretrained == str(path)
    message = raises(lambda: build("fpn", weights=str(whole)))
    assert (
        message.startswith(f"WEIGHTS={whole} does not fit the model: 90 tensors differ, decoder.")
        and "hint: " in message
    )
    message = raises(lambda: build("unet", "resnet34", weights=str(encoder)))
    assert message.startswith(f"WEIGHTS={encoder} does not fit the encoder: ")


def check_files_that_hold_no_weights() -> None:
    for content in (b"", b"hello", b"\x80\x04", b"PK\x03\x04nothing"):
        for suffix in ("pt", "safetensors"):
            path = file(f"x.{suffix}")
            path.write_bytes(content)
            assert raises(lambda: build("unet", weights=str(path))).startswith(f"WEIGHTS={path} holds no weights")  # noqa: B023
    for value in ({"epoch": 3}, {}, [1], {"model": 3}, {"a": "b"}):
        path = file("x.pt")
        torch.save(value, path)
        assert raises(lambda: build("unet", weights=str(path))).startswith(f"WEIGHTS={path} holds no weights")  # noqa: B023
    path = file("x.pt")
    assert raises(lambda: build("unet", weights=str(path))) == (
        f"WEIGHTS={path}: No such file or directory\nhint: imagenet, none or a file"
    )
