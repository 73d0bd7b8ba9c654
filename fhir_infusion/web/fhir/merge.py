"""``Patient/$merge``: https://hl7.org/fhir/R5/patient-operation-merge.html.

With ``preview`` it says what would follow, to anybody; without, it is for operators. The answer is Parameters: the
input, an OperationOutcome, the surviving Patient, and a reference to each order and administration that follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import merge_patients
from fhir_infusion.actions.merge_patients import Asked, Merged, Named
from fhir_infusion.errors import Issue
from fhir_infusion.web import problems
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.fhir import inputs
from fhir_infusion.web.fhir.common import release_of
from fhir_infusion.web.fhir.criteria import refuse_query
from fhir_infusion.web.idempotency import with_key
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.refusals import refusal
from fhir_infusion.web.replies import fhir_reply
from fhir_infusion.web.security import refuse_unless_operator

if TYPE_CHECKING:
    from flask import Response

Json = dict[str, Any]
INPUTS: Final = {
    "source-patient": "valueReference",
    "source-patient-identifier": "valueIdentifier",
    "target-patient": "valueReference",
    "target-patient-identifier": "valueIdentifier",
    "result-patient": inputs.RESOURCE,
    "preview": "valueBoolean",
}
_MANY: Final = ("source-patient-identifier", "target-patient-identifier")


def post(release: str) -> Response:
    """Merge two patients, or say what that would do."""
    served = release_of(release)
    check_accept(request, served)
    refuse_query(request)
    body = read_object(request, served)
    given = _given(body)
    is_preview = bool(given["preview"]) and given["preview"][0] is True
    asked = Asked(_named(given, "source"), _named(given, "target"), next(iter(given["result-patient"]), None))
    if not is_preview:
        refuse_unless_operator(caller())
    asking = with_key(caller(), request, body)
    done = (merge_patients.preview if is_preview else merge_patients.merge)(web().service, asking, served, asked)
    return fhir_reply(_told(body, done, is_preview=is_preview), served)


def _given(parameters: Json) -> dict[str, list[Any]]:
    """Return the values of each parameter."""
    given = inputs.read(parameters, INPUTS, _MANY)
    if given["result-patient"] and given["result-patient"][0].get("resourceType") != "Patient":
        raise refusal(400, "structure", "the result is no Patient", path="Parameters", accepted="a Patient")
    return given


def _named(given: dict[str, list[Any]], side: str) -> Named:
    name = f"{side}-patient"
    references, identifiers = given[name], given[f"{name}-identifier"]
    if not references and not identifiers:
        accepted = f"{name} or {name}-identifier"
        raise refusal(400, "required", "it does not say which patient is meant", path="Parameters", accepted=accepted)
    keys = [(one.get("system"), one.get("value")) for one in identifiers]
    if not all(isinstance(part, str) and part for key in keys for part in key):
        reason = "an identifier without system or value names nobody"
        raise refusal(400, "value", reason, path="Parameters", accepted="both of them")
    reference = references[0].get("reference") if references else ""
    if references and (not isinstance(reference, str) or not reference.startswith("Patient/")):
        raise refusal(400, "value", "it names no patient of this server", path="Parameters", accepted="Patient/[id]")
    return Named(str(reference), tuple((str(system), str(value)) for system, value in keys))


def _told(asked: Json, done: Merged, *, is_preview: bool) -> Json:
    words = "would follow" if is_preview else "follow"
    reason = f"{len(done.moved)} open orders and administrations {words} to the patient that stays"
    told = (*done.findings, Issue("information", "informational", "", reason))
    name = "would-move" if is_preview else "moved"
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "input", "resource": asked},
            {"name": "outcome", "resource": problems.outcome(told)},
            {"name": "result", "resource": done.target},
            *({"name": name, "valueReference": {"reference": one}} for one in done.moved),
        ],
    }
