"""Whether two resources say the same: ours and a peer's, sent and read back. Pure.

Numbers compare as they are written: ``1.50`` and ``1.5`` differ, in FHIR's words the precision has significance.
What a server sets for itself (id, version, times, source, rendered narrative, that it is subsetted) never counts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import subset

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource

SERVERS_OWN: Final = ("id", "text")
SERVERS_OWN_META: Final = ("versionId", "lastUpdated", "source")

SAFETY: Final = {
    "MedicationRequest": (
        *("status", "intent", "doNotPerform", "modifierExtension", "implicitRules", "identifier", "subject"),
        *("medicationCodeableConcept", "medicationReference", "medication", "contained", "dosageInstruction"),
        "extension",
    ),
    "MedicationAdministration": (
        *("status", "modifierExtension", "implicitRules", "identifier", "subject", "request", "partOf", "contained"),
        *("medicationCodeableConcept", "medicationReference", "medication", "dosage"),
        *("effectiveDateTime", "effectivePeriod", "occurenceDateTime", "occurencePeriod", "occurenceTiming"),
        "extension",
    ),
    "Patient": ("identifier", "name", "birthDate", "gender"),
}
"""What a peer must not alter (hazards H1, H3, H4, H10): reread after each write, as a telephone order is."""

_ADDED_TO: Final = ("identifier", "extension")


def content(resource: Resource, minted: tuple[str, str] | None = None) -> Resource:
    """Return what counts in a resource: without what servers set, and without a minted identifier of ours."""
    kept = {name: value for name, value in subset.unmarked(resource).items() if name not in SERVERS_OWN}
    meta = kept.pop("meta", None)
    if isinstance(meta, dict) and (own := {k: v for k, v in meta.items() if k not in SERVERS_OWN_META}):
        kept["meta"] = own
    if minted is not None and isinstance(kept.get("identifier"), list):
        kept["identifier"] = [
            one
            for one in kept["identifier"]
            if not (isinstance(one, dict) and (one.get("system"), one.get("value")) == minted)
        ]
        if not kept["identifier"]:
            del kept["identifier"]
    return kept


def same(one: object, other: object) -> bool:
    """Say whether two JSON values are equal: object order is free, array order is kept, numbers as written."""
    return exact(one) == exact(other)


def exact(value: object) -> str:
    """Return a text that is equal exactly for equal JSON values."""
    return fhir_json.write(_sorted(value)).decode()


def differing(one: Resource, other: Resource) -> tuple[str, ...]:
    """Return the names of the elements in which two resources differ, in the order of their names."""
    return tuple(
        name
        for name in sorted({*one, *other})
        if (name in one) != (name in other) or (name in one and not same(one[name], other[name]))
    )


def altered(sent: Resource, kept: Resource) -> tuple[str, ...]:
    """Return what a peer altered in the elements that must not change (hazard H15), as codes without values.

    A code is the element's name; ``name:precision`` where the numbers are equal but written otherwise. Identifiers and
    extensions that a peer adds of its own are not an alteration.
    """
    found = []
    for name in SAFETY.get(str(sent.get("resourceType")), ()):
        ours, theirs = sent.get(name), kept.get(name)
        if name in _ADDED_TO:
            known = {exact(one) for one in (theirs if isinstance(theirs, list) else [])}
            if all(exact(one) in known for one in (ours if isinstance(ours, list) else [])):
                continue
        if (name in sent) != (name in kept) or not alike(ours, theirs):
            found.append(name)
        elif not same(ours, theirs):
            found.append(f"{name}:precision")
    return tuple(found)


def equivalent(sent: Resource, kept: Resource) -> bool:
    """Say whether what is kept is all of what was sent and nothing else, but for how a number is written.

    Narrative and meta are a server's to change, and identifiers of its own a server's to add. Anything more may be
    somebody else's change, which an acknowledgement would hide.
    """
    free = {"id", "meta", "text", "identifier"}
    names = {*sent, *kept} - free
    ours, theirs = (value.get("identifier") for value in (sent, kept))
    known = {exact(one) for one in theirs} if isinstance(theirs, list) else set()
    return all(name in sent and name in kept and alike(sent[name], kept[name]) for name in names) and all(
        exact(one) in known for one in (ours if isinstance(ours, list) else [])
    )


def is_labelled(sent: Resource, kept: Resource) -> bool:
    """Say whether what is kept has a security label or a tag that was not sent.

    Of what was just answered it is the server's own. Where the answer was lost, somebody may have set it since: sent
    again without it, ours would take it away.
    """
    return not _labels(kept) <= _labels(sent)


def _labels(resource: Resource) -> set[tuple[str, str]]:
    meta = content(resource).get("meta", {})
    listed = {name: meta[name] for name in ("security", "tag") if isinstance(meta.get(name), list)}
    return {(name, exact(one)) for name, labels in listed.items() for one in labels}


def is_another(agreed: Resource, there: Resource) -> bool:
    """Say whether what is there is not what both sides agreed on, in whatever state, but somebody else's.

    Each has identifiers, and none is of both; or they are of different patients, where identifiers do not tell.
    """
    one, other = _identifiers(agreed), _identifiers(there)
    if one and other:
        return not one & other
    return not alike(agreed.get("subject"), there.get("subject"))


_WHOSE: Final = ("subject", "name", "birthDate", "gender")


def is_answer_to_another(sent: Resource, answered: Resource, system: str, value: str) -> bool:
    """Say whether an answer to a write speaks of another resource than what was sent under an identifier.

    It has identifiers, and this is none of them; or none, and another patient, or who a Patient is.
    """
    if _identifiers(answered):
        return not has_identifier(answered, system, value)
    return any(name in sent and not alike(sent[name], answered.get(name)) for name in _WHOSE)


def has_identifier(resource: Resource, system: str, value: str) -> bool:
    """Say whether a resource has this identifier."""
    return (system, value) in _identifiers(resource)


def _identifiers(resource: Resource) -> set[tuple[str, str]]:
    listed: Any = resource.get("identifier")
    named = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {(str(one.get("system", "")), str(one["value"])) for one in named if "value" in one}


def spelled(mine: Any, base: Any, other: Any) -> Any:
    """Return ``other`` with our spelling of each number that it did not change: ``1.50`` stays where it has ``1.5``.

    ``base`` is what the peer had when both sides agreed, ``mine`` what we have. A number is spelled as ours where all
    three are equal by value, at the same place; the value of nothing is ever changed. The entries of a list are found
    again by value first, those that were changed by their order.
    """
    if isinstance(mine, dict) and isinstance(base, dict) and isinstance(other, dict):
        return {
            name: spelled(mine[name], base[name], value) if name in mine and name in base else value
            for name, value in other.items()
        }
    if isinstance(mine, list) and isinstance(base, list) and isinstance(other, list) and len(mine) == len(base):
        places = _places(base, other)
        return [
            one if place is None else spelled(mine[place], base[place], one)
            for one, place in zip(other, places, strict=True)
        ]
    return mine if _is_number(other) and alike(mine, base) and alike(base, other) else other


def _places(base: list[Any], other: list[Any]) -> list[int | None]:
    """Return for each entry of ``other`` at which place ``base`` has it, None for one that was added."""
    left = dict(enumerate(base))
    places: list[int | None] = []
    for index, one in enumerate(other):
        near = [index, *left] if index in left else list(left)
        place = next((at for at in near if alike(left[at], one)), None)
        if place is not None:
            del left[place]
        places.append(place)
    changed = [index for index, place in enumerate(places) if place is None]
    if len(changed) == len(left):
        for index, place in zip(changed, left, strict=True):
            places[index] = place
    return places


def alike(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal, numbers by value."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(alike(a, b) for a, b in zip(one, other, strict=True))
    if _is_number(one) and _is_number(other):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_sorted(one) for one in value]
    return value
