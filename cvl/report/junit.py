"""JUnit XML: a judgement, or the checks of a catalogue, as test cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from cvl.console import printable
from cvl.judge import Judgement
from cvl.report import items
from cvl.report.items import Item

_TAGS = {"error": "failure", "skipped": "skipped", "warning": "system-out"}


def render(judgement: Judgement) -> str:
    return document({judgement.folder.name: items.of(judgement)})


def document(suites: Mapping[str, Sequence[Item]]) -> str:
    """A suite for each name; a warning is a passed case that says something."""
    root = ET.Element("testsuites", _counts([item for found in suites.values() for item in found]))
    for name, found in suites.items():
        suite = ET.SubElement(root, "testsuite", {"name": printable(name), **_counts(found)})
        for item in found:
            _add_case(suite, printable(name), item)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}'


def _counts(found: Sequence[Item]) -> dict[str, str]:
    levels = [item.level for item in found]
    return {
        "tests": str(len(levels)),
        "failures": str(levels.count("error")),
        "errors": "0",
        "skipped": str(levels.count("skipped")),
        "time": "0",
    }


def _add_case(suite: ET.Element, suite_name: str, item: Item) -> None:
    case = ET.SubElement(suite, "testcase", classname=suite_name, name=item.name, time="0")
    tag = _TAGS.get(item.level)
    if tag is None:
        return
    place = f"{item.file}:{item.line}" if item.line else item.file
    text = "\n".join(filter(None, (place if item.line else "", item.detail)))
    if tag == "system-out":
        ET.SubElement(case, tag).text = "\n".join(filter(None, (f"warning: {item.message}", text)))
    else:
        ET.SubElement(case, tag, message=item.message).text = text
