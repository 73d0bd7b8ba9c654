"""``$validate``: https://hl7.org/fhir/R4/resource-operation-validate.html.

On a type with the resource in the body, alone or in Parameters; on an instance also without one: then what is stored is
judged. The modes ``update``, ``delete`` and ``profile`` are asked of an instance
(https://hl7.org/fhir/R4/valueset-resource-validation-mode.html). The answer is an OperationOutcome, 200 whatever it
finds: the question was understood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import find, validate_resource
from fhir_infusion.errors import Issue
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web import problems
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.fhir import inputs, pages
from fhir_infusion.web.fhir.common import known_type, release_of
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.parameters import stated
from fhir_infusion.web.refusals import parameter_refusal, refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from flask import Response

    from fhir_infusion.config import Release

Json = dict[str, Any]
_IN_ADDRESS: Final = ("mode", "profile")
_INPUTS: Final = {"resource": inputs.RESOURCE, **dict.fromkeys(_IN_ADDRESS, inputs.TEXT)}


def post(release: str, fhir_type: str, resource_id: str = "") -> Response:
    """Judge the resource in the body."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    asked = _asked()
    is_empty = not request.content_length and "Transfer-Encoding" not in request.headers
    body: Json | None = None if is_empty and _needs_none(asked) else read_object(request, served)
    if body is not None and body.get("resourceType") == "Parameters":
        body, in_body = _parameters(body)
        asked = {**asked, **in_body}
    return _answer(served, known, resource_id, body, asked)


def get(release: str, fhir_type: str, resource_id: str) -> Response:
    """Judge what is stored."""
    served = release_of(release)
    known = known_type(fhir_type)
    check_accept(request, served)
    asked = _asked()
    stored = None if _needs_none(asked) else _stored(served, known, resource_id)
    return _answer(served, known, resource_id, stored, asked)


def _needs_none(asked: dict[str, str]) -> bool:
    return asked.get("mode") in {"delete", "profile"}


def _stored(release: Release, known: str, resource_id: str) -> Json:
    return fhir_json.read(find.read(web().service, caller(), release, known, resource_id).text)


def _answer(release: Release, known: str, resource_id: str, resource: Json | None, asked: dict[str, str]) -> Response:
    mode = asked.get("mode", "")
    if mode and mode not in validate_resource.MODES:
        raise parameter_refusal("mode", "there is no such mode", ", ".join(validate_resource.MODES))
    if mode in validate_resource.OF_AN_INSTANCE and not resource_id:
        accepted = "an address with an id, or the mode create"
        raise parameter_refusal("mode", "this mode asks of a resource that the address names", accepted)
    if mode == "profile":
        if resource is not None or "profile" not in asked:
            accepted = "the parameter `profile`, and no resource beside it"
            raise parameter_refusal("mode", "this mode asks what is stored against a profile that is named", accepted)
        resource = _stored(release, known, resource_id)
    if resource is None and mode == "delete":
        return _told(validate_resource.of_deletion(web().service, caller(), known, resource_id), release)
    if resource is None:
        raise refusal(400, "required", "the resource is missing", path="Parameters", accepted="a parameter `resource`")
    if resource.get("resourceType") != known:
        reason = "the resource is not of the type that the address names"
        issues: tuple[Issue, ...] = (Issue("error", "structure", "resourceType", reason, known),)
    else:
        profile = asked.get("profile", "")
        issues = validate_resource.issues(web().service, caller(), release, resource, mode, resource_id, profile)
    return _told(issues, release)


def _told(issues: tuple[Issue, ...], release: Release) -> Response:
    return fhir_reply(problems.outcome(issues[: problems.MOST_ISSUES] or (problems.ALL_OK,)), release)


def _asked() -> dict[str, str]:
    # What is misspelled is refused: a resource that no profile was asked of would pass for one that keeps it.
    given = [pair for pair in stated(request) if pair[0] not in pages.SHAPING]
    return dict(inputs.stated(given, _IN_ADDRESS))


def _parameters(parameters: Json) -> tuple[Json | None, dict[str, str]]:
    """Return the resource, mode and profile that Parameters hold."""
    found = inputs.read(parameters, _INPUTS)
    return next(iter(found["resource"]), None), {name: found[name][0] for name in _IN_ADDRESS if found[name]}
