"""The page in a real Chromium: nothing leaves, nothing runs, nothing sticks out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cvl import report, verdict
from tests.report import made
from tests.report.test_html import hostile_run

pytestmark = pytest.mark.chromium

WIDTHS = (390, 1200)
COLOURS = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BOXES = """() => [...document.querySelectorAll('svg text')].map(text => {
  const inner = text.getBoundingClientRect(), outer = text.closest('figure').getBoundingClientRect();
  return inner.left >= outer.left && inner.right <= outer.right ? '' : text.textContent;
}).filter(Boolean)"""


@pytest.fixture
def browser(chromium: str) -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        started = tool.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def luminance(colour: str) -> float:
    return sum(float(part) for part in colour.strip("rgb()").split(",")[:3]) / 3


@pytest.mark.parametrize("kind", ["hostile", "healthy"])
def test_the_page_in_a_browser(browser, tmp_path: Path, kind: str) -> None:  # type: ignore[no-untyped-def]
    folder = hostile_run(tmp_path) if kind == "hostile" else made.run_folder(tmp_path)
    file = report.write("html", verdict.of_folder(folder))
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        said: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("dialog", lambda dialog, said=said: said.append(dialog.message))
        page.on("request", lambda request, requests=requests: requests.append(request.url))
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 844})
            page.goto(file.as_uri())
            assert page.evaluate(OVERFLOW) == 0, width
            assert page.evaluate(BOXES) == []
        ink, paper = map(luminance, page.evaluate(COLOURS))
        assert paper - ink > 150 if scheme == "light" else ink - paper > 150
        assert said == []
        assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()] * len(WIDTHS)
        assert page.locator("h1").inner_text() == "train-1"
        assert page.locator("svg path.line").count() >= 5
        assert page.locator("img").evaluate_all("all => all.every(image => image.naturalWidth > 0)")
        assert page.locator("path.mark.fail").count() == (1 if kind == "hostile" else 0)
        page.close()
