"""Resources that are wrong in one place each, with the status and issue code that each is refused with (2.4).

They are R4; ``tests/web/bad_ways.py`` says them in the other releases and sends them on every way there is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from tests.fhir.kit import GONE, XHTML, changed, containing, given, order

Row = tuple[str, dict[str, Any], int, str]

CANARY: Final = "JaneQPatient"
EXT: Final = {"url": "http://x.org/e", "valueString": CANARY}
DOSE: Final = "dosageInstruction/0/doseAndRate/0/doseQuantity"


def narrative(inside: str, more: str = "") -> dict[str, str]:
    return {"status": "generated", "div": f"<div {XHTML}{more}>{inside}</div>"}


RESOURCES: Final[list[Row]] = [
    ("resourceType missing", changed(order(), "resourceType", GONE), 400, "structure"),
    ("resourceType unknown", order(resourceType="JaneQPatient"), 400, "structure"),
    ("unknown element", order(infusionRate="JaneQPatient"), 400, "structure"),
    ("element named like a patient", changed(order(), "Jane Q. Patient", 1), 400, "structure"),
    ("array-wrapped scalar", order(status=["active"]), 400, "structure"),
    ("scalar for an array", order(note={"text": "JaneQPatient"}), 400, "structure"),
    ("nested array", order(note=[[{"text": "JaneQPatient"}]]), 400, "structure"),
    ("empty object", order(subject={}), 400, "structure"),
    ("empty array", order(note=[]), 400, "structure"),
    ("empty string", order(id=""), 400, "structure"),
    ("blank string", order(note=[{"text": "  "}]), 400, "structure"),
    ("contained of unknown type", containing([{"resourceType": "JaneQPatient", "id": "m"}]), 400, "structure"),
    ("string for a decimal", changed(order(), f"{DOSE}/value", "JaneQPatient"), 400, "value"),
    ("string for a boolean", order(doNotPerform="no"), 400, "value"),
    ("number for a boolean", order(doNotPerform=0), 400, "value"),
    ("number for a string", order(note=[{"text": 5}]), 400, "value"),
    ("epoch as a date", order(authoredOn=1700000000), 400, "value"),
    ("null dose", changed(order(), f"{DOSE}/value", None), 400, "value"),
    ("null without a twin", changed(order(), "dosageInstruction/0/timing", {"event": ["2024-05-01", None]}), 400, "value"),
    ("id of 65 characters", order(id="x" * 65), 400, "value"),
    ("id of bad characters", order(id="JaneQPatient_1"), 400, "value"),
    ("dateTime without zone", order(authoredOn="2024-05-01T10:00:00"), 400, "value"),
    ("30 February", order(authoredOn="1980-02-30"), 400, "value"),
    ("code outside a required binding", order(status="JaneQPatient"), 400, "code-invalid"),
    ("two choice types", given(effectiveDateTime="2024-05-01"), 400, "structure"),
    ("two rates", changed(order(), "dosageInstruction/0/doseAndRate/0/rateQuantity", {"value": 1}), 400, "structure"),
    ("missing subject", changed(order(), "subject", GONE), 400, "required"),
    ("missing status", changed(order(), "status", GONE), 400, "required"),
    ("modifierExtension at the top", order(modifierExtension=[EXT]), 422, "extension"),
    ("modifierExtension in a dosage", changed(order(), "dosageInstruction/0/modifierExtension", [EXT]), 422, "extension"),
    ("modifierExtension in what is contained", containing([{"resourceType": "Medication", "id": "m", "modifierExtension": [EXT]}]), 422, "extension"),
    ("implicitRules", order(implicitRules="http://JaneQPatient"), 422, "not-supported"),
    ("a prohibition", order(doNotPerform=True), 422, "business-rule"),
    ("comparator in a dose", changed(order(), f"{DOSE}/comparator", "<"), 400, "invariant"),
    ("negative dose", changed(order(), f"{DOSE}/value", Decimal("-0.1")), 422, "value"),
    ("zero dose on something given", changed(given(), "dosage/dose/value", 0), 422, "value"),
    ("n1 script", order(text=narrative("<script>JaneQPatient</script>")), 422, "invariant"),
    ("n1 event handler", order(text=narrative("JaneQPatient", " onload='x()'")), 422, "invariant"),
    ("n1 remote image", order(text=narrative("<img src='http://JaneQPatient'/>")), 422, "invariant"),
    ("n1 data image", order(text=narrative("<img src='data:x'/>")), 422, "invariant"),
    ("javascript reference", order(subject={"reference": "javascript:JaneQPatient"}), 422, "business-rule"),
    ("file reference", order(subject={"reference": "file:///JaneQPatient"}), 422, "business-rule"),
    ("data reference", order(subject={"reference": "data:JaneQPatient"}), 422, "business-rule"),
    ("reference that climbs", order(subject={"reference": "../Patient/JaneQPatient"}), 422, "business-rule"),
    ("NUL", order(note=[{"text": "JaneQPatient\u0000"}]), 400, "value"),
    ("control character", order(note=[{"text": "JaneQPatient\u001b"}]), 400, "value"),
    ("zero-width character in the drug", order(medicationCodeableConcept={"text": "dobu\u200btamine"}), 422, "value"),
    ("bidi character in the unit", changed(order(), f"{DOSE}/unit", "\u202egm"), 422, "value"),
    ("bidi character in the dose text", changed(order(), "dosageInstruction/0/text", "\u20665 mg"), 422, "value"),
]  # fmt: skip
