"""A Dockerfile taken apart."""

from __future__ import annotations

from cvl import dockerfile

TEXT = """\
# ARG NO=1
ARG BASE_IMAGE=python:3.11
arg CUDA='13' NOTE="two words"
FROM --platform=linux/amd64 nvidia/cuda:${CUDA}-base AS tools
RUN <<END
ARG INSIDE=1
FROM nothing
END
RUN echo $((1 << 4)) "<<EOF"
from $BASE_IMAGE as final
ARG CUDA=14
ARG LATER
FROM tools
FROM scratch
FROM
"""


def test_build_arguments_with_their_first_default() -> None:
    found = dockerfile.build_args(dockerfile.instructions(TEXT))
    assert found == {"BASE_IMAGE": "python:3.11", "CUDA": "13", "NOTE": "two words", "LATER": ""}


def test_base_images_are_those_from_elsewhere() -> None:
    found = dockerfile.base_images(dockerfile.instructions(TEXT), {"BASE_IMAGE": "mine:1", "CUDA": "12"})
    assert list(found) == [(4, "nvidia/cuda:12-base"), (10, "mine:1"), (15, "")]
