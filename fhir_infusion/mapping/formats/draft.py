"""A first draft of a format, made of samples: their shape, likely spellings, and what each member most likely means.

What must not be guessed is left as a decision (``?``), which ``mapping check`` names: units, zone, codes, which of day
and month comes first. A reason stands beside each guess.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping.formats.draft_values import Guess, is_moment, spelling_of
from fhir_infusion.mapping.formats.names import words

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

Json = dict[str, Any]

_MEANT: Final = {
    "order_id": ("order no", "order number", "order id", "rx nbr", "line id", "auftrag", "rezeptur nr"),
    "status": ("status", "state", "rx stat"),
    "patient.identifier.value": ("mrn", "patient id", "pat no", "pt id", "pat", "kennung"),
    "patient.name": ("patient name", "pt name"),
    "patient.birth_date": ("dob", "birth date", "born", "geb"),
    "drug.text": ("drug", "drug name", "medication", "substance", "stoff"),
    "drug.codings[only].code": ("drug code", "ndc", "pzn", "code"),
    "steps[only].dosings[only].dose.value": ("dose", "amount", "menge", "dosis"),
    "steps[only].dosings[only].dose.unit": ("dose unit", "dose uom", "unit", "einheit"),
    "steps[only].dosings[only].rate.value": ("rate", "flow", "ml h"),
    "steps[only].dosings[only].rate.unit": ("rate unit", "rate uom"),
    "steps[only].route.text": ("route", "rte", "applikation"),
    "steps[only].as_needed": ("prn", "prn yn", "bedarf"),
    "steps[only].timing.bounds_period.start": ("start", "first dose", "start dt", "beginn"),
    "steps[only].timing.bounds_period.end": ("end", "stop", "last dose", "stop dt", "ende"),
    "ordered_at": ("ordered at", "entered at", "written dt"),
    "prescriber.identifier.value": ("prescriber", "doctor id", "prescriber npi", "arzt"),
}
"""Record paths of an order, and what members that mean them are often called."""


@dataclass(slots=True)
class Seen:
    """One member over all samples: its values where it is simple, its members where it is an object.

    ``is_rows``: a list of arrays. ``joined``: it is two members that say the name of a patient, kept with this one.
    """

    values: list[Any] = field(default_factory=list)
    members: dict[str, Seen] = field(default_factory=dict)
    is_list: bool = False
    is_rows: bool = False
    joined: str = ""

    def take(self, value: Any) -> None:
        """Take in a value of one sample."""
        if isinstance(value, list):
            self.is_list = True
            self.is_rows = self.is_rows or any(isinstance(item, list) for item in value)
            for item in value:
                self.take(item)
        elif isinstance(value, dict):
            for name, inner in value.items():
                self.members.setdefault(name, Seen()).take(inner)
        else:
            self.values.append(value)

    def join_names(self) -> None:
        """Take a family and a given name beside the number of a patient as one name, at any depth."""
        family, given, number = (
            next(filter(which, self.members), "") for which in (_is_family, _is_given, _is_patient)
        )
        if family and given and number:
            del self.members[given]
            whole = Seen(joined=number)
            self.members = {
                f"{family} + {given}" if name == family else name: whole if name == family else inner
                for name, inner in self.members.items()
            }
        for inner in self.members.values():
            inner.join_names()


def _is_family(name: str) -> bool:
    return _words(name) in {"last name", "lastname", "family name", "family", "surname", "name last", "nachname"}


def _is_given(name: str) -> bool:
    return _words(name) in {"first name", "firstname", "given name", "given", "forename", "name first", "vorname"}


def _is_patient(name: str) -> bool:
    return meaning(name, _NAMES) == "patient.identifier.value"


def draft(name: str, samples: list[tuple[str, Any]]) -> str:
    """Return the text of a format document; ``samples`` are JSON texts of the site with what they hold, one or more."""
    seen = Seen()
    for _, sample in samples:
        for one in sample if isinstance(sample, list) else [sample]:
            seen.take(one)
    seen.join_names()
    own = next((key for key, inner in seen.members.items() if inner.is_list and _is_order(inner)), "")
    lines = [*head(name, "InfusionOrder", seen), *(['  orders: "? the URI of the orders\' numbers"'] if own else [])]
    lines += ["codes:", "  status:  # the record's code: the site's", *_status(seen), *units(seen)]
    lines += ["shape:", *shape(seen, fillers_in(seen), own=own)]
    if own:
        by = next((name for name in seen.members if _meaning("", name) == "order_id"), "")
        lines.append("each:")
        lines.append(
            f'  list: "? {own}, where each of them is an order; else take `each` out, and write {own}[] above"'
        )
        told = (
            f"[{quoted(by)}]  # by its name; is it that?" if by else '"? [the members that tell which objects are one]"'
        )
        lines.append(f"  by: {told}")
    lines += ["pairs:", "  intent: {const: order}", "  patient.identifier.system: {const: $patients}"]
    if own:
        lines.append("  group.identifier.system: {const: $orders}")
    return "\n".join([*lines, *_pairs(seen, own), *tail(samples)]) + "\n"


def _is_order(seen: Seen) -> bool:
    """Whether the elements of a list say what one order says: a dose, or a rate."""
    return any(_meaning("", name) in _AMOUNTS for name in seen.members)


def head(name: str, record: str, seen: Seen) -> list[str]:
    """Return the lines up to the systems."""
    lines = [
        f"format: {name}",
        f"record: {record}",
        'zone: "? the zone of local times, such as Europe/Berlin; take the line out where each time shows its offset"',
    ]
    if fillers := fillers_in(seen):
        told = ", ".join("~" if one is None else quoted(one) for one in fillers)
        lines.append(f"absent: [{told}]  # they stand in the samples")
    return [*lines, "systems:", '  patients: "? the URI of the patients\' numbers"']


def tail(samples: list[tuple[str, Any]]) -> list[str]:
    """Return the lines behind the pairs."""
    lines = ['rest: {drop: true, why: "? why the site has no place for what else a record holds"}']
    lines.append("samples:  # they stay in the document: take out of them what names a person")
    for text, _ in samples:
        lines += ["  - |", *(f"    {line}" for line in text.strip().splitlines())]
    return lines


def fillers_in(seen: Seen) -> list[Any]:
    """Return what most likely stands for nothing."""
    return [filler for filler in ("", None) if _holds(seen, filler)]


def units(seen: Seen) -> list[str]:
    """Return the table of units: a unit is never guessed."""
    values = sorted({str(one) for name, inner in _every(seen) if _is_unit(name) for one in inner.values if one})
    told = f"seen: {', '.join(values)}" if values else "none is in the samples"
    return [
        "  units:",
        f"    mg: {quoted(f'? how the site writes mg; a line for each unit, never converted ({told})')}",
    ]


def _is_unit(name: str) -> bool:
    return any(word in ("unit", "uom", "einheit") for word in _words(name).split())


def _every(seen: Seen) -> Iterator[tuple[str, Seen]]:
    """Yield every member with its name, at any depth."""
    for name, inner in seen.members.items():
        yield name, inner
        yield from _every(inner)


_ROWS: Final = Guess(
    "? the members at the places of each array, as an object", "and `packed: {NAME: {array: [MEMBERS]}}` below"
)
_ROWS_ALONE: Final = Guess(
    "? the members at the places of each row, a line for each", "and `packed: {.: {array: [MEMBERS]}}` below"
)


def shape(seen: Seen, fillers: list[Any], indent: str = "  ", own: str = "") -> list[str]:
    """Return a line for each member with its likely spelling; ``own`` is the list whose elements are records."""
    if seen.is_list and not seen.members:
        return [f"{indent}row: {quoted(_ROWS_ALONE.spelling)}  # {_ROWS_ALONE.why}"]
    lines = []
    for name, inner in seen.members.items():
        key = quoted(name + ("[]" if inner.is_list and name != own else ""))
        if inner.members:
            word = f"  # one record for each? then `{name}:` without [], and `each: {{list: {name}, by: [...]}}`"
            is_top = inner.is_list and indent == "  " and not own
            lines += [f"{indent}{key}:{word if is_top else ''}", *shape(inner, fillers, indent + "  ")]
            continue
        guess = _guess(inner, fillers)
        if guess.spelling == "whole" and is_number(name):
            guess = Guess("digits", "whole JSON numbers that are a name")
        lines.append(f"{indent}{key}: {quoted(guess.spelling)}  # {guess.why}")
    return lines


def _guess(seen: Seen, fillers: list[Any]) -> Guess:
    if seen.joined:
        return Guess(f'joined(", "; else kept(with {seen.joined}))', "one name of both; and where it cannot be?")
    return _ROWS if seen.is_rows else spelling_of([value for value in seen.values if value not in fillers])


def _pairs(seen: Seen, own: str) -> list[str]:
    """Return the pairs that names suggest; what suggests nothing is left for ``mapping check`` to name."""
    lines, taken = [], set[str]()
    for path, to, values in _members(seen, own):
        if own and to == "order_id" and not path.startswith(f"{own}."):
            to = "group.identifier.value"  # noqa: PLW2901  what all of them have in common numbers none of them
        if not to or to in taken or (to not in _MOMENTS and is_moment(values)):
            continue
        taken.add(to)
        codes = "status" if to == "status" else "units" if to.endswith(".unit") else ""
        lines.append(pair(to, path, codes))
    what = f"a number of its own for each of {own}; that of a line alone is none" if own else "the number of the order"
    lines += [] if "order_id" in taken else [f'  order_id: "? {what}"']
    return [*lines, *units_of(taken, [one for one in _AMOUNTS if one in taken])]


def pair(to: str, path: str, codes: str = "", indent: str = "  ") -> str:
    """Return the line of a pair that a name suggests."""
    told = f"{{site: {quoted(path)}, codes: {codes}}}" if codes else quoted(path)
    return f"{indent}{to}: {told}  # by its name; is it that?"


def units_of(taken: Container[str], amounts: list[str], indent: str = "  ") -> list[str]:
    """Return a decision for each amount that has no unit beside it."""
    wanted = [one.removesuffix("value") + "unit" for one in amounts]
    return [
        f'{indent}{one}: {{const: "? the unit of this, which no member says"}}' for one in wanted if one not in taken
    ]


def is_number(name: str) -> bool:
    """Whether a member is most likely the number of something, not a count of it."""
    return any(word in ("no", "nr", "id", "number", "nbr", "seq", "mrn", "code") for word in _words(name).split())


def _words(name: str) -> str:
    return " ".join(words(name))


def _meaning(parent: str, name: str) -> str:
    """Return the record path that a member's name, or that behind its parent's, suggests; else nothing.

    A family or a given name alone is the name of nobody.
    """
    if _is_family(name) or _is_given(name):
        return ""
    return meaning(name, _NAMES) or (meaning(f"{parent} {name}", _NAMES) if parent else "")


def meaning(name: str, names: Mapping[str, str]) -> str:
    """Return what the nearest of the names means; nothing where none is near."""
    near = difflib.get_close_matches(_words(name), names, n=1, cutoff=0.75)
    return names[near[0]] if near else ""


NAME: Final = "patient.name"
"""The record path of members that are joined."""
_AMOUNTS: Final = ("steps[only].dosings[only].dose.value", "steps[only].dosings[only].rate.value")

_NAMES: Final = {name: path for path, names in _MEANT.items() for name in names}
"""What members are called, and the record path of each."""


_MOMENTS: Final = {
    "patient.birth_date",
    "steps[only].timing.bounds_period.start",
    "steps[only].timing.bounds_period.end",
    "ordered_at",
}
"""The record paths that a moment or a day may be paired with."""


def _members(seen: Seen, own: str, before: str = "", parent: str = "") -> Iterator[tuple[str, str, list[Any]]]:
    """Yield the path of each simple member, what it most likely means, and its values."""
    for name, inner in seen.members.items():
        shown = f'"{name}"' if re.search(r"[.\[\]]", name) else name
        if inner.members and (not inner.is_list or name == own):
            yield from _members(inner, own, f"{before}{shown}.", name)
        elif not inner.members and not inner.is_list:
            values = [value for value in inner.values if value not in ("", None)]
            yield f"{before}{shown}", NAME if inner.joined else _meaning(parent, name), values


def _status(seen: Seen) -> list[str]:
    values = sorted({str(value) for name, inner in _every(seen) if _is_status(name) for value in inner.values})
    told = f"seen: {', '.join(values)}" if values else "none is in the samples"
    return [f"    active: {quoted(f'? what the site writes for active; a line for each state ({told})')}"]


def _is_status(name: str) -> bool:
    return any(word in name.lower() for word in ("status", "state", "stat"))


def _holds(seen: Seen, filler: Any) -> bool:
    own = any(type(value) is type(filler) and value == filler for value in seen.values)
    return own or any(_holds(inner, filler) for inner in seen.members.values())


def quoted(text: str) -> str:
    """Return a text as YAML has it, in quotes where it needs them."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_ ()/:.,+\[\]-]*[A-Za-z0-9)\]]|[A-Za-z]", text) and ": " not in text
    return text if plain else json.dumps(text, ensure_ascii=False)
