"""What a format says of the fields that no pair takes, and the constants of a format.

A field that could change what the patient gets has no rule that leaves it out: a record that holds one is refused.
Any other is left out by the format's ``rest`` rule, which names its why, and refused where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.mapping.formats.beside import phrase
from fhir_infusion.mapping.plan import FObj, IMember, IObj, Leaf, Plan
from fhir_infusion.mapping.residue import is_derived

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fhir_infusion.mapping.formats.nodes import Node
    from fhir_infusion.mapping.types import FieldTable

Json = dict[str, Any]

FREE: Final[Mapping[str, frozenset[str]]] = {
    "InfusionOrder": frozenset(
        {
            *("resource_id", "language", "identifiers", "group", "based_on", "protocols", "protocol_uris"),
            *("status_reason", "status_changed_at", "priority", "categories", "care_setting", "course_of_therapy"),
            *("dose_basis", "treatment_intent", "measurements", "supporting", "encounter", "location", "ordered_at"),
            *("prescriber", "recorder", "performers", "performer_type", "reported", "reported_by", "reasons"),
            *("reason_references", "insurance", "notes", "rendered_instruction", "vascular_access", "pump"),
            *("dispense", "substitution", "observation", "authorisations", "detected_issues", "event_history"),
        }
    ),
    "Administration": frozenset(
        {
            *("resource_id", "language", "identifiers", "representation", "group", "based_on", "protocols"),
            *("status_reasons", "categories", "care_setting", "dose_basis", "treatment_intent", "encounter"),
            *("location", "measurements", "supporting", "recorded_at", "sub_potent_reasons", "performers"),
            *("reasons", "reason_references", "devices", "notes", "text", "waste", "vascular_access", "pump"),
            *("corrections", "event_history"),
        }
    ),
    "Step": frozenset(
        {"text", "additional_instructions", "clinical_instruction", "patient_instruction", "vascular_access", "pump"}
    ),
    "Dosing": frozenset({"basis_codings", "basis_text", "rate_text", "calculated_from"}),
    "Timing": frozenset({"code"}),
    "Segment": frozenset({"rate_text", "reason", "performer", "bag", "vascular_access"}),
    "Quantity": frozenset({"unit_text"}),
    "Concept": frozenset({"text"}),
    "Coding": frozenset({"display", "user_selected"}),
    "Identifier": frozenset({"use", "type", "period", "assigner"}),
    "Reference": frozenset({"display", "type"}),
    "Patient": frozenset({"type", "other_identifiers", "name", "birth_date", "sex"}),
    "Preparation": frozenset({"identifiers", "status", "manufacturer", "lot_number", "expires_at", "container"}),
    "Ingredient": frozenset({"lot_number", "expires_at", "unit_number", "is_active", "role"}),
}
"""By record type, the fields that a format may leave out where what they stand in may not be. All others say subject,
drug, dose, rate, unit, route, timing, limits or status."""

INSTEAD: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "Quantity": ("unit_text", ("unit",)),
    "Concept": ("text", ("codings",)),
}
"""Fields that may be left out only beside others that say it: the unit in words beside the coded unit."""

NUMBERS: Final[Mapping[str, str]] = {"InfusionOrder": "order_id", "Administration": "administration_id"}
"""By record, the field that holds the site's own number of it."""

NO_NUMBER: Final = "without the site's own number the same sent again would be another one"
TWICE: Final = "another record of this input has this number"
NO_KEY: Final = "the format has no key for the elements of this list"
NO_UNIT: Final = "an amount without its unit could be taken for another one"
NO_PLACE: Final = "the format has no place for this, and it could change what the patient gets"


def without_unit(value: Any, at: str = "") -> Iterator[Issue]:
    """Yield a refusal for each amount of a record that has a number and no unit, in code or in words."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from without_unit(item, f"{at}[{index}]")
    elif isinstance(value, dict):
        number = value.get("value")
        if isinstance(number, int | Decimal) and not ("unit" in value or "unit_text" in value):
            accepted = "the unit beside it, which the format takes or states as a `const`"
            yield Issue("error", "required", f"{at}.unit", NO_UNIT, accepted, "unit", BREAKS_RULE)
        for name, inner in value.items():
            if name != "residue":
                yield from without_unit(inner, f"{at}.{name}" if at else name)


def without_number(record: Json) -> Iterator[Issue]:
    """Yield a refusal for a record that does not say the site's own number of it."""
    number = NUMBERS[record["record"]]
    if number not in record:
        yield Issue("error", "required", number, NO_NUMBER, "the number", "number", BREAKS_RULE)


@dataclass(slots=True)
class Numbers:
    """The site's own numbers of the records of one input."""

    seen: set[Any] = field(default_factory=set)

    def demand_new(self, record: Json) -> None:
        """Take in the number of a record.

        Raises ``Refused``: another had it before.
        """
        number = NUMBERS[record["record"]]
        if record.get(number) in self.seen:
            raise Refused(Issue("error", "duplicate", number, TWICE, "each number once", "number", BREAKS_RULE))
        self.seen.add(record.get(number))


def complete(plan: Plan, fields: FieldTable, why: str) -> None:
    """Say of each field that no pair takes that it is left out, or leave it unsaid: then it is refused."""
    seen: set[int] = set()
    _complete(plan.root.iobj, fields, why, guarded=True, seen=seen)
    for scope in plan.scopes[1:]:
        _complete(scope.iobj, fields, why, guarded=True, seen=seen)


def _complete(iobj: IObj, fields: FieldTable, why: str, *, guarded: bool, seen: set[int]) -> None:
    if id(iobj) in seen or iobj.type not in fields:
        return
    seen.add(id(iobj))
    free = FREE.get(iobj.type, frozenset())
    for name, item in fields[iobj.type].items():
        member = iobj.members.get(name)
        stays = guarded and name not in free
        if member is not None and member.in_use:
            for one in (member.obj, member.only.obj if member.only is not None else None):
                if one is not None:
                    _complete(one, fields, why, guarded=stays, seen=seen)
            for items in (*member.items, *(member.only.items if member.only is not None else ())):
                _complete(items.scope.iobj, fields, why, guarded=stays, seen=seen)
        elif item.key:
            iobj.members[name] = IMember(name, drop=NO_KEY)
        elif why and not stays and name != "residue":
            iobj.members[name] = IMember(name, drop=why)


def wrong_drops(plan: Plan, root: str) -> Iterator[str]:
    """Yield the path of each field that a pair leaves out although it could change what the patient gets."""
    yield from _wrong_drops(plan.root.iobj, root, guarded=True)


def wrong_joins(plan: Plan, root: Node) -> Iterator[str]:
    """Yield a complaint for each member that is kept where it is not joined, and is no field that may be left out."""
    kept = {node.path_name: node for node in _joined(root) if node.joining is not None and node.joining.is_kept}
    for name, field_name in _guarded(plan.root.iobj, guarded=True):
        if name in kept:
            one = kept[name]
            what = f"'{field_name}' could change what the patient gets"
            yield f"{one.mark}: {what}, so '{one.name}' is refused where it is not joined; accepted: it without `else`"


def _joined(node: Node) -> Iterator[Node]:
    for inner in (node.members or {}).values():
        yield inner
        yield from _joined(inner)


def _guarded(iobj: IObj, *, guarded: bool) -> Iterator[tuple[str, str]]:
    """Yield the site's name and the field of each pair of what no rule may leave out, words alone among them."""
    free = FREE.get(iobj.type, frozenset()) - {INSTEAD.get(iobj.type, ("",))[0]}
    for name, member in iobj.members.items():
        stays = guarded and name not in free
        if stays:
            yield from ((leaf.fhir[-1].name, name) for leaf in member.leaves)
        for inner in _below(member):
            yield from _guarded(inner, guarded=stays)


def _wrong_drops(iobj: IObj, at: str, *, guarded: bool) -> Iterator[str]:
    free = FREE.get(iobj.type, frozenset())
    for name, member in iobj.members.items():
        stays = guarded and name not in free
        if stays and member.drop:
            yield f"{at}.{name}"
        for inner in _below(member):
            yield from _wrong_drops(inner, f"{at}.{name}", guarded=stays)


def _below(member: IMember) -> Iterator[IObj]:
    for one in (member, member.only):
        if one is not None:
            if one.obj is not None:
                yield one.obj
            for items in one.items:
                yield items.scope.iobj


def without_order(root: Node, plan: Plan) -> frozenset[str]:
    """Return the names of the record's lists that stand in columns, which have no order."""
    return frozenset(_without_order(plan.root.iobj, frozenset(_in_columns(root))))


def _in_columns(node: Node) -> Iterator[str]:
    for inner in (node.members or {}).values():
        if inner.columns:
            yield inner.path_name
        yield from _in_columns(inner)


def _without_order(iobj: IObj, names: frozenset[str]) -> Iterator[str]:
    for member in iobj.members.values():
        for one in (member, member.only):
            if one is not None:
                yield from (items.internal[-1].name for items in one.items if items.fhir[-1].name in names)
        for inner in _below(member):
            yield from _without_order(inner, names)


def unpaired(root: Node, plan: Plan) -> Iterator[Node]:
    """Yield each member of a shape that no pair takes."""
    yield from _unpaired(root, [plan.root.fobj], frozenset())


def _unpaired(node: Node, objects: list[FObj], asked: frozenset[str]) -> Iterator[Node]:
    """``asked`` are the names by which the criteria of slices tell these objects apart."""
    for inner in (node.members or {}).values():
        if inner.kept or inner.kept_whole or inner.path_name in asked:
            continue
        found = [one.members[inner.path_name] for one in objects if inner.path_name in one.members]
        if not found:
            yield inner
            continue
        if inner.members is not None:
            below = [member.obj for member in found if member.obj is not None]
            for member in found:
                below += [part.obj for part in member.slices if part.obj is not None]
                below += [part.items.scope.fobj for part in member.slices if part.items is not None]
                below += [items.scope.fobj for items in member.rest]
            parts = [part for member in found for part in member.slices]
            names = {each.path[0] for part in parts for each in part.step.criteria if each.path}
            yield from _unpaired(inner, below, frozenset(names))


STATUS: Final = frozenset({"status", "status_reason", "status_reasons", "status_changed_at"})
"""The fields of a record that say its status."""


def mark_status(root: Node, plan: Plan) -> None:
    """Note of each member of a shape whether its pairs say the status and nothing else, and the codes of a status.

    Codes of less than two letters are not noted: they mean other things elsewhere.
    """
    tables = [leaf.codec.codes for name in STATUS & plan.root.iobj.members.keys() for leaf in _leaves(plan, name)]
    codes = {str(code) for table in tables if table for column in table for code in (*column, *column.values())}
    root.status_codes = frozenset(said for said in map(phrase, codes) if len(said) > 1)
    of_status: set[tuple[str, ...]] = set()
    others: set[tuple[str, ...]] = set()
    for name, member in plan.root.iobj.members.items():
        ways = set(_ways(member))
        if name in STATUS:
            of_status |= ways
        else:
            others |= ways
    for way in of_status - others:
        node: Node | None = root
        for step in way:
            inside = (node.members or {}) if node is not None else {}
            node = next((one for one in inside.values() if one.path_name == step), None)
        if node is not None:
            node.is_status = True


def _leaves(plan: Plan, name: str) -> Iterator[Leaf]:
    member = plan.root.iobj.members[name]
    yield from member.leaves
    for inner in _below(member):
        yield from (leaf for one in inner.members.values() for leaf in one.leaves)


def _ways(member: IMember) -> Iterator[tuple[str, ...]]:
    """Yield the ways of the site that the pairs of a field take."""
    for leaf in member.leaves:
        yield tuple(step.name for step in leaf.fhir)
    for inner in _below(member):
        for one in inner.members.values():
            yield from _ways(one)


# ------------------------------------------------------------------------------------------------ constants


def fill(iobj: IObj, record: Json) -> None:
    """Set the constants of a record that was read: each where what it stands in is there."""
    for name, member in iobj.members.items():
        if member.const is not None:
            record.setdefault(name, member.const)
        elif name in record:
            for inner, held, _ in _inside(member, record[name], name):
                fill(inner, held)


def demand(iobj: IObj, record: Json, at: str = "") -> Iterator[Issue]:
    """Yield a refusal for each constant that a record to be written does not say, and for words without a code."""
    alone = INSTEAD.get(iobj.type)
    if alone is not None and alone[0] in record and not any(name in record for name in alone[1]):
        member = iobj.members.get(alone[0])
        if member is not None and member.drop:
            yield _issue(f"{at}.{alone[0]}", NO_PLACE, f"{' or '.join(alone[1])} beside it")
    for name, member in iobj.members.items():
        here = f"{at}.{name}" if at else name
        if member.const is not None:
            if record.get(name) != member.const:
                yield _issue(
                    here, "the format means one value here, and the record has another or none", f"{member.const}"
                )
        elif name in record:
            for inner, held, place in _inside(member, record[name], here):
                yield from demand(inner, held, place)


def _inside(member: IMember, value: Any, at: str) -> Iterator[tuple[IObj, Json, str]]:
    """Yield each object in the value of a field, what the plan says of it, and its path."""
    if isinstance(value, dict):
        if member.obj is not None:
            yield member.obj, value, at
        return
    if not isinstance(value, list):
        return
    for index, held in enumerate(value):
        alone = member.only if member.only is not None and (len(value) == 1 or (member.first and not index)) else None
        objects = [alone.obj] if alone is not None else [items.scope.iobj for items in member.items]
        if isinstance(held, dict) and objects and objects[0] is not None:
            yield objects[0], held, f"{at}[{index}]"


def _issue(at: str, reason: str, accepted: str) -> Issue:
    return Issue("error", "business-rule", at, reason, accepted, "format", BREAKS_RULE)


def own_keys(record: Any, names: Iterable[str], at: str = "") -> Iterator[str]:
    """Yield the paths of the keys of a record that are its own, not derived."""
    if isinstance(record, dict):
        for name, value in record.items():
            here = f"{at}.{name}" if at else name
            if name in names and isinstance(value, str) and not is_derived(value):
                yield here
            elif name != "residue":
                yield from own_keys(value, names, here)
    elif isinstance(record, list):
        for index, value in enumerate(record):
            yield from own_keys(value, names, f"{at}[{index}]")
