"""The base image of the tests: the Dockerfiles' own where this machine is no Debian, else made here.

A Debian machine needs no image registry that way: its own package mirror, certificates and pip settings serve.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"
PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout")
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def base_image(default: str) -> str:
    """The tag of an image with Python and pip; made once per machine."""
    mirror, suite = debian_mirror(), codename()
    if not (mirror and suite and shutil.which("debootstrap") and os.geteuid() == 0):
        return default
    bundle, settings = certificates(), pip_settings()
    content = b"\0".join([PACKAGES.encode(), suite.encode(), bundle, settings.encode()])
    tag = f"cvl-test/base:{hashlib.sha256(content).hexdigest()[:12]}"
    if subprocess.run(["docker", "image", "inspect", tag], capture_output=True).returncode:
        make(tag, suite, mirror, bundle, settings)
    return tag


def make(tag: str, suite: str, mirror: str, bundle: bytes, settings: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(root), mirror]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}"
        for path in (root / "var/cache/apt/archives").glob("*.deb"):
            path.unlink()
        shutil.rmtree(root / "var/lib/apt/lists")
        (root / CERTIFICATES).write_bytes(bundle)
        (root / "etc/pip.conf").write_text(settings)
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(["docker", "import", "-", tag], stdin=tar.stdout, check=True, capture_output=True)


def debian_mirror() -> str:
    """Where this machine's own packages of this release come from; empty where it is no Debian."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.*"))]
    text = "\n".join(path.read_text(errors="replace") for path in files if path.is_file())
    suite = re.escape(codename())
    line = re.search(rf"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+{suite}\s", text, re.MULTILINE)
    stanza = re.search(rf"^URIs:\s*(\S+)\nSuites:\s*{suite}\b", text, re.MULTILINE)
    found = line or stanza
    return found[1] if found and suite else ""


def codename() -> str:
    try:
        facts = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE))
    except OSError:
        return ""
    return str(facts.get("VERSION_CODENAME", "")) if facts.get("ID") == "debian" else ""


def certificates() -> bytes:
    """The bundle that this machine trusts."""
    path = ssl.get_default_verify_paths().cafile or f"/{CERTIFICATES}"
    return Path(path).read_bytes() if Path(path).is_file() else b""


def pip_settings() -> str:
    """The indexes that this machine's pip asks; those in folders of this machine are left out."""
    lines = [f"{name} = {' '.join(words)}" for name, words in sorted(remote(dict(pip_options())).items()) if words]
    return "\n".join(["[global]", f"cert = /{CERTIFICATES}", *lines]) + "\n"


def remote(options: dict[str, str]) -> dict[str, list[str]]:
    return {name: [w for w in value.split() if not w.startswith(("file:", "/"))] for name, value in options.items()}


def pip_options() -> Iterator[tuple[str, str]]:
    home = Path.home()
    files = [Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"]
    parser = configparser.RawConfigParser()
    parser.read([*files, os.environ.get("PIP_CONFIG_FILE", os.devnull)])
    for name in PIP_OPTIONS:
        value = os.environ.get(f"PIP_{name.replace('-', '_').upper()}") or parser.get("global", name, fallback="")
        if value:
            yield name, value
