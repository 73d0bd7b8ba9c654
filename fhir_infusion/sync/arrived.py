"""Whether what a peer has holds a version of ours whose arrival was never told: its answer was lost. Pure.

What is there may have been changed by somebody else since, so it equals none of our versions. Taken as a change of
theirs, our own dose would be held against the next one of ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync.compare import alike, content, differing
from fhir_infusion.sync.conflicts import CLINICAL, SUBJECT, UNION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.store.links import Link

    Versions = Iterable[tuple[int, Resource]]


def agreed(link: Link, ours: Versions, there: Resource) -> Link:
    """Return the link with the newest version of ours that is all in what is there; as it is where none is.

    ``ours`` are versions as they are sent. A version is there where everything that it changed, against what was
    agreed on before, is there as it says; numbers compare by value.
    """
    base, theirs = content(fhir_json.read(link.base)), content(there)
    for version, body in sorted(ours, key=lambda one: -one[0]):
        mine = content(body)
        changed = [name for name in differing(base, mine) if not _alike(name, base, mine)]
        if version > link.last_acked_version and changed and all(_is_in(name, mine, theirs) for name in changed):
            return _upon(link, version, body)
    return link


def created(link: Link, ours: Versions, there: Resource) -> Link | None:
    """Return the link to what we created there, where its patient and all that is clinical is of a version of ours.

    ``ours`` are the versions whose create is in doubt: what has our identifier there may else be somebody else's entry
    of it. Of several it is the newest that is all there, else the oldest: upon one that did not arrive, what it added
    would look as if they had taken it away. The link knows no version of theirs yet, and of ours none after that one:
    what is still to be sent would else pass for overtaken.
    """
    theirs = content(there)
    found = None
    for version, body in sorted(ours, key=lambda one: -one[0]):
        mine = content(body)
        if all(_alike(name, mine, theirs) for name in SUBJECT | CLINICAL):
            found = version, body
            if all(_is_in(name, mine, theirs) for name in mine):
                break
    if found is None:
        return None
    return replace(_upon(link, *found), last_sent_version=found[0], version_id="", etag="", last_updated="")


def _upon(link: Link, version: int, body: Resource) -> Link:
    text = fhir_json.write({**body, "id": link.remote_id}).decode()
    sent = max(version, link.last_sent_version)
    return replace(link, base=text, last_sent_version=sent, last_acked_version=version)


def _alike(name: str, one: Resource, other: Resource) -> bool:
    return (name in one) == (name in other) and alike(one.get(name), other.get(name))


def _is_in(name: str, mine: Resource, theirs: Resource) -> bool:
    listed: Any = theirs.get(name)
    if name in UNION and isinstance(listed, list):
        return all(any(alike(one, other) for other in listed) for one in mine.get(name, []))
    return _alike(name, mine, theirs)
