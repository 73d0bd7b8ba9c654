"""What the interactions share: the release and type of the path, our base address, a stored version as a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions.referred import unresolved
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir import shape
from fhir_infusion.fhir.primitives import ID
from fhir_infusion.fhir.served import SERVED
from fhir_infusion.web import problems
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, home_url, web
from fhir_infusion.web.negotiation import etag, is_unchanged, preferences
from fhir_infusion.web.parameters import stated
from fhir_infusion.web.refusals import parameter_refusal, refusal
from fhir_infusion.web.replies import fhir_reply, unchanged_reply, version_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from fhir_infusion.actions.find import Found
    from fhir_infusion.actions.transact import Outcome
    from fhir_infusion.config import Release

RELEASES: Final[Mapping[str, Release]] = {"r4": "R4", "r4b": "R4B", "r5": "R5"}


def release_of(segment: str) -> Release:
    """Return the release that a path names. Raises ``Refused`` (404)."""
    found = RELEASES.get(segment)
    if found is None:
        accepted = ", ".join(f"/fhir/{name}" for name in RELEASES)
        raise refusal(404, "not-found", "no FHIR release is served at this address", accepted=accepted)
    return found


def known_type(name: str) -> str:
    """Return the type that a path names. Raises ``Refused`` (404) where it is not served."""
    if name not in SERVED:
        raise refusal(404, "not-supported", "this type of resource is not served", accepted=", ".join(SERVED))
    return name


def base_url(release: Release) -> str:
    """Return our base address of a release, as the client reaches us."""
    return f"{home_url()}/fhir/{release.lower()}"


def asked_shape(release: Release, known: str) -> shape.Shape:
    """Return how much of one resource is asked for: https://hl7.org/fhir/R4/search.html#summary holds for a read, too.

    Raises:
        Refused: 400, it is not offered, or not of one resource.
    """
    asked = [pair for pair in stated(request) if pair[0] in shape.PARAMETERS]
    found = shape.parse(known, release, asked)
    if found.summary == "count":
        raise parameter_refusal("_summary", "one resource is not counted", "true, text, data, false")
    return found


def version_reply(found: Found, release: Release) -> Response:
    """Return a version to a reader: 304 where the reader has it, else its text, or as much of it as is asked for."""
    wanted = asked_shape(release, found.type)
    if is_unchanged(request, etag(found.version), found.last_updated):
        return unchanged_reply(found.version)
    headers = version_headers(found.version, found.last_updated)
    return fhir_reply(shaped(found.text, release, wanted), release, headers=headers)


def shaped(text: str, release: Release, wanted: shape.Shape) -> bytes:
    """Return the text of a resource: as it is stored, every digit of it, or what of it is asked for."""
    if wanted.is_whole:
        return text.encode()
    return fhir_json.write(shape.shaped(fhir_json.read(text), release, wanted))


def written_reply(written: Outcome, release: Release) -> Response:
    """Return the answer to a write, with the body that ``Prefer`` asks for; the resource where it asks for none."""
    # https://hl7.org/fhir/http.html#create: Location names the version.
    location = f"{base_url(release)}/{written.type}/{written.id}/_history/{written.version}"
    headers = version_headers(written.version, written.last_updated, location)
    status = 201 if written.created else 200
    match preferences(request).body if written.text else "OperationOutcome":
        case "minimal":
            return fhir_reply(None, release, status, headers)
        case "OperationOutcome":
            resource = fhir_json.read(written.text) if written.text else {}
            told = (*written.findings, *unresolved(web().service, caller(), resource))
            return fhir_reply(problems.outcome(told or (problems.ALL_OK,)), release, status, headers)
        case _:
            return fhir_reply(written.text.encode(), release, status, headers)


def read_resource(release: Release, known: str) -> dict[str, Any]:
    """Return the resource in the body, of the type that the address names, its references to us as they are kept.

    Raises:
        Refused: as ``read_object``; 400 it is of another type.
    """
    resource = read_object(request, release, home=home_url())
    check_type(resource, known)
    return resource


def check_type(resource: Mapping[str, object], known: str) -> None:
    """Refuse (400) a body of another type than the address."""
    if resource.get("resourceType") != known:
        reason = "the resource is not of the type that the address names"
        raise refusal(400, "structure", reason, path="resourceType", accepted=known)


def check_id(text: str) -> None:
    """Refuse (400) what no resource can be named by in an address; whoever resolves one climbs at ``..``."""
    if not ID.fullmatch(text) or text in {".", ".."}:
        raise refusal(400, "value", "the address names no id", accepted="1 to 64 letters, digits, '-' and '.'")
