"""Text that a patch has left standing beside what it describes, and that may say the old dose. Pure.

A patch changes data and seldom the text beside them. "The server SHALL ensure that its narrative is not clinically
unsafe after the PATCH operation" (https://hl7.org/fhir/R4/http.html#patch): a generated narrative is left out, and
where a person's words would contradict the data the patch is refused until it changes or removes these, too.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import BREAKS_RULE, Issue, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fhir_infusion.fhir.json import Resource

_DOSAGE: Final = (
    *("timing", "asNeededBoolean", "asNeededCodeableConcept", "asNeeded", "asNeededFor", "site", "route", "method"),
    *("doseAndRate", "dose", "rateQuantity", "rateRatio"),
    *("maxDosePerPeriod", "maxDosePerAdministration", "maxDosePerLifetime"),
)
_DESCRIBES: Final = {
    "text": ("coding", *_DOSAGE),
    "display": ("reference", "identifier", "code", "system"),
    "unit": ("code", "system"),
    "renderedDosageInstruction": ("dosageInstruction",),
}
"""Text to the members beside it that it puts into words: of a concept, a dosage, a coding or reference, a quantity."""

_RENDERED: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.renderedDosageInstruction"

_GENERATED: Final = frozenset({"generated", "extensions"})
"""Narratives made from the data alone; https://hl7.org/fhir/R4/valueset-narrative-status.html."""


def settled(old: Resource, new: Resource) -> Resource:
    """Return a patched resource without the narrative that was generated from what it was.

    Raises:
        Refused: 422, a text that the patch has not touched describes what it has changed; with every place.
    """
    root = str(new.get("resourceType", ""))
    stale = [f"{root}.{path}" for path in (*_stale(old, new, ""), *_stale_rendering(old, new))]
    narrative = new.get("text")
    if isinstance(narrative, dict) and narrative == old.get("text") and _rest(old) != _rest(new):
        if narrative.get("status") in _GENERATED:
            new = _rest(new)
        elif narrative.get("status") != "empty":
            stale.append(f"{root}.text")
    if stale:
        reason = "it describes what the patch changes beside it, and would say what that was"
        accepted = "a patch that changes or removes this, too"
        raise Refused(*(Issue("error", "business-rule", path, reason, accepted, "text", BREAKS_RULE) for path in stale))
    return new


def _rest(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name != "text"}


def _stale(old: Any, new: Any, path: str) -> Iterator[str]:
    """Yield the path of every text that stands as it was beside something that does not."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name, described in _DESCRIBES.items():
            text = new.get(name)
            stands = isinstance(text, str) and text == old.get(name)
            if stands and any(member in old and old[member] != new.get(member) for member in described):
                yield _below(path, name)
        for name, value in new.items():
            if name in old and old[name] != value:
                yield from _stale(old[name], value, _below(path, name))
    elif isinstance(old, list) and isinstance(new, list):
        for before, after, index in _paired(old, new):
            yield from _stale(before, after, f"{path}[{index}]")


def _stale_rendering(old: Resource, new: Resource) -> Iterator[str]:
    """Yield the path of a rendering of the dosage that stands as it was, where R4 has it: in an extension."""
    if "dosageInstruction" not in old or old["dosageInstruction"] == new.get("dosageInstruction"):
        return
    before = set(map(_key, old.get("extension", ())))
    for index, one in enumerate(new.get("extension", ())):
        if isinstance(one, dict) and one.get("url") == _RENDERED and _key(one) in before:
            yield f"extension[{index}]"


def _paired(old: list[Any], new: list[Any]) -> Iterator[tuple[Any, Any, int]]:
    """Yield what an item was, what it is, and where: by its id, else in order among those that are not as they were."""
    were, are = [*map(_key, old)], [*map(_key, new)]
    kept, known = set(are), set(were)
    left = dict(enumerate(item for item, key in zip(old, were, strict=True) if key not in kept))
    by_id: dict[Any, deque[int]] = {}
    for at, item in left.items():
        by_id.setdefault(_key(_id(item)), deque()).append(at)
    nameless, first = by_id.pop(None, deque()), 0
    for index, (item, key) in enumerate(zip(new, are, strict=True)):
        if key in known:
            continue
        if _id(item) is None:
            first = next((at for at in range(first, len(were)) if at in left), len(were))
            found = first if first in left else None
        else:
            same = _next(by_id.get(_key(_id(item)), deque()), left)
            found = _next(nameless, left) if same is None else same
        if found is not None:
            yield left.pop(found), item, index


def _next(places: deque[int], left: Mapping[int, Any]) -> int | None:
    """Return the first of these places that is left; those before it are taken out."""
    while places and places[0] not in left:
        places.popleft()
    return places[0] if places else None


def _key(value: Any) -> Any:
    """Return what is equal, and has one hash, where values of JSON are equal."""
    if isinstance(value, dict):
        return frozenset((name, _key(held)) for name, held in value.items())
    return tuple(map(_key, value)) if isinstance(value, list) else value


def _id(item: Any) -> Any:
    return item.get("id") if isinstance(item, dict) else None


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
