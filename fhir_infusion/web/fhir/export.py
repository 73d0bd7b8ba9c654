"""``$export`` of everything: https://hl7.org/fhir/uv/bulkdata/export.html#bulk-data-kick-off-request.

Asked with ``Prefer: respond-async``; ``Content-Location`` names the address of the status, which answers with the
manifest at once: its files are made while they are fetched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import Response, request, stream_with_context

from fhir_infusion.actions import export as exporting
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.dates import stretch
from fhir_infusion.fhir.served import SERVED
from fhir_infusion.store.tx import instant
from fhir_infusion.web import problems
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.fhir import inputs
from fhir_infusion.web.fhir.common import base_url, release_of
from fhir_infusion.web.negotiation import check_accept, preferences
from fhir_infusion.web.parameters import stated
from fhir_infusion.web.refusals import header_refusal, not_found, parameter_refusal
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fhir_infusion.errors import Issue
    from fhir_infusion.web.parameters import Parameters

NDJSON: Final = "application/fhir+ndjson"
_FORMATS: Final = (NDJSON, "application/ndjson", "ndjson")
PARAMETERS: Final = ("_type", "_since", "_outputFormat")
_ERRORS: Final = "errors"
_DELETED: Final = "deleted-"


def get(release: str) -> Response:
    """Begin an export, asked for by an address."""
    return _begin(release, [])


def post(release: str) -> Response:
    """Begin an export, asked for by Parameters."""
    return _begin(release, inputs.texts(read_object(request, release_of(release)), PARAMETERS, ("_type",)))


def status(release: str, export_id: str) -> Response:
    """Answer with the manifest."""
    served = release_of(release)
    found = exporting.contents(web().service, caller(), export_id)
    if found.export.release != served:
        raise not_found("export", "the address that the answer to $export names, in its release")
    here = f"{base_url(served)}/$export-file/{export_id}"
    body: dict[str, Any] = {
        "transactionTime": instant(found.export.moment),
        "request": found.export.request,
        "requiresAccessToken": web().gate.tokens is not None,
        "output": [{"type": one, "url": f"{here}/{one}"} for one in found.types],
        "deleted": [{"type": "Bundle", "url": f"{here}/{_DELETED}{one}"} for one in found.deleted],
        "error": [{"type": "OperationOutcome", "url": f"{here}/{_ERRORS}"}] if found.foreign else [],
    }
    return json_reply(body)


def cancel(release: str, export_id: str) -> Response:
    """Forget an export; what was fetched stays with who has it."""
    release_of(release)
    exporting.cancel(web().service, caller(), export_id)
    return _later({})


def file(release: str, export_id: str, name: str) -> Response:
    """Stream one file of an export."""
    release_of(release)
    service, who = web().service, caller()
    if name == _ERRORS:
        return _streamed(exporting.errors(service, who, export_id, _outcome))
    type_ = name.removeprefix(_DELETED)
    if type_ not in SERVED:
        raise not_found("file", "an address that the manifest of the export lists")
    making = exporting.deletions if name.startswith(_DELETED) else exporting.lines
    return _streamed(making(service, who, export_id, type_))


def _begin(release: str, in_body: Parameters) -> Response:
    served = release_of(release)
    check_accept(request, served)
    if not preferences(request).is_async:
        accepted = "Prefer: respond-async"
        raise header_refusal(400, "required", "Prefer", "an export is answered later", accepted)
    asked = _understood([*stated(request), *in_body])
    # Each once, however often it is named: who fetches a file twice would count each dose twice.
    types = list(dict.fromkeys(one for name, value in asked if name == "_type" for one in value.split(",")))
    unknown = [one for one in types if one not in SERVED]
    if unknown:
        raise parameter_refusal("_type", "it names a type that is not served", ", ".join(SERVED))
    export = exporting.begin(web().service, caller(), served, request.url, types, _since(asked))
    address = f"{base_url(served)}/$export-status/{export.export_id}"
    return _later({"Content-Location": address})


def _later(headers: Mapping[str, str]) -> Response:
    """Return a 202, which has no body and so no media type: Flask's own would be HTML."""
    response = Response(status=202, headers=headers)
    del response.headers["Content-Type"]
    return response


def _understood(asked: Parameters) -> Parameters:
    for name, value in asked:
        if name == "_outputFormat" and value.replace(" ", "+") not in _FORMATS:
            raise parameter_refusal(name, "the format is not offered", NDJSON)
        if name not in PARAMETERS and name != "_format" and not preferences(request).lenient:
            raise parameter_refusal("", "there is no such parameter", ", ".join(PARAMETERS), "not-supported")
    return [pair for pair in asked if pair[0] in PARAMETERS]


def _since(asked: Parameters) -> int:
    named = [value for name, value in asked if name == "_since"]
    if not named:
        return 0
    covered = stretch(named[0]) if len(named) == 1 and "T" in named[0] else None
    if covered is None:
        raise parameter_refusal("_since", "it is not one instant", "an instant such as 2026-01-01T00:00:00Z")
    return covered.start


def _outcome(issues: Sequence[Issue]) -> str:
    return fhir_json.write(problems.outcome(issues)).decode()


def _streamed(lines: Iterable[str]) -> Response:
    return Response(stream_with_context(f"{line}\n" for line in lines), content_type=NDJSON)
