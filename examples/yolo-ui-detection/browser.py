"""Headless Chromium: opens pages, holds them still, and takes screenshots with the boxes read from the DOM."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageStat
from websites import Page

from cvl.errors import EngineError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
# What a served page wants from elsewhere fails at once.
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
BOXES = Path(__file__).with_name("boxes.js")
PAGE_TIMEOUT = 20_000  # ms
QUIET_TIMEOUT = 3_000
MIN_CHANGE = 8  # mean difference in brightness, of 255, that makes another colour scheme
MAX_FRAMES = 0.05  # of the viewport: what is inside a frame has no boxes

STILL = """
*, *::before, *::after {
  animation-delay: 0s !important; animation-duration: 1ms !important; animation-iteration-count: 1 !important;
  transition: none !important; caret-color: transparent !important; scroll-behavior: auto !important;
  pointer-events: auto !important;
}"""
# The same page every time: a seeded Math.random (charts of demo pages draw from it).
SEEDED = "(() => { let s = 42; Math.random = () => (s = (s * 16807) % 2147483647) / 2147483647; })()"
NOW = "2026-01-15T10:00:00"
# Dark themes are asked for in the ways in use: the media query (emulated), data attributes and classes.
THEME = """dark => {
  const root = document.documentElement;
  for (const name of ['data-bs-theme', 'data-theme', 'data-color-scheme'])
    root.setAttribute(name, dark ? 'dark' : 'light');
  root.classList.toggle('dark', dark);
  for (const name of ['dark', 'dark-mode']) document.body.classList.toggle(name, dark);
}"""


@dataclass(frozen=True)
class Shot:
    """One screenshot on disk with its boxes, (class name, x0, y0, x1, y1) in pixels."""

    page: Page
    viewport: tuple[int, int]
    scheme: str
    scroll: int
    file: Path
    digest: str
    boxes: tuple[tuple[str, float, float, float, float], ...]

    @property
    def name(self) -> str:
        return f"{self.page.slug}-{self.viewport[0]}x{self.viewport[1]}-{self.scheme}-{self.scroll}"


@dataclass(frozen=True)
class Views:
    """What to take of every page."""

    viewports: Sequence[tuple[int, int]]
    schemes: Sequence[str]
    scrolls: int
    min_box: float


def find_chromium(wanted: str) -> str:
    """The executable: `wanted`, or the first one on PATH."""
    for name in (wanted,) if wanted else NAMES:
        path = shutil.which(name)
        if path:
            return path
    asked = f"CHROMIUM={wanted} is not an executable" if wanted else f"none of {', '.join(NAMES)} is on PATH"
    raise EngineError(f"no Chromium found: {asked}", hint="apt-get install chromium, or CHROMIUM=/path/to/chrome")


@contextmanager
def chromium(executable: str, *, offline: bool) -> Iterator[Any]:
    """A running browser; without its sandbox only as root, or where the sandbox cannot start."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise EngineError(
            "the Python package playwright is missing", hint="pip install playwright (its own browsers are not needed)"
        ) from None
    flags = [*FLAGS, *([OFFLINE] if offline else [])]
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as play:
        try:
            browser = play.chromium.launch(executable_path=executable, args=flags, chromium_sandbox=not root)
        except Error as error:
            if root:
                raise EngineError(f"{executable} does not start: {str(error).splitlines()[0]}") from None
            print("capture: the sandbox of Chromium cannot start here, going on without it", file=sys.stderr)
            browser = play.chromium.launch(executable_path=executable, args=flags, chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


def take(browser: Any, page: Page, views: Views, folder: Path) -> Iterator[Shot]:
    """All screenshots of one page; a page that fails raises after those that were taken."""
    for viewport in views.viewports:
        size = {"width": viewport[0], "height": viewport[1]}
        context = browser.new_context(viewport=size, service_workers="block", locale="en-US", timezone_id="UTC")
        try:
            context.set_default_timeout(PAGE_TIMEOUT)
            yield from _shots(_open(context, page.url), page, viewport, views, folder)
        finally:
            context.close()


def _open(context: Any, url: str) -> Any:
    """The page loaded, at rest, with its fonts."""
    from playwright.sync_api import TimeoutError as Slow

    tab = context.new_page()
    tab.on("dialog", lambda dialog: dialog.dismiss())
    tab.clock.set_fixed_time(NOW)
    tab.add_init_script(SEEDED)
    tab.goto(url, wait_until="load", timeout=PAGE_TIMEOUT)
    with suppress(Slow):  # pages that poll never are quiet
        tab.wait_for_load_state("networkidle", timeout=QUIET_TIMEOUT)
    tab.add_style_tag(content=STILL)
    tab.evaluate("Promise.race([document.fonts.ready, new Promise(r => setTimeout(r, 3000))]).then(() => 0)")
    tab.wait_for_timeout(400)  # splash screens that go by timer
    return tab


def _shots(tab: Any, page: Page, viewport: tuple[int, int], views: Views, folder: Path) -> Iterator[Shot]:
    """Shots at every scroll position and scheme; a scheme that changes nothing at the first one is not asked again."""
    schemes = list(views.schemes)
    for index, top in enumerate(_tops(tab, viewport[1], views.scrolls)):
        first = b""
        for scheme in tuple(schemes):
            _dress(tab, scheme, top)
            data, boxes = _still(tab, views.min_box)
            if first and not _differs(first, data):
                schemes.remove(scheme)
            elif boxes is not None:  # None: frames fill the view
                file = folder / f"{page.slug}-{viewport[0]}x{viewport[1]}-{scheme}-{index}.png"
                file.write_bytes(data)
                digest = hashlib.blake2b(data, digest_size=16).hexdigest()
                yield Shot(page, viewport, scheme, index, file, digest, boxes)
            first = first or data


def _differs(one: bytes, other: bytes) -> bool:
    """Whether a person would call it another colour scheme, rather than a blinking detail."""
    pictures = [Image.open(BytesIO(data)).convert("L") for data in (one, other)]
    return ImageStat.Stat(ImageChops.difference(*pictures)).mean[0] > MIN_CHANGE


def _tops(tab: Any, height: int, scrolls: int) -> list[int]:
    """Scroll positions: screen after screen with a tenth of overlap, as far as the page goes."""
    deepest = max(0, tab.evaluate("document.documentElement.scrollHeight") - height)
    return sorted({min(deepest, int(0.9 * height * i)) for i in range(max(1, scrolls))})


def _dress(tab: Any, scheme: str, top: int) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.evaluate(THEME, scheme == "dark")
    tab.evaluate("top => { window.scrollTo(0, top); document.activeElement && document.activeElement.blur(); }", top)
    tab.wait_for_timeout(120)  # bars that come or go on scrolling


def _still(tab: Any, min_box: float) -> tuple[bytes, tuple[tuple[str, float, float, float, float], ...] | None]:
    """Picture and boxes of one moment: boxes are read before and after, until nothing moves in between."""
    script = BOXES.read_text(encoding="utf-8")
    before = tab.evaluate(script, {"minBox": min_box})
    for _ in range(4):
        data = tab.screenshot(animations="disabled", caret="hide", timeout=PAGE_TIMEOUT)
        after = tab.evaluate(script, {"minBox": min_box})
        if after == before:
            break
        before = after
    if before["frames"] > MAX_FRAMES:
        return data, None
    return data, tuple((b["label"], b["x0"], b["y0"], b["x1"], b["y1"]) for b in before["boxes"])
