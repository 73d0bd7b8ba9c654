"""Each invariant holds of what the standard allows and of nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_infusion.fhir.invariants import invariants_of
from tests.fhir.kit import UCUM, amount

UNIT = {"unit": "mg"}
EXT = [{"url": "http://x.org/e", "valueString": "a"}]

# type, invariant, what holds, what does not
TWICE = [{"fullUrl": "urn:x"}, {"fullUrl": "urn:x"}]
ASKED: list[dict[str, Any]] = [{"request": {}}]
ANSWERED: list[dict[str, Any]] = [{"response": {}}]

EVERY: list[tuple[str, str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    ("Bundle", "bdl-1", [{"type": "searchset", "total": 1}, {"type": "batch"}], [{"type": "batch", "total": 1}]),
    ("Bundle", "bdl-2", [{"type": "searchset", "entry": [{"search": {}}]}, {"type": "batch", "entry": [{}]}], [{"type": "batch", "entry": [{"search": {}}]}]),
    ("Bundle", "bdl-7", [{"type": "history", "entry": TWICE}, {"type": "batch", "entry": TWICE[:1]}, {"type": "batch", "entry": [TWICE[0], {"fullUrl": "urn:x", "resource": {"meta": {"versionId": "2"}}}]}], [{"type": "batch", "entry": TWICE}]),
    ("Bundle.entry", "bdl-5", [{"resource": {}}, {"request": {}}], [{"fullUrl": "urn:x"}]),
    ("Bundle.entry", "bdl-8", [{"fullUrl": "http://x/Patient/1"}, {}], [{"fullUrl": "http://x/Patient/1/_history/2"}]),
    ("Quantity", "qty-3", [{"code": "mg", "system": UCUM}, UNIT, {"code": "mg", "_system": {}}], [{"code": "mg"}]),
    ("SimpleQuantity", "qty-3", [UNIT], [{"code": "mg"}]),
    ("Duration", "drt-1", [{"value": 1, "unit": "h"}, amount(1, "h")], [{"code": "h", "system": UCUM}, {"value": 1, "code": "h", "system": "x"}]),
    ("Age", "age-1", [amount(1, "a"), {"_value": {}, "code": "a"}], [{"value": 1}, amount(0, "a"), {"value": 1, "code": "a", "system": "x"}]),
    ("Count", "cnt-3", [amount(5, "1"), {"code": "1"}], [{"value": 5}, amount(5, "mg"), amount(Decimal("1.5"), "1")]),
    ("Distance", "dis-1", [amount(5, "m")], [{"value": 5}]),
    ("Ratio", "rat-1", [{"numerator": UNIT, "denominator": UNIT}, {"extension": EXT}], [{"numerator": UNIT}, {"denominator": UNIT}, {"id": "x"}]),
    ("RatioRange", "ratrng-1", [{"lowNumerator": UNIT, "denominator": UNIT}, {"extension": EXT}], [{"highNumerator": UNIT}, {"denominator": UNIT}]),
    ("RatioRange", "ratrng-2", [{"lowNumerator": amount(1), "highNumerator": amount(1)}], [{"lowNumerator": amount(2), "highNumerator": amount(1)}]),
    (
        "Range",
        "rng-2",
        [
            {"low": amount(1), "high": amount(1)},
            {"low": amount(2)},
            {"low": amount(2, "g"), "high": amount(1, "kg")},
            {"low": {"value": 2, "unit": "g"}, "high": {"value": 1, "unit": "kg"}},
            {"low": UNIT, "high": amount(1)},
            {"low": {"unit": "mg"}, "high": {"unit": "mg", "value": 1}},
        ],
        [
            {"low": amount(2), "high": amount(1)},
            {"low": {"value": 2}, "high": {"value": 1}},
            {"low": amount(2, "g"), "high": amount(1500, "mg")},
        ],
    ),
    (
        "Period",
        "per-1",
        [
            {"start": "2024"},
            {"end": "2024"},
            {"start": "2024-05", "end": "2024-05"},
            {"start": "2024-05-02", "end": "2024-05"},
            {"start": "2024", "end": "2024-01-01"},
            {"start": "2024-05-01T10:00:00+02:00", "end": "2024-05-01T08:00:00Z"},
            {"start": "2024-05-01T10:00:00.1Z", "end": "2024-05-01T10:00:00.10Z"},
            {"start": "2024-05-01T10:00:00Z", "end": "2024-05-01"},
        ],
        [
            {"start": "2024-06", "end": "2024-04-28"},
            {"start": "2025", "end": "2023"},
            {"start": "2024-05-01T10:00:00+02:00", "end": "2024-05-01T07:59:59Z"},
            {"start": "2024-05-01T10:00:00.11Z", "end": "2024-05-01T10:00:00.1Z"},
        ],
    ),
    ("Timing.repeat", "tim-1", [{"duration": 1, "durationUnit": "h"}, {"count": 1}], [{"duration": 1}]),
    ("Timing.repeat", "tim-2", [{"period": 1, "periodUnit": "h"}], [{"period": 1}]),
    ("Timing.repeat", "tim-4", [{"duration": 0}], [{"duration": -1}]),
    ("Timing.repeat", "tim-5", [{"period": 0}], [{"period": Decimal("-0.1")}]),
    ("Timing.repeat", "tim-6", [{"periodMax": 1, "period": 1}], [{"periodMax": 1}]),
    ("Timing.repeat", "tim-7", [{"durationMax": 1, "_duration": {}}], [{"durationMax": 1}]),
    ("Timing.repeat", "tim-8", [{"countMax": 1, "count": 1}], [{"countMax": 1}]),
    ("Timing.repeat", "tim-9", [{"offset": 1, "when": ["ACM"]}, {"when": ["C"]}], [{"offset": 1}, {"offset": 1, "when": ["ACM", "CV"]}]),
    ("Timing.repeat", "tim-10", [{"when": ["HS"]}, {"timeOfDay": ["10:00:00"]}], [{"when": ["HS"], "timeOfDay": ["10:00:00"]}]),
    ("Extension", "ext-1", [{"valueString": "a"}, {"extension": EXT}, {"_valueString": {}}], [{"url": "x"}, {"valueString": "a", "extension": EXT}]),
    ("ContactPoint", "cpt-2", [{"value": "1", "system": "phone"}, {"use": "home"}], [{"value": "1"}]),
    ("Attachment", "att-1", [{"data": "YWJj", "contentType": "a/b"}], [{"data": "YWJj"}]),
    ("Expression", "exp-1", [{"expression": "x"}, {"reference": "x"}], [{"language": "x"}]),
    ("Organization", "org-1", [{"name": "x"}, {"identifier": [{"value": "1"}]}], [{"active": True}]),
    ("Patient.contact", "pat-1", [{"name": {"text": "x"}}], [{"gender": "male"}]),
    ("Condition.stage", "con-1", [{"summary": {"text": "x"}}], [{"type": {"text": "x"}}]),
    ("Observation", "obs-6", [{"valueString": "x"}, {"dataAbsentReason": {"text": "x"}}], [{"valueString": "x", "dataAbsentReason": {"text": "x"}}]),
    (
        "Observation",
        "obs-7",
        [
            {"valueString": "x", "code": {"coding": [{"code": "a"}]}, "component": [{"code": {"coding": [{"code": "b"}]}}]},
            {"code": {"coding": [{"code": "a"}]}, "component": [{"code": {"coding": [{"code": "a"}]}}]},
            {"valueString": "x"},
        ],
        [{"_valueString": {}, "code": {"coding": [{"code": "a"}]}, "component": [{"code": {"coding": [{"code": "a"}]}}]}],
    ),
    ("Observation.referenceRange", "obs-3", [{"text": "x"}], [{"type": {"text": "x"}}]),
]  # fmt: skip
R4: list[tuple[str, str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    ("MedicationAdministration.dosage", "mad-1", [{"dose": UNIT}, {"rateRatio": {}}, {"rateQuantity": UNIT}], [{"text": "x"}, {"ratex": 1}, {"route": {}}]),
    ("Bundle", "bdl-3", [{"type": "batch", "entry": ASKED}, {"type": "collection", "entry": ANSWERED}], [{"type": "batch", "entry": [{}]}, {"type": "searchset", "entry": ASKED}]),
    ("Bundle", "bdl-4", [{"type": "batch-response", "entry": ANSWERED}, {"type": "batch", "entry": ASKED}], [{"type": "history", "entry": ASKED}, {"type": "searchset", "entry": ANSWERED}]),
    ("Condition.evidence", "con-2", [{"detail": [{}]}], [{"id": "x"}]),
    ("Period", "per-1", [], [{"start": "2024-05-02", "end": "2024-05-01"}]),
]  # fmt: skip
R5: list[tuple[str, str, list[dict[str, Any]], list[dict[str, Any]]]] = [
    ("MedicationAdministration.dosage", "mad-1", [{"text": "x"}, {"dose": UNIT}, {"rateQuantity": UNIT}], [{"route": {}}]),
    ("Dosage", "dos-1", [{"asNeededFor": [{}]}, {"asNeededFor": [{}], "asNeeded": True}, {"asNeeded": False}], [{"asNeededFor": [{}], "asNeeded": False}]),
    ("Reference", "ref-2", [{"display": "x"}, {"extension": EXT}], [{"type": "Patient"}]),
    ("SampledData", "sdd-1", [{"interval": 1}, {"offsets": "1 2"}], [{"interval": 1, "offsets": "1"}, {"data": "1"}]),
    ("Encounter.participant", "enc-1", [{"actor": {}}], [{"period": {}}]),
    ("Observation", "obs-8", [{"bodySite": {}}], [{"bodySite": {}, "bodyStructure": {}}]),
    # A day may lie anywhere between the first zone's midnight and the last one's.
    ("Period", "per-1", [{"start": "2024-05-02", "end": "2024-05-01"}], [{"start": "2024-05-04", "end": "2024-05-01"}]),
]  # fmt: skip


def holds(release: str, type_name: str, rule: str, node: dict[str, Any]) -> bool:
    found = [invariant for invariant in invariants_of(release, type_name) if invariant.rule == rule]
    assert found
    return all(invariant.holds(node) for invariant in found)


CASES = [
    (release, *case)
    for releases, cases in ((("R4", "R4B", "R5"), EVERY), (("R4", "R4B"), R4), (("R5",), R5))
    for release in releases
    for case in cases
]


@pytest.mark.parametrize(("release", "type_name", "rule", "right", "wrong"), CASES)
def test_an_invariant_holds_of_what_is_right_and_not_of_what_is_wrong(release, type_name, rule, right, wrong):
    assert [node for node in right if not holds(release, type_name, rule, node)] == []
    assert [node for node in wrong if holds(release, type_name, rule, node)] == []


def test_a_type_without_invariants_has_none():
    assert invariants_of("R4", "Coding") == ()
    assert invariants_of("R4", "Dosage") == ()
