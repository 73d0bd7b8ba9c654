"""What a resource refers to, as far as it is here.

A reference that leads nowhere is no fault of the order that holds it: the patient may come later, or be known to
another server only. It is kept as it came, and told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Issue
from fhir_infusion.fhir.references import referred, resource_named
from fhir_infusion.fhir.served import SERVED
from fhir_infusion.store import versions

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service

Json = dict[str, Any]
_OURS: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


def unresolved(service: Service, caller: Caller, resource: Json) -> tuple[Issue, ...]:
    """Return an issue (information) for each reference of a resource that leads to nothing here.

    An absolute address of another server is none of ours to know, and says itself where it leads.

    Raises:
        Unavailable: the storage cannot be read.
    """
    found = [
        (path, resource_named(text))
        for path, text in referred(resource, str(resource.get("resourceType", "")))
        if not text.startswith(("http://", "https://"))
    ]
    named = {text: _OURS.fullmatch(text) for _, text in found}
    asked = {(one[1], one[2]) for one in named.values() if one and one[1] in SERVED}
    here = service.store.read(caller.tenant, lambda tx: versions.which_exist(tx, asked))
    return tuple(
        _told(path, is_literal=match is not None)
        for path, text in found
        if (match := named[text]) is None or (match[1], match[2]) not in here
    )


def _told(path: str, *, is_literal: bool) -> Issue:
    reason = "what is referred to is not here" if is_literal else "this is no reference to a resource of this server"
    return Issue("information", "not-found", path, f"{reason}; it is kept as it came", "", "unresolved-reference")
