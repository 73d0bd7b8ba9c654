"""The rules of orders and administrations: what must be stated, what excludes what, what is never an order.

Each says the clause it comes from: FHIR's invariants by their id, otherwise a rule of ours by its name.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fhir_infusion.records.equality import same
from fhir_infusion.records.fields import key_of, table
from fhir_infusion.records.moments import is_after
from fhir_infusion.records.parts import DOSAGE, RATES, child_status, has_dosage, is_dosed, is_split, split
from fhir_infusion.records.quantity_rules import hides, role_rules
from fhir_infusion.records.rules import Broken, Part, Place, Rule, Rules, breaks_fhir, breaks_rule
from fhir_infusion.records.value_rules import IN_ORDER, VALUE_RULES, needed, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_SITES: Final = ("body_structure", "site_reference")
_DRUG: Final = "drug with or without preparation, preparation, or medication"


def _exclusive(part: Part, names: tuple[str, ...]) -> Iterator[Broken]:
    stated = [name for name in names if name in part]
    yield from (one_of((name,), ", ".join(names)) for name in stated[1:])


def _dosing(part: Part) -> Iterator[Broken]:
    yield from _exclusive(part, ("dose", "dose_range"))
    yield from _exclusive(part, ("rate", "rate_range", "rate_ratio", "rate_as_stated"))


def _segment(part: Part) -> Iterator[Broken]:
    yield from _exclusive(part, RATES)
    yield from _in_order(part)


def _in_order(part: Part) -> Iterator[Broken]:
    if "start" in part and "end" in part and is_after(part["start"], part["end"]):
        yield breaks_fhir(("end",), "the end is before the start", "an end at or after the start", "per-1")


def _occurrence(part: Part) -> Iterator[Broken]:
    stated = [name for name in ("at", "start", "end", "timing") if name in part]
    if len(stated) > 1 and stated != ["start", "end"]:
        yield one_of((stated[1],), "at, start and end, or timing")
    yield from _in_order(part)


def _step(part: Part) -> Iterator[Broken]:
    yield from _exclusive(part, _SITES)
    if part.get("as_needed") is False and "as_needed_for" in part:
        yield breaks_fhir(("as_needed_for",), "it is stated not to be as needed", "as_needed true or left out", "dos-1")


def _substitution(part: Part) -> Iterator[Broken]:
    yield from _exclusive(part, ("allowed", "allowed_kind"))


def _own_structure(part: Part) -> Iterator[Broken]:
    for name in ("structure_id", "location", "patient"):
        if name not in part:
            yield needed((name,), name)


def _own_substitution(part: Part) -> Iterator[Broken]:
    if not part.keys() & {"allowed", "allowed_kind"}:
        yield needed(("allowed",), "allowed or allowed_kind")


def _own_performer(part: Part) -> Iterator[Broken]:
    if not part.keys() & {"actor", "actor_concept"}:
        yield needed(("actor",), "actor, or actor_concept where no one is named")


def _ingredient(part: Part) -> Iterator[Broken]:
    yield from _exclusive(part, ("strength", "amount", "strength_concept"))
    yield from _hidden(part, ("drug",))


def _own_reasons(part: Part) -> Iterator[Broken]:
    for position, reason in enumerate(part.get("reasons", ())):
        if not reason.keys() & {"codings", "text"}:
            place = ("reasons", position)
            yield breaks_fhir(place, "a reference alone is no coded reason", "reason_references", "reason", "structure")


def _own_ingredient(part: Part) -> Iterator[Broken]:
    yield from _exclusive(part, ("drug", "reference"))
    if not part.keys() & {"drug", "reference"}:
        yield needed(("drug",), "drug or reference")


def _hidden(part: Part, names: tuple[str, ...]) -> Iterator[Broken]:
    """Invisible characters make one drug read as another (Trojan Source, CVE-2021-42574)."""
    for name in names:
        concept = part.get(name, {})
        texts: list[tuple[Place, str]] = [(("text",), concept.get("text", ""))]
        for position, coding in enumerate(concept.get("codings", ())):
            texts += [(("codings", position, field), coding.get(field, "")) for field in ("code", "display")]
        for place, text in texts:
            if hides(text):
                yield breaks_rule(
                    (name, *place), "the drug holds invisible characters", "visible characters", "hidden", "value"
                )


def _measured(part: Part) -> Iterator[Broken]:
    """Measurements and the preparation go to FHIR as contained resources, each with an id of its own."""
    used = {part["preparation"].get("preparation_id", "preparation")} if "preparation" in part else set()
    for position, measurement in enumerate(part.get("measurements", ())):
        key = measurement.get("measurement_id") or measurement.get("kind")  # the rules are asked of incomplete ones too
        if key in used:
            place = ("measurements", position, "measurement_id")
            reason = "this measurement has the key of another, said or by its kind"
            yield breaks_fhir(place, reason, "a measurement_id that is used once", "unique-key", "duplicate")
        used.add(key)


def _order(part: Part) -> Iterator[Broken]:
    if part.get("do_not_perform"):
        reason = "a prohibition is not an order"
        yield breaks_rule(("do_not_perform",), reason, "false, or left out", "do-not-perform")
    yield from _medicated(part)


def _medicated(part: Part) -> Iterator[Broken]:
    if not part.keys() & {"drug", "preparation", "medication"}:
        yield needed(("drug",), _DRUG)
    if "medication" in part and "preparation" in part:
        yield one_of(("medication",), _DRUG)
    yield from _hidden(part, ("drug",))


def _own_medicated(part: Part) -> Iterator[Broken]:
    if "medication" in part and "drug" in part:  # R5 has room for both, R4 has not
        yield one_of(("medication",), _DRUG)
    if not part.keys() & {"drug", "medication"} and "ingredients" not in part.get("preparation", {"ingredients": ()}):
        yield needed(("drug",), "drug, or ingredients of the preparation")


GIVEN: Final = frozenset({"in-progress", "completed", "unknown"})
"""The states in which a dose of zero is a contradiction: something is being or was given."""


def _zero(part: Part) -> Iterator[Broken]:
    reason, accepted = "a dose of zero is not given", "more than zero, or a status of on-hold, not-done or stopped"
    if part.get("dose_given", {}).get("value") == 0 and part["status"] in GIVEN:
        yield breaks_rule(("dose_given", "value"), reason, accepted, "zero-dose", "value")
    if is_split(part):
        for position, segment in enumerate(part["segments"]):
            if segment.get("dose", {}).get("value") == 0 and child_status(segment, part["status"]) in GIVEN:
                place = ("segments", position, "dose", "value")
                yield breaks_rule(place, reason, "more than zero, or the event paused or stopped", "zero-dose", "value")


def _own_administration(part: Part) -> Iterator[Broken]:
    if "when" not in part:
        yield needed(("when",), "at, start and end, or timing")
    if part.get("representation") == "split":
        yield from _splittable(part)
    yield from _exclusive(part, _SITES)
    yield from _dosed(part)


def _splittable(part: Part) -> Iterator[Broken]:
    if "administration_id" not in part:
        yield breaks_rule(
            ("administration_id",), "parts are told apart by it", "administration_id", "split-keys", "required"
        )
    if "segments" not in part:
        yield breaks_rule(("segments",), "there are no parts to split into", "segments", "split-keys", "required")
    for position, segment in enumerate(part.get("segments", ())):
        for name in ("segment_id", "start"):
            if name not in segment:
                place = ("segments", position, name)
                yield breaks_rule(place, "each part needs its key and its start", name, "split-keys", "required")
    yield from _sited(part)
    if "dose_total" in part:
        yield breaks_rule(("dose_total",), "the total is made from dose_given", "dose_given", "split-total")


def _dosed(part: Part) -> Iterator[Broken]:
    """mad-1: route, site, method and text stand in a dosage, which has a dose or a rate."""
    stated = [name for name in ("text", *DOSAGE) if name in part]
    if not stated:
        return
    if not is_split(part):
        if has_dosage(part):
            return
        lost = stated
    else:
        parts = split(dict(part))
        lost = [name for name in stated if not any(name in each and has_dosage(each) for each in parts)]
    for name in lost:
        yield breaks_rule(
            (name,), "it stands beside a dose or a rate, and there is none", "dose_given, or notes", "mad-1"
        )


def _sited(part: Part) -> Iterator[Broken]:
    """The site of a part is its dosage's; the first that is said there is read as the site of the whole."""
    segments = list(enumerate(part.get("segments", ())))
    dosed = [(position, segment) for position, segment in segments if is_dosed(segment)]
    if "dose_given" not in part or any("dose" in segment for _, segment in segments):
        for position, segment in dosed[:1]:
            if "body_site" in segment:
                reason = "the infusion begins at the site of the administration"
                accepted = "body_site of the administration; in later segments where it changed"
                yield breaks_rule(("segments", position, "body_site"), reason, accepted, "split-site", "value")
    for position, segment in dosed:
        if "body_site" in segment and same(segment["body_site"], part.get("body_site")):
            reason, accepted = "it is the site of the administration", "nothing, or where the infusion went on"
            yield breaks_rule(("segments", position, "body_site"), reason, accepted, "split-site", "value")


def _own_element(key: str) -> Rule:
    def find(part: Part) -> Iterator[Broken]:
        if part.keys() == {key} and not part[key].startswith("~"):
            yield breaks_fhir((), "it says nothing but its key", "at least one other member", "ele-1")

    return Rule((key,), find, own=True, quick=f"len(part) > 1 or {key!r} not in part")


_EXCLUSIVE_RATES: Final = (
    "('rate' in part) + ('rate_range' in part) + ('rate_ratio' in part) + ('rate_as_stated' in part) < 2"
)
_STATED: Final = "'medication' not in part and ('drug' in part or 'preparation' in part)"
_QUICK_MEDICATED: Final = f"{_STATED} and ('drug' not in part or is_ascii(part['drug']))"
_NOT_ZERO: Final = "'dose_given' not in part or part['dose_given'].get('value') != 0"
_ONE_MEDICATION: Final = Rule(
    ("drug", "medication", "preparation"), _own_medicated, own=True, quick="'drug' in part and 'medication' not in part"
)
_REASONS: Final = Rule(("reasons",), _own_reasons, own=True, quick="'reasons' not in part")
_MEASURED: Final = Rule(("measurements", "preparation"), _measured, quick="'measurements' not in part")

_RECORD_RULES: Final[Rules] = MappingProxyType({
    "InfusionOrder": (
        Rule(
            ("do_not_perform", "drug", "medication", "preparation"),
            _order,
            quick=f"not part.get('do_not_perform') and {_QUICK_MEDICATED}",
        ),
        _ONE_MEDICATION,
        _MEASURED,
        _REASONS,
    ),
    "Administration": (
        Rule(("drug", "medication", "preparation"), _medicated, quick=_QUICK_MEDICATED),
        _ONE_MEDICATION,
        _MEASURED,
        _REASONS,
        Rule(
            ("status", "dose_given", "segments", "representation", "administration_id"),
            _zero,
            quick=f"part.get('representation') != 'split' and ({_NOT_ZERO})",
        ),
        Rule(
            (
                "when", "representation", "administration_id", "segments", "dose_total", "dose_given", "text", "status",
                "residue", *DOSAGE,
            ),
            _own_administration,
            own=True,
            quick="'when' in part and 'dose_given' in part and part.get('representation') != 'split'"
            " and 'site_reference' not in part",
        ),
    ),
    "Dosing": (
        Rule((), _dosing, quick=f"('dose' not in part or 'dose_range' not in part) and {_EXCLUSIVE_RATES}"),
    ),
    "Segment": (Rule(("start", "end"), _segment, quick=f"({IN_ORDER}) and {_EXCLUSIVE_RATES}"),),
    "Occurrence": (
        Rule(
            ("start", "end"),
            _occurrence,
            quick="len(part) == 1 or (len(part) == 2 and 'start' in part and 'end' in part"
            " and are_in_order(part['start'], part['end']))",
        ),
    ),
    "Step": (
        Rule(("as_needed",), _step, quick="'as_needed_for' not in part and 'site_reference' not in part"),
    ),
    "Substitution": (
        Rule((), _substitution, quick="'allowed' not in part or 'allowed_kind' not in part"),
        Rule((), _own_substitution, own=True, quick="'allowed' in part or 'allowed_kind' in part"),
    ),
    "BodyStructure": (
        Rule(
            (),
            _own_structure,
            own=True,
            quick="'structure_id' in part and 'location' in part and 'patient' in part",
        ),
    ),
    "Performer": (Rule((), _own_performer, own=True, quick="'actor' in part or 'actor_concept' in part"),),
    "Ingredient": (
        Rule(
            ("drug",),
            _ingredient,
            quick="('strength' in part) + ('amount' in part) + ('strength_concept' in part) < 2"
            " and ('drug' not in part or is_ascii(part['drug']))",
        ),
        Rule((), _own_ingredient, own=True, quick="('drug' in part) + ('reference' in part) == 1"),
    ),
})  # fmt: skip


def _all() -> Rules:
    found = {}
    for name in table():
        key = key_of(name)
        rules = (*VALUE_RULES.get(name, ()), *_RECORD_RULES.get(name, ()), *role_rules(name))
        # A preparation goes to FHIR as a resource, which its id may be all of, its drug being the order's.
        found[name] = (*rules, _own_element(key)) if key and name != "Preparation" else rules
    return MappingProxyType(found)


RULES: Final[Rules] = _all()
"""Every rule, by the record type that it looks at."""
