"""A run as one page that needs nothing else: no script, no network, no other file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from cvl import contract, evaluations
from cvl.evaluations import Evaluation
from cvl.judge import Judgement
from cvl.report import curves, facts, pictures, svg
from cvl.report.curves import Chart
from cvl.report.markdown import MARKS, NO_MARK
from cvl.report.markup import Node, tag, to_html
from cvl.report.pictures import Picture
from cvl.rules import Status, Verdict
from cvl.rules.case import shown
from cvl.runs import Record

MAX_ROWS = 300
_FORBIDDEN = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_WORDS = {Status.NOT_RUN: "not run", Status.NOT_COMPARABLE: "not comparable"}


def render(judgement: Judgement) -> str:
    record = facts.record_of(judgement.folder)
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_FORBIDDEN),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{judgement.folder.name}: {_word(judgement, record)}"),
        tag("style", style),
    )
    return to_html(tag("html", head, tag("body", tag("main", _sections(judgement, record))), lang="en"))


def _sections(judgement: Judgement, record: Record | None) -> Iterator[Element]:
    evaluation = evaluations.read(judgement.folder)
    yield _header(judgement, record)
    yield from _section("Rules", _rules(judgement.verdicts))
    yield from _section("Curves", _curves(judgement))
    yield from _section("Evaluation", _evaluation(evaluation))
    title = "Predictions" if judgement.verdicts else "Pictures"
    yield from _section(title, _pictures(pictures.embedded(judgement.folder)))
    yield from _section("Single values", _single(judgement))
    if record:
        yield from _section("Run", _run(record, trained=bool(judgement.verdicts)))
        yield from _section("Parameters", _parameters(record))
    yield from _section("Notes", _notes(judgement, record))
    yield tag("footer", f"cvl {contract.VERSION}")


def _section(title: str, content: Iterable[Element]) -> Iterator[Element]:
    """Nothing where there is no content."""
    parts = list(content)
    if parts:
        yield tag("section", tag("h2", title), parts)


def _word(judgement: Judgement, record: Record | None) -> str:
    """The verdict, or how a run ended that came to none."""
    return record.status.replace("_", " ") if record and not record.verdict else judgement.outcome.word


def _header(judgement: Judgement, record: Record | None) -> Element:
    word, outcome = _word(judgement, record), judgement.outcome
    colour = "pass" if word == "pass" else "fail" if word in ("fail", "failed", "timed out", "lost") else "other"
    about = [record.example, record.preset, record.started[:10], facts.took(record.seconds)] if record else []
    detail = outcome.detail if word == outcome.word else f"The rules so far: {outcome}"
    return tag(
        "header",
        tag("p", " · ".join(filter(None, about)) or "A training log without a record", class_="dim"),
        tag("h1", judgement.folder.name),
        tag("p", tag("strong", word.upper(), class_=f"badge {colour}"), f" {detail}", class_="verdict"),
        tag("p", "Health only: calibrated ranges do not apply to these settings.") if outcome.health_only else None,
        tag("p", judgement.rating[0].upper() + judgement.rating[1:]) if judgement.rating else None,
        (tag("p", note, class_="dim") for note in judgement.notes),
    )


def _rules(verdicts: Sequence[Verdict]) -> Iterator[Element]:
    rows = [row for verdict in verdicts for row in _rule_rows(verdict)]
    if rows:
        yield _table(("", "Rule", "Wanted", "Found", "Where"), rows, class_="rules")


def _rule_rows(verdict: Verdict) -> Iterator[Element]:
    mark = tag("span", MARKS.get(verdict.status, NO_MARK), class_="sign", aria_hidden="true")
    word = _WORDS.get(verdict.status, verdict.status.value)
    cells = ((verdict.wanted, "wanted"), (verdict.found, "found"), (str(verdict.where), "where"))
    yield tag(
        "tr",
        tag("td", mark, tag("span", word, class_="word")),
        tag("td", tag("strong", verdict.rule), f" {verdict.metric}"),
        (tag("td", text, data_label=label) for text, label in cells),
        class_=verdict.status.value,
    )
    why = [tag("p", text) for text in (verdict.reason, f"hint: {verdict.hint}" if verdict.hint else "") if text]
    if why and verdict.status is not Status.PASS:
        yield tag("tr", tag("td"), tag("td", why, colspan=4), class_="why")


def _curves(judgement: Judgement) -> Iterator[Element]:
    drawn, left_out = curves.charts(judgement)
    if drawn:
        yield tag("div", map(_figure, drawn), class_="charts")
    if left_out:
        yield tag("p", f"{left_out} more are in the log.", class_="dim")


def _figure(chart: Chart) -> Element:
    shared = chart.title.removesuffix("…") if chart.title.endswith("/…") else ""
    named = [tag("li", line.name.removeprefix(shared), class_=f"s{n}") for n, line in enumerate(chart.lines)]
    more = tag("li", f"the lowest of {chart.left_out + len(named)}", class_="more") if chart.left_out else None
    legend = tag("ul", named, more, class_="legend") if len(named) > 1 else None
    return tag("figure", tag("h3", chart.title), svg.draw(chart), legend)


def _evaluation(evaluation: Evaluation) -> Iterator[Element]:
    if evaluation.metrics:
        yield tag("p", f"Measured on the split {evaluation.split or 'that has no name'}.", class_="dim")
        yield _facts([(name, shown(value)) for name, value in evaluation.metrics.items()])
    names = list(dict.fromkeys(name for group in evaluation.groups.values() for name in group))
    if names:
        rows = [
            tag(
                "tr", tag("th", group, scope="row"), (tag("td", _cell(values, name), class_="number") for name in names)
            )
            for group, values in list(evaluation.groups.items())[:MAX_ROWS]
        ]
        yield _table(("Class or prompt", *names), rows, class_="numbers")
        if len(evaluation.groups) > MAX_ROWS:
            yield tag("p", f"{len(evaluation.groups) - MAX_ROWS} more are in {contract.EVALUATION}.", class_="dim")


def _cell(values: Mapping[str, float], name: str) -> str:
    if name not in values:
        return NO_MARK
    return f"{values[name]:g}" if name == "n" else shown(values[name])


def _pictures(found: Sequence[Picture]) -> Iterator[Element]:
    made = [
        tag(
            "figure",
            tag("img", src=one.uri, width=one.width, height=one.height, alt=one.name),
            tag("figcaption", one.name),
        )
        for one in found
        if one.uri
    ]
    if made:
        yield tag("div", made, class_="pictures")
    yield from (tag("p", f"{one.name}: {one.problem}", class_="dim") for one in found if one.problem)


def _single(judgement: Judgement) -> Iterator[Element]:
    """What was logged once is no curve."""
    series = [s for reading in curves.own(judgement) for s in reading.series.values() if len(s) == 1]
    if series:
        yield _facts([(one.name, shown(one.value[0])) for one in series[:MAX_ROWS]])


def _run(record: Record, *, trained: bool) -> Iterator[Element]:
    machine = record.hardware
    rows = [
        ("Trained on" if trained else "Hardware", facts.hardware(record)),
        (
            "System",
            str(machine.get("system", "")) + (f", {machine['memory_gb']} GB" if machine.get("memory_gb") else ""),
        ),
        ("Time", facts.took(record.seconds)),
        ("Images/s", "" if record.images_per_s is None else f"{record.images_per_s:.1f}"),
        ("Peak memory", "" if record.peak_memory_gb is None else f"{record.peak_memory_gb:.2f} GB"),
        ("Data", facts.data(record)),
        ("Started", record.started),
        ("Resumed", ", ".join(map(str, record.resumes))),
        (
            "Status",
            record.status + ("" if record.exit_code is None else f" (exit code of the job: {record.exit_code})"),
        ),
        ("Engine", record.engine),
        ("Commit", str(record.git.get("commit", "")) + (" with changes" if record.git.get("changed") else "")),
        ("Content", record.content_hash[:12]),
        ("cvl", record.cvl),
    ]
    packages = record.environment.get("packages")
    environment = [(name, str(item)) for name, item in record.environment.items() if item and name != "packages"]
    yield _facts([row for row in [*rows, *environment] if row[1]])
    if isinstance(packages, dict) and packages:
        listed = _facts([(str(name), str(version)) for name, version in packages.items()])
        yield tag("details", tag("summary", f"{len(packages)} packages"), listed)
    if record.command:
        yield tag("details", tag("summary", "Command"), tag("pre", record.command))


def _parameters(record: Record) -> Iterator[Element]:
    """Those that somebody set, then the defaults."""
    rows = [(name, facts.value(record, name), str(p.get("source", ""))) for name, p in record.parameters.items()]
    chosen = [row for row in rows if row[2] != "default"]
    usual = [row for row in rows if row[2] == "default"]
    head = ("Parameter", "Value", "Source")
    if chosen:
        yield _table(head, map(_parameter_row, chosen))
    if usual:
        yield tag("details", tag("summary", f"{len(usual)} defaults"), _table(head, map(_parameter_row, usual)))


def _parameter_row(row: tuple[str, str, str]) -> Element:
    name, value, source = row
    return tag("tr", tag("th", tag("code", name), scope="row"), tag("td", value or "unset"), tag("td", source))


def _notes(judgement: Judgement, record: Record | None) -> Iterator[Element]:
    lines = [*(record.notes if record else ()), *judgement.problems]
    if lines:
        yield tag("ul", (tag("li", str(line)) for line in lines))


def _facts(rows: Sequence[tuple[str, str]]) -> Element:
    return tag("dl", (tag("div", tag("dt", name), tag("dd", text)) for name, text in rows))


def _table(head: Sequence[str], rows: Iterable[Element], **attributes: str) -> Element:
    """Scrolls by itself where it is too wide."""
    cells: list[Node] = [tag("th", title, scope="col") if title else tag("td") for title in head]
    table = tag("table", tag("thead", tag("tr", cells)), tag("tbody", rows), **attributes)
    return tag("div", table, class_="scroll", tabindex=0)
