"""The tag of a resource from which something was left out: https://hl7.org/fhir/search.html#subset. Pure.

It warns whoever reads it that what is not there may be there all the same, and that writing it back would lose that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource

SUBSETTED: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def marked(resource: Resource) -> Resource:
    """Return the resource with the tag."""
    bare = unmarked(resource)
    meta = bare.get("meta", {})
    return {**bare, "meta": {**meta, "tag": [*meta.get("tag", ()), dict(SUBSETTED)]}}


def unmarked(resource: Resource) -> Resource:
    """Return the resource without the tag; the same object where it has none."""
    meta: Any = resource.get("meta")
    tags: Any = meta.get("tag") if isinstance(meta, dict) else None
    if not isinstance(tags, list) or not any(_is_mark(tag) for tag in tags):
        return resource
    rest = {name: value for name, value in meta.items() if name != "tag"}
    if others := [tag for tag in tags if not _is_mark(tag)]:
        rest["tag"] = others
    bare = {name: value for name, value in resource.items() if name != "meta"}
    return {**bare, "meta": rest} if rest else bare


def _is_mark(tag: Any) -> bool:
    return isinstance(tag, dict) and all(tag.get(name) == value for name, value in SUBSETTED.items())
