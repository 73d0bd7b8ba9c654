"""``$convert-data``, as Microsoft's FHIR server has it: a record of ours, or a site's own JSON, becomes FHIR.

https://github.com/microsoft/fhir-server/blob/main/docs/ConvertDataOperation.md. ``inputDataType`` is ``Json``,
``templateCollectionReference`` names our mappings with the overlay as its tag, ``rootTemplate`` the kind of record, or
the site's format. The answer is a transaction, to be posted as it is; nothing is stored here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import bundles
from fhir_infusion.actions.formats import Asked, by_format
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.translator import FHIR_TYPE
from fhir_infusion.web.bodies import read_object
from fhir_infusion.web.context import web
from fhir_infusion.web.fhir import inputs
from fhir_infusion.web.fhir.common import release_of
from fhir_infusion.web.fhir.criteria import refuse_query
from fhir_infusion.web.negotiation import check_accept
from fhir_infusion.web.refusals import refusal
from fhir_infusion.web.replies import fhir_reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Response

    from fhir_infusion.errors import Refused

Json = dict[str, Any]

DATA: Final = "inputData"
TYPE: Final = "inputDataType"
TEMPLATES: Final = "templateCollectionReference"
ROOT: Final = "rootTemplate"
_DATES: Final = "jsonDeserializationTreatDatesAsStrings"
INPUTS: Final[Mapping[str, str]] = {**dict.fromkeys((DATA, TYPE, TEMPLATES, ROOT), inputs.TEXT), _DATES: "valueBoolean"}
"""The inputs with their kinds. Dates are never changed here, whatever is asked of them."""
COLLECTION: Final = "fhir-infusion/mappings"
DEFAULT: Final = "default"
"""The tag of the mappings as this service is set up."""


def post(release: str) -> Response:
    """Answer with the Bundle that a record becomes."""
    served = release_of(release)
    check_accept(request, served)
    refuse_query(request)
    given = inputs.read(read_object(request, served), INPUTS)
    translator = web().service.translator
    _one_of(given, TYPE, ("Json",))
    formats = tuple(sorted(translator.library.formats))
    root = _one_of(given, ROOT, (*FHIR_TYPE, *formats))
    collections = {f"{COLLECTION}:{tag}": tag for tag in (DEFAULT, *sorted(translator.overlays))}
    tag = collections[_one_of(given, TEMPLATES, tuple(collections))]
    overlay = None if tag == DEFAULT else tag
    text = _text(given, DATA, "a record, or what a site says, as JSON text")
    if root in formats:
        said = inputs.parsed(read_plain, text, _at(DATA))
        results, _ = by_format(translator, Asked(root, "fhir", served, overlay), said)
    else:
        record = {"record": root, **inputs.parsed(fhir_json.read, text, _at(DATA))}
        if record["record"] != root:
            raise _refused(ROOT, "the record says that it is another kind", "the kind that the record names")
        results = translator.to_fhir(record, served, overlay).results
    return fhir_reply(bundles.transaction(results), served)


def _text(given: Mapping[str, Sequence[str]], name: str, accepted: str) -> str:
    if not given[name]:
        raise _refused(name, "it is missing", accepted, "required")
    return given[name][0]


def _one_of(given: Mapping[str, Sequence[str]], name: str, accepted: Sequence[str]) -> str:
    """Return the value of a parameter; case does not matter, as it does not to Microsoft's server."""
    value = _text(given, name, ", ".join(accepted)).lower()
    found = next((one for one in accepted if one.lower() == value), None)
    if found is None:
        raise _refused(name, "this is not offered", ", ".join(accepted))
    return found


def _refused(name: str, reason: str, accepted: str, code: str = "not-supported") -> Refused:
    return refusal(400, code, reason, path=_at(name), accepted=accepted)


def _at(name: str) -> str:
    return f"Parameters.parameter.where(name='{name}')"
