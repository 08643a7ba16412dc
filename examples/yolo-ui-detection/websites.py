"""The pages to capture: folders of HTML served on this machine, and addresses."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

from cvl.errors import DataError

THIRD_PARTY = {"node_modules", "bower_components", "vendor", "vendors", "plugins"}


@dataclass(frozen=True)
class Site:
    """Where pages come from: a folder, or a host."""

    name: str
    version: str = ""
    license: str = ""


@dataclass(frozen=True)
class Page:
    """One document; all its screenshots stay in one split."""

    site: Site
    name: str
    url: str

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", f"{self.site.name}-{self.name}".lower()).strip("-")


@contextmanager
def serve(folders: Sequence[Path]) -> Iterator[list[str]]:
    """Serves each folder on a free local port; the addresses, in the same order."""
    with ExitStack() as stack:
        yield [stack.enter_context(_server(folder)) for folder in folders]


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """The run reports pages, not requests."""


def site_folders(root: Path) -> list[Path]:
    """`root` itself where it is a site (it holds HTML or a package.json), else its sub-folders that hold pages."""
    if not root.is_dir():
        raise DataError(f"PAGES_DIR {root}: there is no such folder", hint="a folder of sites, one sub-folder each")
    if any(root.glob("*.html")) or (root / "package.json").is_file():
        return [root]
    folders = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and html_files(folder)]
    if not folders:
        raise DataError(f"PAGES_DIR {root}: no .html file in it or below")
    return folders


def html_files(folder: Path) -> list[Path]:
    """The site's own pages, relative to it; those that libraries bring are left out."""
    files = sorted(p.relative_to(folder) for p in folder.rglob("*.html"))
    return [f for f in files if not THIRD_PARTY & set(f.parts) and not any(part.startswith(".") for part in f.parts)]


def local_pages(folder: Path, address: str, most: int) -> list[Page]:
    """Pages of one folder, at most `most` (0: all), spread over the whole list."""
    site = describe(folder)
    files = html_files(folder)
    step = max(1.0, len(files) / most) if most else 1.0
    chosen = [files[int(i * step)] for i in range(int(len(files) / step))]
    return [Page(site, f.as_posix().removesuffix(".html"), f"{address}/{f.as_posix()}") for f in chosen]


def describe(folder: Path) -> Site:
    """Version and licence as the folder's package.json names them."""
    file = folder / "package.json"
    package = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    licence = package.get("license", "")
    return Site(
        folder.name,
        str(package.get("version", "")),
        licence if isinstance(licence, str) else str(licence.get("type", "")),
    )


def remote_pages(urls: str) -> list[Page]:
    """One page for each address; the host is the site."""
    pages = []
    for url in filter(None, (word.strip() for word in urls.split(","))):
        parts = urlparse(url)
        pages.append(Page(Site(parts.netloc or "file"), (parts.path.strip("/") or "index") + parts.query, url))
    return pages
