"""The naive path: the mandatory libraries one after the other, as most projects would do it.

json.loads, marshmallow, dict building by hand, the models of fhir.resources, and out again. Numbers are read as Decimal,
because the record schema takes no float; ``model_dump_json`` loses digits all the same (1.50 becomes 1.5).

Ours checks the record on both ways, so these do it as well; the ways that leave the record unchecked are timed beside
them, to tell what that costs.
"""

from __future__ import annotations

import json
from decimal import Decimal

from fhir.resources.R4B.medicationrequest import MedicationRequest

from fhir_infusion.records import schemas
from tests.bench import hand_in, hand_out

SCHEMA = schemas.order_schema()


def to_fhir(body: bytes) -> bytes:
    """Translate the JSON text of an order into that of a MedicationRequest."""
    order = SCHEMA.load(json.loads(body, parse_float=Decimal))
    resource = hand_out.to_fhir(schemas.dump(order))
    model = MedicationRequest.model_validate(resource)
    text: str = model.model_dump_json()
    return text.encode()


def to_fhir_unchecked(body: bytes) -> bytes:
    """Translate as ``to_fhir`` does, with the record taken as it comes."""
    model = MedicationRequest.model_validate(hand_out.to_fhir(json.loads(body, parse_float=Decimal)))
    text: str = model.model_dump_json()
    return text.encode()


def to_internal(body: bytes) -> bytes:
    """Translate the JSON text of a MedicationRequest into that of an order."""
    model = MedicationRequest.model_validate(json.loads(body, parse_float=Decimal))
    # By way of its text: what ``model_dump`` gives has dates and floats, which the record schema refuses.
    record = hand_in.to_internal(json.loads(model.model_dump_json(), parse_float=Decimal))
    return json.dumps(SCHEMA.dump(SCHEMA.load(record)), default=float).encode()


def to_internal_unchecked(body: bytes) -> bytes:
    """Translate as ``to_internal`` does, with whatever record comes of it."""
    model = MedicationRequest.model_validate(json.loads(body, parse_float=Decimal))
    record = hand_in.to_internal(model.model_dump())
    return json.dumps(SCHEMA.dump(record), default=lambda moment: moment.isoformat()).encode()
