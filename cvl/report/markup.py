"""HTML and SVG as elements: whatever a log holds ends up as text, never as markup."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from cvl.console import printable

Node = ET.Element | str


def tag(name: str, /, *children: Node | Iterable[Node] | None, **attributes: object) -> ET.Element:
    """An element; `class_` is the attribute class, `stroke_width` stroke-width; None adds nothing."""
    made = ET.Element(name)
    for key, value in attributes.items():
        made.set(key.rstrip("_").replace("_", "-"), _lines(str(value)))
    for child in children:
        for node in (child,) if isinstance(child, (str, ET.Element)) else child or ():
            _append(made, node)
    return made


def to_html(element: ET.Element) -> str:
    return f"<!doctype html>\n{ET.tostring(element, encoding='unicode', method='html')}"


def _append(parent: ET.Element, node: Node) -> None:
    if isinstance(node, ET.Element):
        parent.append(node)
    elif len(parent):
        parent[-1].tail = (parent[-1].tail or "") + _lines(node)
    else:
        parent.text = (parent.text or "") + _lines(node)


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
