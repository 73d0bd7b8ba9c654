"""A caller may send residue: it may bring back what no field holds, never what the record does not say."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.records import parts
from tests.counts import count
from tests.golden_write import translator
from tests.laws.kit import SEEDS, TYPES, each_record, lens, places, records

Json = dict[str, Any]

ORDER: Json = {
    "record": "InfusionOrder",
    "order_id": "o-1",
    "status": "active",
    "intent": "order",
    "drug": {"text": "dobutamine"},
    "patient": {"reference": "Patient/1"},
    "steps": [
        {
            "step_id": "s1",
            "dosings": [{"dose": {"value": 5, "unit": "mg"}}],
            "timing": {"days_of_week": ["mon"], "frequency": 1, "period": 1, "period_unit": "d"},
        }
    ],
}


def entry(path: str, value: Any, **more: Any) -> Json:
    return {"release": "R4", "path": path, "value": value, **more}


DOSE = {"doseAndRate": [{"doseQuantity": {"value": 500, "unit": "mg"}}]}


@pytest.mark.parametrize(
    "planted",
    [
        entry("dosageInstruction[]", DOSE),
        entry("dosageInstruction[s1].doseAndRate[]", DOSE["doseAndRate"][0]),
        entry("dosageInstruction[s1].maxDosePerAdministration", {"value": 1, "unit": "mg"}),
        entry("dosageInstruction[s1].timing.repeat.dayOfWeek[]", "tue"),
        entry("dosageInstruction[s1].timing.repeat.count", 3),
        entry("dosageInstruction[s1].timing.event", ["2026-01-01"]),
        entry("subject.identifier", {"value": "another"}),
        entry("subject[]", {"reference": "Patient/2"}),
        entry("status[]", "stopped"),
        entry("doNotPerform", True),  # noqa: FBT003  a value of FHIR
        entry("doNotPerform", False),  # noqa: FBT003  as above
        entry("statusReason", {"text": "another"}),
        entry("medicationCodeableConcept.coding[]", {"system": "http://a.example", "code": "other"}),
        entry("medicationReference", {"reference": "Medication/other"}),
        entry("identifier[]", {"system": "https://a.example", "value": "other"}),
        entry("modifierExtension[]", {"url": "https://a.example/x", "valueBoolean": True}),
        entry("dosageInstruction[s1].modifierExtension", [{"url": "https://a.example/x", "valueBoolean": True}]),
        entry("implicitRules", "https://a.example/rules"),
        entry("note", [{"text": "a remark that the record has no knowledge of"}]),
    ],
    ids=lambda planted: planted["path"],
)
def test_what_the_record_does_not_say_is_not_written_because_residue_says_it(planted: Json):
    with pytest.raises(Refused) as refused:
        translator().to_fhir({**ORDER, "residue": [planted]}, "R4")
    assert {issue.status for issue in refused.value.issues} <= {400, 422}


@pytest.mark.parametrize(
    ("planted", "place"),
    [
        (entry("a[b", 1), "residue[0].path"),
        (entry("a..b", 1), "residue[0].path"),
        (entry("", 1), "residue[0].path"),
        (entry("a]", 1), "residue[0].path"),
        (entry("$texts", {"no": "text"}), "residue[0].value"),
        (entry("extension[*]", "abc"), "residue[0].value"),
        (entry("extension[*]", [{}]), "residue[0].value"),
        (entry("_event[*]", "three"), "residue[0].value"),
        (entry("drug.display~", "text"), "residue[0].value"),
        (entry("_status~", {"extension": []}), "residue[0].value"),
        (entry("dosageInstruction[s1]._text~", {"of": "a", "mark": "text"}), "residue[0].value"),
        (entry("dose~", "text"), "residue[0].value"),
        (entry("contained[]", "text"), "residue[0].value"),
        ({"release": "R4", "path": "note"}, "residue[0].value"),
    ],
    ids=lambda case: case["path"] if isinstance(case, dict) else None,
)
def test_malformed_residue_is_refused_with_its_place(planted: Json, place: str):
    with pytest.raises(Refused) as refused:
        translator().to_fhir({**ORDER, "residue": [planted]}, "R4")
    assert [(issue.path, issue.status) for issue in refused.value.issues] == [(place, 400)]


def test_what_no_field_holds_goes_back():
    unknown = {"url": "https://a.example/x", "valueString": "y"}
    record = {**ORDER, "residue": [entry("extension[]", unknown), entry("dosageInstruction[s1].extension[]", unknown)]}
    (resource,) = translator().to_fhir(record, "R4").results
    assert unknown in resource["extension"]
    assert resource["dosageInstruction"][0]["extension"] == [unknown]


def test_what_has_no_place_is_dropped_and_told():
    done = translator().to_fhir({**ORDER, "residue": [entry("status.x", "stopped")]}, "R4")
    assert done.results == translator().to_fhir(ORDER, "R4").results
    assert [(line.path, line.state) for line in done.exceptions] == [("status.x", "dropped")]


JUNK: tuple[Any, ...] = (
    "", "x", "$texts", "$x", "a[b", "a[]", "status", "status.x", "subject[k]", "dosageInstruction[]", "contained[]", "extension[*]",
    "_status", "_status~", "_status[=1::active]", "id", "text", "meta", 1, True, None, [], {}, [None], ["x"], [{}], {"a": 1}, "R5", "~", "x~", "display~",
)  # fmt: skip


def meddled(record: Json, dice: Random) -> Json:
    """Return a copy with one to three places of its residue, or whole entries, changed."""
    copy = deepcopy(record)
    entries = copy.setdefault("residue", [])
    for _ in range(dice.randrange(3) + 1):
        if not entries or dice.random() < 0.3:
            entries.append(entry(str(dice.choice(JUNK)), dice.choice(JUNK)))
            continue
        path, _ = dice.choice(list(places(entries)))
        holder: Any = entries
        for name in path[:-1]:
            holder = holder[name]
        holder[path[-1]] = deepcopy(dice.choice(JUNK))
    return copy


@each_record
@settings(max_examples=count(500, 10_000))
@given(seed=SEEDS)
def test_whatever_stands_in_residue_is_refused_or_changes_nothing_of_the_record(record_type: str, seed: int):
    dice = Random(seed)
    release = dice.choice(("R4", "R5"))
    here = lens(record_type, release)
    for record in records(record_type, seed):
        try:
            resource = here.write(record).result
            read = here.read(resource).result
        except Refused:
            continue
        try:
            done = translator().to_fhir(meddled(read, dice), release)
        except Refused:
            continue
        (written,) = done.results
        assert written["resourceType"] == TYPES[record_type]
        # What has no total gets it when it is sent: the dose of its only segment.
        assert list(differences(bare(here.read(written).result), bare(parts.with_total(read)))) == []
