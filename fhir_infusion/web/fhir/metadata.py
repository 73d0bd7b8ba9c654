"""The CapabilityStatement (https://hl7.org/fhir/http.html#capabilities), made from what is served."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.fhir import search as fhir_search
from fhir_infusion.fhir.releases import RELEASES
from fhir_infusion.fhir.served import SERVED
from fhir_infusion.fhir.subscriptions import BACKPORT
from fhir_infusion.fhir.topics import TOPICS
from fhir_infusion.fhir.wanted import PREFIXES
from fhir_infusion.web.context import web
from fhir_infusion.web.fhir import definition, patch, subscription, topic
from fhir_infusion.web.fhir.common import base_url, release_of
from fhir_infusion.web.negotiation import FHIR_JSON, check_accept
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.config import Release
    from fhir_infusion.fhir.search import Parameter

_OF_EVERY_TYPE = (("_id", "token"), ("_lastUpdated", "date"))
_INTERACTIONS: Final = (
    *("read", "vread", "create", "update", "patch", "delete"),
    *("history-instance", "history-type", "search-type"),
)
_OF_ALL: Final = ("transaction", "batch", "history-system")
_UNSAID = (
    "What was written in another release and cannot be said in this one is answered with 406 and an OperationOutcome"
    " that names the release to read it in; in a search it stands at its place as an entry with search.mode outcome."
    " What something was left out of for this release has the tag SUBSETTED. Search also takes _sort (by several keys,"
    " each a date, token, string or uri; what lacks it comes last), _count, _total, _summary, _elements, _include and"
    " _revinclude (with iterate), _has and chains, up to three links deep. A chain to an identifier is also met by a"
    " reference that gives that identifier."
    " An order is updated, patched and deleted only with If-Match, also by criteria. What has begun and not ended, and"
    " what something refers to, is not deleted (409). What was deleted stays in its history, and keeps its identifier."
)
_ALONG: Final = (
    "Kept as it was sent. Read in another release it is given as it stands where it is right there too, else 406 with"
    " an OperationOutcome that names the release to read it in."
)
_DAY = "2026-01-01"
"""The day of the latest change of what this statement says."""


def get(release: str) -> Response:
    """Return the CapabilityStatement of a release."""
    served = release_of(release)
    check_accept(request, served)
    is_open = web().gate.tokens is None
    return fhir_reply({**statement(served, is_open=is_open), "url": f"{base_url(served)}/metadata"}, served)


@cache
def statement(release: Release, *, is_open: bool) -> dict[str, Any]:
    """Return the statement; it depends on nothing but the release and whether tokens are asked for."""
    rest: dict[str, Any] = {
        "mode": "server",
        "documentation": _UNSAID,
        "resource": [
            *(_resource(name, release) for name in SERVED),
            _subscription(release),
            _topic(release),
            *(_definition(name, release) for name in definition.TYPES),
        ],
        "interaction": [{"code": code} for code in _OF_ALL],
        "operation": [{"name": name, "definition": f"{_OURS}/{name}"} for name in ("export", "convert-data")],
    }
    if not is_open:
        words = "A bearer token in every request but this one and /health/live; a token names its tenant."
        rest["security"] = {"cors": False, "description": words}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DAY,
        "kind": "instance",
        "software": {"name": "fhir-infusion", "version": version("fhir-infusion")},
        "implementation": {"description": "Infusion orders and administrations"},
        "fhirVersion": RELEASES[release].version,
        "format": [FHIR_JSON, "json"],
        "patchFormat": list(patch.FORMATS),
        "rest": [rest],
    }


_OURS: Final = "https://w3id.org/fhir-infusion/OperationDefinition"
"""Of operations that do not do all that HL7's do: each names HL7's as its base (profiles/)."""
_OPERATIONS: Final = "http://hl7.org/fhir/OperationDefinition"
_DEFINITIONS: Final = "https://w3id.org/fhir-infusion/StructureDefinition"
_PROFILES: Final = {"MedicationRequest": "infusion-order", "MedicationAdministration": "infusion-administration"}
"""What everything that we send obeys (profiles/); R4B has the elements concerned as R4 has them."""


_SUBSCRIBING: Final = (
    "Channel rest-hook. The endpoint is https and of the public network, or a host that the service is set up for;"
    " the values of headers are not shown again. Read in the release that it was made in. Events keep their number when"
    " they are sent again. A change that its release cannot say is told of without the resource. What it was before is"
    " not kept: there is no vread and no history."
)


def _subscription(release: Release) -> dict[str, Any]:
    backported = {"supportedProfile": [f"{BACKPORT}/backport-subscription"]} if release != "R5" else {}
    topics = [{"url": f"{BACKPORT}/{_OFFERS}", "valueCanonical": one.url} for one in TOPICS]
    names = subscription.PARAMETERS if release != "R5" else [one for one in subscription.PARAMETERS if one != _CRITERIA]
    return {
        **({} if release == "R5" else {"extension": topics}),
        "type": subscription.TYPE,
        **backported,
        "documentation": _SUBSCRIBING,
        "interaction": [{"code": code} for code in ("read", "create", "update", "delete", "search-type")],
        "versioning": "versioned",
        "updateCreate": False,
        "conditionalCreate": True,
        "searchParam": [{"name": one, "type": "uri" if one in _URIS else "token"} for one in names],
        "operation": [{"name": name, "definition": f"{_SUBSCRIPTION_OPERATIONS[release]}{name}"} for name in _ASKED],
    }


_CRITERIA: Final = "criteria"
_URIS: Final = (_CRITERIA, "topic", "url")
_OFFERS: Final = "capabilitystatement-subscriptiontopic-canonical"
_ASKED: Final = ("status", "events")
_BACKPORTED: Final = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-"
_SUBSCRIPTION_OPERATIONS: Final = {"R4": _BACKPORTED, "R4B": _BACKPORTED, "R5": f"{_OPERATIONS}/Subscription-"}


def _topic(release: Release) -> dict[str, Any]:
    name = topic.TYPES[release]
    own = {"name": "code", "type": "token"} if name == topic.BASIC else {"name": "url", "type": "uri"}
    return {
        "type": name,
        "documentation": "The topics that can be subscribed to.",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [{"name": "_id", "type": "token"}, own],
    }


def _definition(name: str, release: Release) -> dict[str, Any]:
    operations = [{"name": code, "definition": f"{_OURS}/{id_}"} for code, id_ in _of_definitions(name, release)]
    return {
        "type": name,
        "documentation": "Our own definitions, which the canonical addresses lead to that we name.",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [{"name": one, "type": kind} for one, kind in definition.PARAMETERS.items()],
        **({"operation": operations} if operations else {}),
    }


def _of_definitions(name: str, release: Release) -> list[tuple[str, str]]:
    if name == definition.CONCEPT_MAP:
        return [("translate", f"concept-map-translate-{'r5' if release == 'R5' else 'r4'}")]
    return [("transform", "structure-map-transform")] if name == definition.STRUCTURE_MAP else []


def _operations(name: str) -> list[dict[str, str]]:
    everything = [{"name": "everything", "definition": f"{_OURS}/patient-everything"}]
    merge = {"name": "merge", "definition": f"{_OURS}/patient-merge"}
    validate = {"name": "validate", "definition": f"{_OURS}/validate"}
    return [validate, *((*everything, merge) if name == "Patient" else ())]


def _resource(name: str, release: Release) -> dict[str, Any]:
    found = [{"name": parameter, "type": kind} for parameter, kind in _OF_EVERY_TYPE]
    found += [_parameter(one, release) for one in fhir_search.parameters(name, release)]
    profiles = [f"{_DEFINITIONS}/{_PROFILES[name]}-{'r5' if release == 'R5' else 'r4'}"] if name in _PROFILES else []
    return {
        "type": name,
        **({"supportedProfile": profiles} if profiles else {"documentation": _ALONG}),
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned-update" if name == "MedicationRequest" else "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        **({"conditionalPatch": True} if release == "R5" else {}),
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical", "local"],
        "operation": _operations(name),
        "searchInclude": ["*", *(f"{name}:{one}" for one in fhir_search.includes_of(name, release))],
        "searchRevInclude": list(fhir_search.reverse_includes_of(name, release)),
        "searchParam": found,
    }


def _parameter(one: Parameter, release: Release) -> dict[str, Any]:
    """Return what is said of a parameter: its type, and in words the modifiers, prefixes and targets that it takes."""
    words = [f"Modifiers: {', '.join(fhir_search.modifiers(one, release))}."]
    if one.kind in {"date", "quantity"}:
        words.append(f"Prefixes: {', '.join(PREFIXES)}.")
    if one.kind == "reference":
        words.append(f"Refers to {', '.join(one.targets) or 'any type'}; chains go through it.")
    return {"name": one.name, "type": one.type, "documentation": " ".join(words)}
