"""A Dockerfile taken apart."""

from __future__ import annotations

import pytest

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


LAYERED = """\
ARG CUDA=12.4
ARG TAG=${CUDA}-runtime
ARG BASE_IMAGE="nvidia/cuda:$TAG"
ARG MIRROR=${PROXY:-plain}/${CUDA:-none} PRICE='$5' COST=\\$5
FROM ${BASE_IMAGE}
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["12.4", "12.4-runtime", "nvidia/cuda:12.4-runtime", "plain/12.4", "$5", "$5"]),
        ({"CUDA": "13"}, ["13", "13-runtime", "nvidia/cuda:13-runtime", "plain/13", "$5", "$5"]),
        ({"TAG": "$CUDA", "CUDA": ""}, ["12.4", "$CUDA", "nvidia/cuda:$CUDA", "plain/12.4", "$5", "$5"]),
    ],
)
def test_a_default_is_filled_in_with_the_arguments_above_it(given: dict[str, str], expected: list[str]) -> None:
    found = dockerfile.instructions(LAYERED)
    args = dockerfile.build_args(found, given)
    assert args == dict(zip(["CUDA", "TAG", "BASE_IMAGE", "MIRROR", "PRICE", "COST"], expected, strict=True))
    assert list(dockerfile.base_images(found, args)) == [(5, expected[2])]
