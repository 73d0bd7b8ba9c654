"""A first draft of a feed: rows, one for each change, of which several are one administration.

Which members tell the rows of one administration, what an event means and which ends it is for a person to say, as is
every unit; what names and values suggest is written with a word on it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping.formats.draft import (
    NAME,
    Seen,
    fillers_in,
    head,
    meaning,
    pair,
    quoted,
    shape,
    tail,
    units,
    units_of,
)
from fhir_infusion.mapping.formats.draft_values import is_moment
from fhir_infusion.records.fields import table as field_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]

_COMMON: Final[Mapping[str, str]] = {
    **dict.fromkeys(("run id", "run", "infusion id", "administration id"), "administration_id"),
    **dict.fromkeys(("mrn", "patient id", "pat no", "pat", "pt id"), "patient.identifier.value"),
    **dict.fromkeys(("order no", "order number", "order id", "rx nbr", "auftrag"), "order.identifier.value"),
    **dict.fromkeys(("drug", "drug name", "medication", "substance"), "drug.text"),
    **dict.fromkeys(("drug code", "ndc", "pzn"), "drug.codings[only].code"),
    **dict.fromkeys(("pump sn", "pump serial", "serial number"), "pump.serial_number"),
    **dict.fromkeys(("channel", "kanal"), "pump.channel"),
}
_ROW: Final[Mapping[str, str]] = {
    **dict.fromkeys(("seq", "sequence", "row", "row id", "event id", "nr"), "segment_id"),
    **dict.fromkeys(("ts", "time", "timestamp", "at", "event time", "zeit"), "start"),
    **dict.fromkeys(("event", "event type", "action", "ereignis"), "event"),
    **dict.fromkeys(("rate", "flow", "flow rate"), "rate.value"),
    **dict.fromkeys(("rate unit", "rate uom"), "rate.unit"),
    **dict.fromkeys(("vol", "volume", "volume infused", "vol ml"), "volume.value"),
    **dict.fromkeys(("volume unit", "vol unit"), "volume.unit"),
    **dict.fromkeys(("dose", "dose given"), "dose.value"),
    **dict.fromkeys(("dose unit", "dose uom"), "dose.unit"),
    **dict.fromkeys(("bag", "bag number", "bag no"), "bag.number"),
}
"""What members of rows are often called, and what they mean: of an administration, and of one of its segments."""
_SYSTEMS: Final = {
    "patient.identifier.value": "patients",
    "order.identifier.value": "orders",
    "drug.codings[only].code": "drugs",
}
_AMOUNTS: Final = ("rate.value", "volume.value", "dose.value")


def draft_feed(name: str, samples: list[tuple[str, Any]]) -> str:
    """Return the text of a format document; ``samples`` are JSON texts of rows with what they hold, one or more."""
    rows = [row for _, sample in samples for row in (sample if isinstance(sample, list) else [sample])]
    rows = [row for row in rows if isinstance(row, dict)]
    seen = Seen()
    for row in rows:
        seen.take(row)
    by = next((one for one in seen.members if meaning(one, _COMMON) == "administration_id"), "")
    common, varying = Seen(), Seen(is_list=not rows)
    for member, inner in seen.members.items():
        (common if _is_common(member, by, rows) else varying).members[member] = inner
    common.join_names()
    means = _means(varying, _ROW)
    events = _free("events", seen)
    lines = [
        *head(name, "Administration", seen),
        *_systems(_means(common, _COMMON)),
        *_codes(means, varying),
        *units(seen),
    ]
    lines += ["shape:", *shape(common, fillers_in(seen)), *_derived_shape(means, varying, seen), f"  {events}[]:"]
    lines += [*shape(varying, fillers_in(seen), "    "), *_until(means, varying, seen)]
    lines += [
        "feed:",
        f"  by: {_list(by)}",
        f"  rows: {events}",
        f"  row: {_one(means, 'segment_id', 'the number of each row')}",
    ]
    lines += [f"  order: {_one(means, 'start', 'the moment of each row')}", *_derive(means, varying, seen)]
    lines += _pairs(_means(common, _COMMON), means, events, seen)
    return "\n".join([*lines, *tail(samples)]) + "\n"


def _is_common(member: str, by: str, rows: Sequence[Json]) -> bool:
    """Whether every row of one administration says the same of a member."""
    groups: dict[str, set[str]] = {}
    for row in rows:
        said = json.dumps(row[member], default=str) if member in row else ""
        groups.setdefault(json.dumps(row.get(by), default=str) if by else "", set()).add(said)
    return member == by or (
        meaning(member, _ROW) == "" and all(len(said) == 1 and "" not in said for said in groups.values())
    )


def _means(seen: Seen, names: Mapping[str, str]) -> dict[str, str]:
    """Return by record path the member that its name suggests, the first of several."""
    found: dict[str, str] = {}
    for member, inner in seen.members.items():
        to = NAME if inner.joined else meaning(member, names)
        if to and not inner.members and (to == "start") == is_moment(_said(inner)):
            found.setdefault(to, member)
    return found


def _said(seen: Seen) -> list[Any]:
    return [value for value in seen.values if value not in ("", None)]


def _free(name: str, seen: Seen) -> str:
    """Return a name that no member of the site has."""
    return name if name not in seen.members else _free(f"{name}_", seen)


def _list(by: str) -> str:
    told = f"[{quoted(by)}]  # by its name; is it that?"
    return told if by else '"? [the members that tell which rows are one administration]"'


def _one(means: Mapping[str, str], to: str, what: str) -> str:
    return f"{quoted(means[to])}  # by its name; is it that?" if to in means else f'"? {what}"'


def _systems(common: Mapping[str, str]) -> list[str]:
    named = [system for to, system in _SYSTEMS.items() if to in common and system != "patients"]
    return [f'  {system}: "? the URI of the numbers of {system}"' for system in named]


def _codes(means: Mapping[str, str], varying: Seen) -> list[str]:
    lines = ["codes:"]
    if "event" in means:
        seen = _events(means, varying)
        told = quoted(f"? what the site writes for it, or take the line out (seen: {', '.join(seen)})")
        lines += ["  events:  # the record's code: the site's"]
        lines += [f"    {code}: {told}" for code in field_table()["Segment"]["event"].codes]
    return lines


def _events(means: Mapping[str, str], varying: Seen) -> list[str]:
    return sorted({str(value) for value in _said(varying.members[means["event"]])})


def _derived_shape(means: Mapping[str, str], varying: Seen, seen: Seen) -> list[str]:
    moment = _until(means, varying, seen)
    spelled = moment[0].partition(": ")[2] if moment else ""
    lines = [f"  {_free(name, seen)}: {spelled}" for name in ("begun", "ended") if spelled]
    return [*lines, f"  {_free('state', seen)}: text"] if "event" in means else lines


def _until(means: Mapping[str, str], varying: Seen, seen: Seen) -> list[str]:
    """Return the member that ends a segment: it is spelled as the one that begins it."""
    if "start" not in means:
        return []
    only = Seen(members={_free("until", seen): varying.members[means["start"]]})
    return [line.partition("  #")[0] for line in shape(only, fillers_in(seen), "    ")]


def _derive(means: Mapping[str, str], varying: Seen, seen: Seen) -> Iterator[str]:
    """Yield what no row says itself: when it began and ended, and how it stands."""
    if "start" in means:
        start = quoted(means["start"])
        yield "  derive:"
        yield f"    {_free('begun', seen)}: {{take: first, of: {start}}}"
        yield f"    {_free('until', seen)}: {{take: next, of: {start}}}"
        if "event" in means:
            event, told = quoted(means["event"]), ", ".join(_events(means, varying))
            ends = quoted(f"? [those that end it] (seen: {told})")
            yield f"    {_free('ended', seen)}: {{take: last, of: {start}, only: {{{event}: {ends}}}}}"
    if "event" in means:
        yield from [] if "start" in means else ["  derive:"]
        yield f"    {_free('state', seen)}:"
        yield "      take: last"
        yield f"      of: {quoted(means['event'])}"
        yield "      codes:"
        for one in _events(means, varying):
            yield f'        {quoted(one)}: "? how it stands after this: in-progress, on-hold, stopped, completed"'


def _pairs(common: Mapping[str, str], means: Mapping[str, str], events: str, seen: Seen) -> Iterator[str]:
    yield "pairs:"
    yield "  representation: {const: split}"
    if "administration_id" not in common:
        yield '  administration_id: "? the number of the administration"'
    for to, member in common.items():
        yield pair(to, _path(member))
        if to in _SYSTEMS:
            yield f"  {to.rpartition('.')[0]}.system: {{const: ${_SYSTEMS[to]}}}"
    if "order.identifier.value" in common:
        yield "  order.type: {const: MedicationRequest}"
    if "event" in means:
        yield f"  status: {_free('state', seen)}"
    if "start" in means:
        yield f"  when.start: {_free('begun', seen)}"
        yield from [f"  when.end: {_free('ended', seen)}"] if "event" in means else []
    yield "  segments[]:"
    yield f"    site: {events}[]"
    yield "    pairs:"
    for to, member in means.items():
        yield pair(to, _path(member), _table_of(to), "      ")
    if "start" in means:
        yield f"      end: {_free('until', seen)}"
    yield from units_of(means, [one for one in _AMOUNTS if one in means], "      ")


def _path(member: str) -> str:
    return f'"{member}"' if any(mark in member for mark in ".[]") else member


def _table_of(to: str) -> str:
    return "events" if to == "event" else "units" if to.endswith(".unit") else ""
