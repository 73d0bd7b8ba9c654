"""The naive path: the mandatory libraries one after the other, as most projects would do it.

json.loads, marshmallow, dict building by hand, the models of fhir.resources, and out again. Numbers are read as Decimal,
because the record schema takes no float; ``model_dump_json`` loses digits all the same (1.50 becomes 1.5).
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


def to_internal(body: bytes) -> bytes:
    """Translate the JSON text of a MedicationRequest into that of an order."""
    model = MedicationRequest.model_validate(json.loads(body, parse_float=Decimal))
    record = hand_in.to_internal(model.model_dump())
    return json.dumps(SCHEMA.dump(record), default=lambda moment: moment.isoformat()).encode()
