"""The FILE of faults (TOML): what the server can do, and what it does wrong when.

    seed = 1                      draws what is left to chance
    [server]                      see ``Ability``
    [[fault]]                     any number, in the order in which they are asked whether it is their turn
    kind = "late-commit"          and the parameters of the kind, see ``kinds``
    when = { … }                  see ``When``

Everything is checked before the server starts; all that is wrong is told at once, each with its place and what would
be accepted.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from fhir_infusion.errors import SettingsError
from fhir_infusion.simulated.kinds import INTERACTIONS, KINDS, Kind, Parameter, Value
from fhir_infusion.simulated.statement import resource_types

METHODS: Final = ("GET", "POST", "PUT", "DELETE")
EXAMPLE: Final = Path(__file__).with_name("every-fault.toml")
_MANY: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ability:
    """What the server can do, and says that it can.

    ``page_size`` is the largest page; ``total`` whether a search tells how many match; ``strangers`` so many orders of
    somebody else are there from the beginning.
    """

    update_create: bool = True
    conditional_create: bool = True
    history: bool = True
    transactions: bool = True
    export: bool = True
    total: bool = True
    page_size: int = 50
    strangers: int = 0


@dataclass(frozen=True, slots=True)
class When:
    """Which requests a fault befalls: all that fit ``method``, ``interaction`` and ``type``, unless more is said.

    Of these the ``nth`` (counted from 1 for each fault), ``every`` so many, or each with a ``probability``; only from
    request ``from_request`` to ``to_request`` of all, from ``from_seconds`` to ``to_seconds`` after the start. Where
    a fault begins it befalls ``run`` such requests in a row; it begins ``times`` times at most (0: without end).
    """

    method: frozenset[str] = frozenset()
    interaction: frozenset[str] = frozenset()
    type: frozenset[str] = frozenset()
    nth: frozenset[int] = frozenset()
    every: int = 0
    probability: float = 1
    from_request: int = 0
    to_request: int = _MANY
    from_seconds: float = 0
    to_seconds: float = _MANY
    run: int = 1
    times: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``number`` is its place in the file, from 1; ``parameters`` holds a value for each of its kind."""

    number: int
    kind: Kind
    when: When = When()
    parameters: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated."""

    seed: int = 0
    ability: Ability = Ability()
    faults: tuple[Fault, ...] = ()


def load(path: Path, release: str) -> Scenario:
    """Return the scenario of a file.

    Raises:
        SettingsError: it cannot be read, or does not hold; a line for each reason.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read; accepted is a TOML file in UTF-8") from error
    return parse(text, release, str(path))


def parse(text: str, release: str, name: str) -> Scenario:
    """Return the scenario that a text states; ``name`` is how the text is called in errors.

    Raises:
        SettingsError: it does not hold; a line for each reason.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: not TOML: {error}") from error
    wrong: list[str] = []
    _only(document, {"seed", "server", "fault"}, "", wrong)
    seed = _seed(document, wrong)
    ability = _ability(document.get("server", {}), wrong)
    listed = document.get("fault", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        wrong.append("fault: accepted are sections [[fault]]")
        listed = []
    faults = [_fault(number, one, release, wrong) for number, one in enumerate(listed, 1)]
    if wrong:
        raise SettingsError("\n".join(f"{name}: {line}" for line in wrong))
    return Scenario(seed, ability, tuple(one for one in faults if one is not None))


def _seed(document: dict[str, Any], wrong: list[str]) -> int:
    seed = document.get("seed", 0)
    if type(seed) is int:
        return seed
    wrong.append("seed: accepted is a whole number")
    return 0


def _ability(table: Any, wrong: list[str]) -> Ability:
    if not isinstance(table, dict):
        wrong.append("server: accepted is one section [server]")
        return Ability()
    known = {one.name: one.default for one in fields(Ability)}
    _only(table, set(known), "server: ", wrong)
    least = {"page_size": 1, "strangers": 0}
    values = {}
    for name, default in known.items():
        asked = Parameter(name, default, "", least=least.get(name), most=10_000 if name in least else None)  # type: ignore[arg-type]  # each default is a boolean or a number
        values[name] = _value(asked, table.get(name, default), f"server: {name}", wrong)
    return Ability(**values)  # type: ignore[arg-type]  # checked by name and type above


def _fault(number: int, table: dict[str, Any], release: str, wrong: list[str]) -> Fault | None:
    name = table.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        wrong.append(f"fault {number}: kind: not one that there is; accepted: {', '.join(KINDS)}")
        return None
    place = f"fault {number} ({kind.name}): "
    known = {one.name: one for one in kind.parameters}
    _only(table, {"kind", "when", *known}, place, wrong)
    values = {
        one.name: _value(one, table.get(one.name, one.default), place + one.name, wrong) for one in known.values()
    }
    return Fault(number, kind, _when(table.get("when", {}), kind, release, place, wrong), values)


def _value(asked: Parameter, value: Any, place: str, wrong: list[str]) -> Value:
    """Return a value where it is one that a parameter takes, else its default."""
    kind = type(asked.default)
    fits = type(value) is kind or (kind is float and type(value) is int)
    fits = fits and (not asked.choices or value in asked.choices)
    if fits and not isinstance(value, str):
        fits = (asked.least is None or value >= asked.least) and (asked.most is None or value <= asked.most)
    if not fits:
        wrong.append(f"{place}: accepted: {asked.accepted}")
        return asked.default
    return kind(value)


def _when(table: Any, kind: Kind, release: str, place: str, wrong: list[str]) -> When:
    place += "when"
    if not isinstance(table, dict):
        wrong.append(f'{place}: accepted is a table, such as {{ type = "MedicationRequest", nth = 2 }}')
        return When()
    _only(table, {one.name for one in fields(When)}, f"{place}: ", wrong)
    befalls = tuple(one for one in INTERACTIONS if one in kind.interactions)
    values: dict[str, Any] = {
        "method": _names(table.get("method", []), METHODS, f"{place}: method", wrong),
        "interaction": _names(table.get("interaction", []), befalls, f"{place}: interaction", wrong)
        or kind.interactions,
        "type": _names(table.get("type", []), resource_types(release), f"{place}: type", wrong),
        "nth": _numbers(table.get("nth", []), f"{place}: nth", wrong),
    }
    for asked in _NUMBERS:
        if asked.name in table:
            values[asked.name] = _value(asked, table[asked.name], f"{place}: {asked.name}", wrong)
    if len({"nth", "every", "probability"} & table.keys()) > 1:
        wrong.append(f"{place}: accepted is one of nth, every, probability")
    for unit in ("request", "seconds"):
        if values.get(f"from_{unit}", 0) > values.get(f"to_{unit}", _MANY):
            wrong += [f"{place}: to_{unit}: accepted is what is not before from_{unit}"]
    return When(**values)


_NUMBERS: Final = (
    Parameter("every", 1, "", least=1, most=_MANY),
    Parameter("probability", 1.0, "", least=0.0, most=1.0),
    Parameter("from_request", 0, "", least=0, most=_MANY),
    Parameter("to_request", _MANY, "", least=0, most=_MANY),
    Parameter("from_seconds", 0.0, "", least=0.0, most=_MANY),
    Parameter("to_seconds", 1.0 * _MANY, "", least=0.0, most=_MANY),
    Parameter("run", 1, "", least=1, most=_MANY),
    Parameter("times", 0, "", least=0, most=_MANY),
)


def _names(value: Any, known: tuple[str, ...], place: str, wrong: list[str]) -> frozenset[str]:
    listed = value if isinstance(value, list) else [value]
    if all(isinstance(one, str) and one in known for one in listed):
        return frozenset(listed)
    some = ", ".join(known) if len(known) < 30 else "the name of a resource type of this release"
    wrong.append(f"{place}: accepted, one or a list: {some}")
    return frozenset()


def _numbers(value: Any, place: str, wrong: list[str]) -> frozenset[int]:
    listed = value if isinstance(value, list) else [value]
    if all(type(one) is int and one >= 1 for one in listed):
        return frozenset(listed)
    wrong.append(f"{place}: accepted, one or a list: a whole number from 1")
    return frozenset()


def _only(table: Mapping[str, Any], known: set[str], place: str, wrong: list[str]) -> None:
    wrong += [
        f"{place}{name if name.isidentifier() else 'a name'}: not known; accepted: {', '.join(sorted(known))}"
        for name in table
        if name not in known
    ]
