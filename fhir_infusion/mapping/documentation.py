"""A mapping document as tables for people: clinicians and engineers read the same lines, in both directions.

Made from the plan and from what the record types say of their fields, so that it is never out of date. ``markdown`` and
``html`` lay the same tables out.
"""

from __future__ import annotations

import html as escaping
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fhir_infusion.mapping.inspect import Pair, Rule, fixed, left_out, pairs, plain
from fhir_infusion.records.fields import table as field_table

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from fhir_infusion.mapping.code_tables import CodeTable
    from fhir_infusion.mapping.lens import Lens

Rows = tuple[tuple[str, ...], ...]
"""Cells of text; what is code in them stands between backquotes."""

_HOW: Final = {
    "plain": "as it is",
    "key": "the id of the element",
    "quantity": "number and unit, the unit in UCUM; every digit kept",
    "rate": "a quantity whose unit is per time",
    "not-rate": "a quantity whose unit is not per time",
    "list": "each element",
}
_FOLDED: Final = ("Concept", "Reference", "Identifier")
"""Record types that stand in so many places that they are told once."""

_AN: Final = "Inside: "
_READING: Final = "read from here where"
_WRITING: Final = "written here where"


@dataclass(frozen=True, slots=True)
class Section:
    """A table with its heading, what it says in a sentence, and its columns."""

    heading: str
    words: str
    columns: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class Page:
    """What is said of one document in one release, under one overlay or none."""

    title: str
    words: str
    sections: tuple[Section, ...]


def page(lens: Lens, codes: Mapping[str, CodeTable], displays: Mapping[str, str], base: Lens | None = None) -> Page:
    """Return the page of a document.

    Args:
        lens: the document.
        codes: the code tables by name.
        displays: the published display of a code, by ``system|code``.
        base: the document without the overlay, where ``lens`` has one; what differs is marked.
    """
    plan = lens.plan
    found = list(pairs(lens))
    before = {_said(pair) for pair in _folded(plan.internal_type, list(pairs(base)))[0]} if base is not None else set()
    own, parts = _folded(plan.internal_type, found)
    rows = tuple(_row(plan.internal_type, pair, codes, before) for pair in own)
    gone = before - {_said(pair) for pair in own}
    used = sorted({pair.codes for pair in found if pair.codes})
    sections = [
        Section(
            "What stands where",
            "Each line is read in both directions: from FHIR into the record, from the record into FHIR.",
            ("record", "what it is", "FHIR", "how", "when", "document"),
            rows,
        ),
        Section(
            "Changed by the overlay",
            "Without the overlay these lines hold instead.",
            ("record", "FHIR", "how", "when"),
            tuple((_code(one[0]), _code(one[1]), _how(one[2], codes), _when(one[3])) for one in sorted(gone)),
        ),
        *(
            Section(
                f"{_AN}{type_}",
                "Where the table above names it, it is taken apart so.",
                ("record", "what it is", "FHIR", "how"),
                tuple(_row(type_, pair, codes, ())[:4] for pair in inner),
            )
            for type_, inner in parts.items()
        ),
        Section(
            "Fixed",
            "What is always so on one side.",
            ("where", "value"),
            tuple((_where(one), _code(one.said)) for one in fixed(plan)),
        ),
        Section(
            "Left out",
            "What is not carried, and why.",
            ("what", "why"),
            tuple((_where(one), one.said) for one in left_out(plan)),
        ),
        *(_codes(codes[name], displays) for name in used if name in codes),
    ]
    title = f"{plan.internal_type} and {plan.fhir_type}, {plan.release}"
    words = (
        "A FHIR element that no line takes is kept with the record as it came, and goes back to where it was. It is "
        f"refused instead below what must not be set aside: {', '.join(map(_code, sorted(plan.guarded)))}."
    )
    return Page(title, words, tuple(section for section in sections if section.rows))


def _folded(internal_type: str, found: Sequence[Pair]) -> tuple[list[Pair], dict[str, list[Pair]]]:
    """Return the pairs with one in place of those inside a concept and the like, and those inside, once a type."""
    groups: dict[tuple[str, str, str], list[Pair]] = {}
    around: Pair | None = None
    for pair in found:
        type_, path = _fold(internal_type, pair.internal)
        # What is inside a list is told behind it, without the conditions under which the list stands there.
        if around is None or not _is_inside(pair, around):
            around = pair if pair.internal.endswith("[]") else None
        key = (path, (around or pair).when, type_) if type_ else (pair.internal, pair.when, pair.fhir)
        groups.setdefault(key, []).append(pair)
    own: list[Pair] = []
    parts: dict[str, list[Pair]] = {}
    for (path, when, type_), group in groups.items():
        if type_ not in _FOLDED:
            own += group
            continue
        fhir = _shared([_steps(pair.fhir) for pair in group])
        codes = next((pair.codes for pair in group if pair.codes), "")
        own.append(Pair(path, ".".join(fhir), type_, when, group[0].mark, codes, group[0].warn))
        inner = [
            replace(pair, internal=pair.internal[len(path) + 1 :], fhir=".".join(_steps(pair.fhir)[len(fhir) :]))
            for pair in group
            if pair.internal != path
        ]
        if len(inner) > len(parts.get(type_, ())):
            parts[type_] = inner
    return own, parts


def _is_inside(pair: Pair, outer: Pair) -> bool:
    return pair.internal.startswith(f"{outer.internal}.") and pair.fhir.startswith(f"{outer.fhir}.")


def _fold(type_: str, path: str) -> tuple[str, str]:
    """Return the type of the first part of a path that is told once, and the path to it; else nothing."""
    steps = path.split(".")
    for number, step in enumerate(steps, 1):
        field = field_table().get(type_, {}).get(plain(step))
        if field is None:
            return "", ""
        if field.type in _FOLDED:
            return field.type, ".".join(steps[:number])
        type_ = field.type
    return "", ""


def _steps(path: str) -> list[str]:
    """Return the steps of a FHIR path; a dot in brackets parts nothing."""
    return re.findall(r"(?:\[[^\]]*\]|[^.\[])+", path)


def _shared(paths: Sequence[Sequence[str]]) -> list[str]:
    """Return the steps that all paths begin with."""
    shared = []
    for steps in zip(*paths, strict=False):
        if len(set(steps)) > 1:
            break
        shared.append(steps[0])
    return shared


def _said(pair: Pair) -> tuple[str, str, str, str]:
    return pair.internal, pair.fhir, pair.how, pair.when


def _row(
    internal_type: str, pair: Pair, codes: Mapping[str, CodeTable], before: Container[tuple[str, str, str, str]]
) -> tuple[str, ...]:
    where = _code(pair.mark)
    if before and _said(pair) not in before:
        where += " (changed by the overlay)"
    how = [_how(pair.how, codes)]
    if pair.codes and pair.codes not in pair.how:
        how.append(f"system and code by the table {_code(pair.codes)}")
    if pair.warn:
        how.append(f"told as a finding: {pair.warn}")
    words = _words(internal_type, pair.internal)
    return _code(pair.internal), words, _code(pair.fhir), "; ".join(how), _when(pair.when), where


def _words(type_: str, path: str) -> str:
    """Return what the record says of the field at a path."""
    words = ""
    for name in plain(path).split("."):
        field = field_table().get(type_, {}).get(name)
        if field is None:
            return words
        type_, words = field.type, field.doc
    return words


def _how(how: str, codes: Container[str]) -> str:
    if how.startswith("codes("):
        name = how.removeprefix("codes(").removesuffix(")")
        return f"codes by the table {_code(name)}" if name in codes else "a code of a list that is fixed"
    name, _, key = how.partition(", key ")
    if how in _FOLDED:
        return f"each part of the {how.lower()}"
    return f"{_HOW[name]}, found again by {_code(key)}" if key else _HOW[how]


def _when(when: str) -> str:
    """Return conditions in words: on the FHIR side they decide reading, on the record's writing."""
    told = []
    for condition in when.split("; ") if when else ():
        side = _READING if condition.startswith("fhir:") else _WRITING
        path, _, test = condition.removeprefix("fhir:").partition(" ")
        test = {"exists": "is there", "missing": "is not there"}.get(test, test)
        if test.startswith("in "):
            values = test.removeprefix("in ").split(", ")
            test = f"is {' or '.join(map(_code, values))}"
        told.append(f"{side} {_code(path)} {test.replace('refers ', 'refers to a ')}")
    return "; ".join(told)


def _where(one: Rule) -> str:
    return f"{one.side} {_code(one.path)}"


def _codes(table: CodeTable, displays: Mapping[str, str]) -> Section:
    rows = tuple(
        (
            _code(internal),
            _code(fhir),
            displays.get(f"{table.target}|{fhir}", ""),
            "" if table.to_internal.get(fhir) == internal else f"read back as {_code(table.to_internal[fhir])}",
        )
        for internal, fhir in table.to_fhir.items()
    )
    words = " ".join(
        part for part in (table.description, f"FHIR's codes are of {table.target}." if table.target else "") if part
    )
    return Section(f"Codes: {table.name}", words, ("record", "FHIR", "display", "back"), rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def markdown(pages: Sequence[Page]) -> str:
    """Return pages as Markdown."""
    lines: list[str] = []
    for one in pages:
        lines += [f"## {one.title}", "", one.words, ""]
        for section in one.sections:
            lines += [f"### {section.heading}", "", section.words, ""]
            lines += [_line(section.columns), _line(["---"] * len(section.columns)), *map(_line, section.rows), ""]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def html(pages: Sequence[Page]) -> str:
    """Return pages as a fragment of HTML, to be put into a page: no style, no script."""
    made: list[str] = []
    for one in pages:
        made.append(f"<section>\n<h2>{_marked(one.title)}</h2>\n<p>{_marked(one.words)}</p>")
        for section in one.sections:
            made.append(f"<h3>{_marked(section.heading)}</h3>\n<p>{_marked(section.words)}</p>\n<table>")
            head = "".join(f'<th scope="col">{_marked(name)}</th>' for name in section.columns)
            made.append(f"<thead><tr>{head}</tr></thead>\n<tbody>")
            made += [f"<tr>{''.join(f'<td>{_marked(cell)}</td>' for cell in row)}</tr>" for row in section.rows]
            made.append("</tbody>\n</table>")
        made.append("</section>")
    return "\n".join(made) + "\n"


def _marked(text: str) -> str:
    """Return text as HTML; what stands between backquotes is code."""
    parts = escaping.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
