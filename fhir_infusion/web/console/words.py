"""How the console says numbers, codes and values. Pure; digits stand as they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync.compare import alike, same
from fhir_infusion.sync.conflicts import group_of

if TYPE_CHECKING:
    from datetime import datetime

    from fhir_infusion.store.conflicts import Conflict

SIDES: Final = ("base", "ours", "theirs")

NUMBERS: Final = {
    "pending": "still to be told",
    "unknown": "sent, not known whether it arrived",
    "dead": "put aside on the way out",
    "duplicate": "several there carry the identifier",
    "conflicts": "changed on both sides",
    "identities": "patients: who is it?",
    "patients_aside": "put aside for their patient",
    "lost": "not known there any more",
    "deleted_active": "gone there, and not ended here",
    "quarantined": "received and not taken",
}
"""The counts of ``sync status`` in words, in the order in which they are shown."""
AGES: Final = {"oldest_pending_seconds": "oldest that is to be told", "oldest_stop_seconds": "oldest stop to be told"}

GROUPS: Final = {
    "subject": "Whose it is",
    "clinical": "Drug, dose, rate, route and times",
    "status": "Status, its reason and its time",
    "union": "Identifiers and notes",
    "meta": "Labels",
    "text": "Text for reading",
    "altered": "Kept there otherwise than it was sent",
    "rounds": "Merged three times, and changed there again each time",
    "identity": "Who the patient is",
}
"""The groups of elements, and of reasons, of a conflict."""

IDENTITY: Final = {
    "name": "the names contradict",
    "birthDate": "the birth dates contradict",
    "gender": "the sexes contradict",
    "unknown": "the other patient is not here",
    "one-sided": "only the other one says that it takes the place of this one",
    "several": "it is said to be replaced by several",
    "circle": "the replacements lead in a circle",
    "cannot-follow": "what is open cannot be given to the other one",
    "reused": "the record number stays, and name, birth date and sex are another person's",
}
"""Why it is not certain that two patients are one person."""

OUTCOMES: Final = {
    "replayed": "on the way again",
    "sent-again": "lost there, and sent again",
    "still-there": "still there, nothing written",
    "older": "an older version of one that was looked at",
    "changed-there": "changed there, and taken",
    "gone": "deleted there, not sent",
    "superseded": "overtaken by a later version, not sent",
    "on-its-way": "on the way already",
    "unasked": "not done: the remote cannot be asked now",
    "refused": "refused",
    "restored": "not done: the remote was restored, and is paused",
    "not-found": "not found",
}
"""What a replay does to a row, in words."""


def age(seconds: int | None) -> str:
    """Return a number of seconds in the two largest units that it needs; ``-`` where there is nothing to be old."""
    if seconds is None:
        return "-"
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    first = next((place for place, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"


def moment(at: datetime) -> str:
    """Return a moment to the millisecond, in UTC."""
    return at.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", " UTC")


def replayed(answer: dict[str, Any]) -> str:
    """Return what a replay did: how many rows became what, and each of which a person wants to know."""
    counts = [f"{count} {OUTCOMES.get(what, what)}" for what, count in answer["rows"].items()]
    told = [f"row {one['row']}: {' '.join(_became(one))}" for one in answer["told"] if _became(one)]
    return f"Replayed: {'; '.join((*counts, *told))}."


def _became(line: dict[str, Any]) -> list[str]:
    return [f"is {line[name]} now" if name == "now" else f"({line[name]})" for name in ("now", "code") if name in line]


def decided(answer: dict[str, Any]) -> str:
    """Return what became of a decision: where they have deleted it meanwhile, neither side stands there."""
    if answer["kept"] not in SIDES:
        return (
            f"They have deleted {answer['resource']} meanwhile: the conflict is closed, and nothing was sent or taken."
        )
    return f"Decided about {answer['resource']}: {answer['kept']} stands."


def reasons(conflict: Conflict) -> list[str]:
    """Return why a conflict is held, in words."""
    return [GROUPS.get(one) or IDENTITY.get(one) or one for one in conflict.fields]


def diff(differences: list[dict[str, Any]], held: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the places where the sides differ, by group, what is held first.

    Returns:
        A dict for each group: its ``title``, whether it is ``held``, and ``rows``; of each row the ``path``, a cell
        for each side, ``alike`` where ours and theirs are one value that is written in two ways, and ``is_named`` where
        each side names the same by a reference of its own. A cell has the ``text``, whether it ``is_there``, and its
        ``mark``: what became of what both agreed on, empty where nothing did.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in differences:
        name = group_of(one["path"].partition(".")[0].partition("[")[0])
        groups.setdefault(name, []).append(_row(one))
    found = [{"title": GROUPS.get(name, name), "held": name in held, "rows": rows} for name, rows in groups.items()]
    return sorted(found, key=lambda group: not group["held"])


def _row(one: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {side: one[side] for side in SIDES if side in one}
    plain = {side: _plain(value) for side, value in values.items()}
    exact = {side: fhir_json.write_pretty(value).decode().rstrip("\n") for side, value in values.items()}
    # Where a text looks like a number, the quotation marks tell them apart.
    shown = plain if len(set(plain.values())) == len(set(exact.values())) else exact
    # What both agreed on is kept as they write it, whose references are theirs: that ours is another is no change.
    is_named = one["path"].endswith(".reference")
    cells = {
        side: {
            "text": shown.get(side, ""),
            "is_there": side in values,
            "mark": "" if side == "base" or is_named else _mark(values, side),
        }
        for side in SIDES
    }
    both = "ours" in values and "theirs" in values
    is_alike = both and alike(values["ours"], values["theirs"]) and not same(values["ours"], values["theirs"])
    return {"path": one["path"], "cells": cells, "alike": is_alike, "is_named": is_named}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else fhir_json.write_pretty(value).decode().rstrip("\n")


def _mark(values: dict[str, Any], side: str) -> str:
    if side not in values:
        return "removed" if "base" in values else ""
    if "base" not in values:
        return "new"
    return "" if alike(values["base"], values[side]) else "changed"
