"""What only another release can say of a resource, carried into a version that is written in this one.

Who writes in R5 an order that was written in R4 was never shown what R5 has no words for, and cannot have meant to
remove it. Such residue is kept where its place is still there:

1. An entry of a list that says what it said before has the same key, so that what stands below it finds it again.
2. What belongs to an entry that is another now, or gone, is not put beside something else; nor is the narrative, which
   describes what was before. A contained resource stays where something that is kept refers to it.
3. It is written in that release: what does not go back there, or makes it wrong (such as a contained resource to which
   nothing refers any more), is not kept, and takes nothing else with it.

What a site's own JSON says besides is kept whole: its format itself leaves out what may describe what was edited.

What is not kept is told by a finding, by the names of its elements and without values. A narrative goes with every edit
and is not told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import whole
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import targets
from fhir_infusion.mapping.extended import EXTENDED
from fhir_infusion.mapping.formats.format import PREFIX
from fhir_infusion.mapping.putback import family
from fhir_infusion.mapping.residue import is_derived
from fhir_infusion.store import text

if TYPE_CHECKING:
    from fhir_infusion.service import Service
    from fhir_infusion.store.versions import Stored

Json = dict[str, Any]

RULE: Final = "other-release"
"""The rule of the finding that something was not kept."""
_CONTAINED: Final = "contained[]"
"""The contained resources that the record says nothing of, whole."""
_TOKEN: Final = re.compile(r"\[[^\]]*\]")


def with_other_releases(service: Service, record: Json, before: Json, release: str) -> tuple[Json, tuple[Issue, ...]]:
    """Return a record with what only other releases said of the record before, and findings of what is not kept."""
    others = [one for one in before.get("residue", ()) if family(one["release"]) != family(release)]
    if not others:
        return record, ()
    of_sites = [one for one in others if one["release"].startswith(PREFIX)]
    foreign = [one for one in others if one not in of_sites]
    is_same = _bare(record) == _bare(before)
    left = [one for one in foreign if _may_go_back(one["path"], is_same=is_same)]
    keyed: Json = _keyed(record, before)
    kept: list[Json] = of_sites
    issues: list[Issue] = []
    for own in dict.fromkeys(family(one["release"]) for one in left):
        of_family = [one for one in left if family(one["release"]) == own]
        going, found = _going_back(service, keyed, of_family)
        kept = [*kept, *going]
        issues += found
    lost = [one["path"] for one in foreign if one not in kept and not _is_seal(one["path"]) and one["path"] != "text"]
    issues += _told(lost, dict.fromkeys(one["release"] for one in foreign))
    return ({**keyed, "residue": [*keyed.get("residue", []), *kept]} if kept else record), tuple(issues)


def not_shown(service: Service, before: Stored, release: str) -> tuple[Issue, ...]:
    """Return a finding of the references that this release does not allow: who read them here was shown none."""
    if family(before.release) == family(release):
        return ()
    try:
        translated = service.translator.to_fhir(whole.single(whole.part_of(before)), release, as_sent=True)
        (resource,) = translated.results
        _, out = targets.without_wrong_targets(resource, release, translated.findings)
    except Refused:
        return ()
    if not out:
        return ()
    names = ", ".join(elements([path.partition(".")[2] for path in out]))
    reason = f"{release} allows no reference to what stands here, so that it was not shown and is not kept: {names}"
    return (Issue("warning", "informational", "", reason, "", RULE),)


def elements(paths: list[str]) -> list[str]:
    """Return the names of elements without keys and marks, each once."""
    return list(dict.fromkeys(_TOKEN.sub("", path).removesuffix("~") for path in paths))


def _may_go_back(path: str, *, is_same: bool) -> bool:
    if _is_seal(path):
        return path == EXTENDED
    return is_same or path == _CONTAINED or not (path == "text" or path.startswith("contained"))


def _is_seal(path: str) -> bool:
    """Say whether an entry is a note of ours about the resource that was read."""
    return path.rpartition(".")[2].startswith("$")


def _going_back(service: Service, record: Json, entries: list[Json]) -> tuple[list[Json], tuple[Issue, ...]]:
    """Return the entries that go back where they stood, and what is found of elements that were edited.

    Where not all go back together, the half that does not is halved, so that one entry takes no other with it.
    """
    going: list[Json] = []
    found: tuple[Issue, ...] = ()
    waiting = [entries]
    for _ in range(_MOST_TRIED):
        if not waiting:
            break
        some = waiting.pop()
        tried = _tried(service, record, [*going, *some])
        if tried is not None:
            going, found = tried
        elif len(some) > 1:
            half = len(some) // 2
            waiting += [some[half:], some[:half]]
    # Something else may be contained under that id by now.
    gone = [f'"#{one["value"].get("id")}"' for one in entries if one["path"] == _CONTAINED and one not in going]
    return [one for one in going if not any(name in text.write(one["value"]) for name in gone)], found


def _tried(service: Service, record: Json, entries: list[Json]) -> tuple[list[Json], tuple[Issue, ...]] | None:
    """Return what :func:`_going_back` does, None where with these entries it is not right."""
    release = entries[0]["release"]
    tried = {**record, "residue": [*record.get("residue", []), *entries]}
    try:
        translated = service.translator.to_fhir(whole.single(tried), release, as_sent=True)
    except Refused:
        return None
    dropped = {line.path.removesuffix("~") for line in translated.exceptions if line.state == "dropped"}
    found = tuple(one for one in translated.findings if one.rule == "edited-extension")
    return [one for one in entries if one["path"].removesuffix("~") not in dropped], found


_MOST_TRIED: Final = 32
"""Each is a translation; whoever changes an order waits for them."""


def _told(lost: list[str], releases: dict[str, None]) -> tuple[Issue, ...]:
    if not lost:
        return ()
    names = ", ".join(elements(lost))
    said = f"only {' and '.join(releases)} could say this"
    reason = f"{said}, and it is not kept, for what it belonged to is another now: {names}"
    return (Issue("warning", "informational", "", reason, "", RULE),)


def _keyed(value: Any, before: Any) -> Any:
    """Return a part of a record with the derived keys of the part that it was."""
    if isinstance(value, dict) and isinstance(before, dict):
        found = {name: _keyed(one, before.get(name)) for name, one in value.items() if name != "residue"}
        if "residue" in value:
            found["residue"] = value["residue"]
        if _bare(value) == _bare(before):
            found |= {name: key for name, key in before.items() if is_derived(key) and name not in value}
        return found
    if isinstance(value, list) and isinstance(before, list):
        left = [one for one in before if isinstance(one, dict)]
        return [_keyed(one, _taken(one, left)) for one in value]
    return value


def _taken(one: Any, left: list[Json]) -> Json | None:
    """Take from ``left`` what an entry was: what says the same, else what has the same id."""
    if not isinstance(one, dict):
        return None
    same = next((other for other in left if _bare(other) == _bare(one)), None)
    keys = {(name, key) for name, key in one.items() if name.endswith("_id") and not is_derived(key)}
    named = next((other for other in left if any(other.get(name) == key for name, key in keys)), None)
    found = same if same is not None else named
    left[:] = [other for other in left if other is not found]
    return found


def _bare(value: Any) -> str:
    """Return what a part of a record says, without derived keys and residue, as a text to compare."""
    return text.digest(_without_keys(value))


def _without_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_keys(one) for name, one in value.items() if name != "residue" and not is_derived(one)}
    if isinstance(value, list):
        return [_without_keys(one) for one in value]
    return value
