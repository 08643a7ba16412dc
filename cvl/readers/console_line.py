"""What one printed line says: counters, the part of the data, values by name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NOISE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08]|\b(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_NUMBER = r"[-+]?(?:nan|inf(?:inity)?|(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)(?![\w:/-]|[.,]\d)"
_COUNT = r"\s?(?:\((?P<{0}_of>\w+)\))?[\s:=#\[(]*(?P<{0}>\d{{1,18}})(?:\s*/\s*(?P<{0}s>\d{{1,18}}))?(?![\w%]|[.:]\d)"
_COUNTER = r"(?:global[ _])?step|iter(?:ation)?|batch"
_PART = r"(?:test|val(?:id(?:ation)?)?|eval(?:uation)?|train(?:ing)?)"
_TOKEN = re.compile(
    r"(?<![\w./@=-])(?:"
    rf"(?<!best )epoch{_COUNT.format('epoch')}"
    rf"|(?:{_COUNTER}){_COUNT.format('step')}"
    r"|(?P<bar>\d{1,18})/(?P<bars>\d{1,18})(?=\]| \(\d+%\)\]| ?\[| +━| - \d+m?s )"
    rf"|(?P<name>(?:[^\W\d][\w-]{{0,31}} ){{0,2}}(?!(?:epoch|{_COUNTER})\b)[^\W\d][\w@./-]{{0,63}}(?:\(\w+\))?)"
    rf"(?:[\"']?\s*[:=]\s*(?:tensor\()?|\s+(?={_NUMBER}\s*\(\s*{_NUMBER}\)))(?P<value>{_NUMBER})"
    rf"|(?P<part>{_PART})(?!\w))",
    re.IGNORECASE,
)
_OF_PART = re.compile(rf"{_PART}(?![a-z\d])")
_NO_METRIC = re.compile(r"(?:.*_)?(?:.*\.py|eta|epochs|rank|gpu|pid|line|seed)")


@dataclass
class Line:
    """`held`: its counters are those of a part held out, `length`: of an epoch, 0 where it is not said."""

    epoch: int | None = None
    position: int | None = None
    length: int = 0
    part: str = ""
    held: bool = False
    values: list[tuple[str, float]] = field(default_factory=list)

    def take(self, token: re.Match[str]) -> None:
        if token["name"]:
            self._value(token["name"].lower().split(" "), float(token["value"]))
        elif token["part"]:
            self.part = token["part"].lower()
        else:
            self._counter(token)

    def _value(self, words: list[str], value: float) -> None:
        name = "_".join(words)
        if len(words) > 1 and _OF_PART.fullmatch(words[0]):
            self.part = words[0]
        elif self.part and not _OF_PART.match(name):
            name = f"{self.part}_{name}"
        if not _NO_METRIC.fullmatch(name):
            self.values.append((name, value))

    def _counter(self, token: re.Match[str]) -> None:
        self.part = (token["epoch_of"] or token["step_of"] or self.part).lower()
        self.held = self.held or (bool(_OF_PART.fullmatch(self.part)) and not self.part.startswith("train"))
        if token["epoch"]:
            self.epoch = int(token["epoch"])
        elif token["step"] or self.position is None:
            self.position = int(token["step"] or token["bar"])
            self.length = int(token["steps"] or token["bars"] or 0)


def parse(text: str) -> Line:
    line = Line()
    for token in _TOKEN.finditer(_NOISE.sub("", text)):
        line.take(token)
    return line
