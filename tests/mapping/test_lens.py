"""A lens of the shipped documents: the ledger, what is left over, what is refused, and both ways of doing the work."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.config import Settings, mappings_dir, read_texts
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import elements
from fhir_infusion.mapping.compare import differences
from fhir_infusion.mapping.inspect import plain
from fhir_infusion.mapping.library import load
from fhir_infusion.mapping.runtime import Irregular
from fhir_infusion.mapping.trace import simple_values
from tests.counts import count
from tests.golden_write import RELEASES, RESOURCES, goldens, translator
from tests.laws.kit import golden_resources, is_valid, places, vary
from tests.mapping.kit import CONCEPT, KIT, lens_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.mapping.lens import Lens, Translation

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
GOLDENS = goldens()
each_release = pytest.mark.parametrize("release", RELEASES)
each_golden = pytest.mark.parametrize("golden", GOLDENS, ids=str)


def lens(release: str = "R4", fhir_type: str = "MedicationRequest") -> Lens:
    return translator().lens(release, fhir_type)


def order(**members: Any) -> Json:
    """Return a small R4 order; keyword arguments are further members."""
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "vancomycin"},
        "subject": {"reference": "Patient/1"},
        **members,
    }


def quantity(value: Any, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def dose(value: Any, unit: str) -> list[Json]:
    return [{"doseAndRate": [{"doseQuantity": quantity(value, unit)}]}]


# --- the ledger -------------------------------------------------------------------------------------------------------


@each_release
@each_golden
def test_every_simple_value_has_one_line_both_ways(golden: Any, release: str):
    fhir_type = RESOURCES[golden.kind]
    for resource in translator().to_fhir(golden.record(), release).results:
        read = lens(release, fhir_type).read(resource)
        lines = [line.path for line in read.ledger.lines() if not line.path.endswith(".resourceType")]
        assert len(set(lines)) == len(lines) == len(list(simple_values(resource, "")))
        record = read.result
        written = lens(release, fhir_type).write(record)
        told = Counter(line.path for line in written.ledger.lines())
        content = {name: value for name, value in record.items() if name != "residue"}
        assert told == Counter(simple_values(content, ""))


LEFT_OVER: Json = {
    "id": "7",
    "meta": {"versionId": "3", "tag": [{"code": "t"}]},
    "implicitRules": "https://example.org/rules",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "_status": {"id": "s", "extension": [{"url": "urn:a", "valueCode": "b"}]},
    "extension": [
        {"url": "urn:first", "valueDecimal": 1},
        {"url": "urn:second", "extension": [{"url": "urn:inner", "valueCode": "x"}]},
    ],
    "contained": [{"resourceType": "Patient", "id": "p", "birthDate": "1970"}],
    "dosageInstruction": [
        {
            "id": "step",
            "extension": [{"url": "urn:b", "valueString": "x"}],
            "doseAndRate": [{"doseQuantity": {**quantity(1, "g"), "extension": [{"url": "urn:c", "valueCode": "y"}]}}],
        },
        {
            "text": "then",
            "route": {
                "coding": [
                    {
                        "system": "urn:s",
                        "code": "IV",
                        "display": "Intravenous",
                        "extension": [{"url": "urn:d", "valueCode": "z"}],
                    }
                ]
            },
        },
    ],
}


def test_what_is_left_over_is_told_by_the_exceptions_and_by_the_lines_alike():
    read = lens().read(order(**LEFT_OVER))
    told = {plain(line.path).partition(".")[2] for line in read.ledger.lines() if line.state != "mapped"}
    short = {plain(line.path) for line in read.ledger.exceptions}
    assert all(any(path == one or path.startswith(one + ".") for one in short) for path in told)
    assert all(any(path == one or path.startswith(one + ".") for path in told) for one in short)
    assert {line.state for line in read.ledger.exceptions} == {"carried"}


def test_a_translation_in_which_everything_is_mapped_has_no_exceptions():
    read = lens().read(order(dosageInstruction=dose(1, "g")))
    assert read.ledger.exceptions == ()
    assert read.ledger.summary() == {"mapped": len(read.ledger.lines())}


def test_the_lines_of_a_refused_input_name_what_is_refused_beside_what_is_not():
    resource = order(dosageInstruction=[{"text": "slowly", "unknown": 5}])
    lines = lens()._walk_read(resource)
    assert Counter(line.state for line in lines) == {"mapped": 6, "refused": 1, "carried": 1}
    assert [line.path for line in lines if line.state == "refused"] == [
        "MedicationRequest.dosageInstruction[0].unknown"
    ]
    lines = lens()._walk_write({"status": "active", "speed": 5}, [])
    assert [(line.path, line.state) for line in lines] == [("speed", "refused"), ("status", "mapped")]


def test_a_line_names_its_pair_and_the_place_of_the_pair():
    (line,) = [line for line in lens().read(order(priority="stat")).ledger.lines() if line.path.endswith("priority")]
    assert (line.to, line.pair) == ("priority", "priority : priority")
    assert line.mark.startswith("r4/infusion-order.yaml:")


# --- what is left over ------------------------------------------------------------------------------------------------


def test_ids_extensions_marks_and_contained_resources_come_back():
    resource = order(**LEFT_OVER)
    assert list(differences(lens().write(lens().read(resource).result).result, resource)) == []


def test_what_stands_beside_each_of_thousands_of_simple_values_comes_back_beside_it():
    days = [f"2025-{1 + count % 12:02}-{1 + count % 28:02}" for count in range(3000)]
    marks = [{"id": f"e{count}"} if count % 3 else None for count in range(3000)]
    resource = order(dosageInstruction=[{"timing": {"event": days, "_event": marks}}])
    record = lens().read(resource).result
    assert list(differences(lens().write(record).result, resource)) == []
    record["steps"][0]["timing"]["events"] = days[:-1]
    timing = lens().write(record).result["dosageInstruction"][0]["timing"]
    assert timing == {"event": days[:-1], "_event": marks[:-1]}


@pytest.mark.parametrize("first", range(3))
def test_an_array_of_known_and_unknown_elements_in_any_order_comes_back(first: int):
    known = [
        {
            "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.renderedDosageInstruction",
            "valueMarkdown": "x",
        },
        {"url": "urn:unknown", "valueCode": "a"},
        {"url": "urn:unknown", "valueCode": "b"},
    ]
    resource = order(extension=[*known[first:], *known[:first]])
    assert list(differences(lens().write(lens().read(resource).result).result, resource)) == []


def test_an_edit_leaves_what_is_unknown_in_its_place():
    resource = order(**LEFT_OVER)
    record = lens().read(resource).result
    record["steps"].reverse()
    written = lens().write(record)
    assert [step.get("id") for step in written.result["dosageInstruction"]] == [None, "step"]
    assert written.result["dosageInstruction"][1] == resource["dosageInstruction"][0]
    assert written.result["_status"] == resource["_status"]


def test_what_belonged_to_a_removed_element_is_dropped_with_a_line():
    record = lens().read(order(**LEFT_OVER)).result
    del record["steps"][0]
    lines = lens().write(record).ledger.exceptions
    assert ("dosageInstruction[step].extension", "dropped", "the element that it belonged to is gone") in [
        (line.path.removesuffix("[]"), line.state, line.why) for line in lines
    ]


def test_what_the_record_says_itself_wins_over_what_was_left_over():
    record = lens().read(order(implicitRules="https://example.org/rules")).result
    record["residue"][0]["path"] = "status"
    written = lens().write(record)
    assert written.result["status"] == "active"
    assert [(line.path, line.state, line.why) for line in written.ledger.exceptions] == [
        ("status", "dropped", "the record now says this itself")
    ]


def test_residue_of_one_release_stays_out_of_another_with_a_line():
    record = lens("R4").read(order(implicitRules="https://example.org/rules")).result
    written = lens("R5").write(record)
    assert "implicitRules" not in written.result
    assert [(line.path, line.state, line.why) for line in written.ledger.exceptions] == [
        ("implicitRules", "dropped", "residue of R4 has no place in R5")
    ]


def test_a_repaired_unit_comes_back_as_it_was_until_the_quantity_is_edited():
    resource = order(dosageInstruction=dose(5, "mcg"))
    read = lens().read(resource)
    assert read.result["steps"][0]["dosings"][0]["dose"] == {"value": 5, "unit": "ug", "unit_text": "mcg"}
    (repaired,) = [line for line in read.ledger.lines() if "repaired" in line.why]
    assert repaired.path == "MedicationRequest.dosageInstruction[0].doseAndRate[0].doseQuantity.code"
    assert lens().write(read.result).result == resource
    edited = deepcopy(read.result)
    edited["steps"][0]["dosings"][0]["dose"] = {"value": 6, "unit": "ug"}
    written = lens().write(edited)
    assert written.result["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] == {
        "value": 6,
        "system": UCUM,
        "code": "ug",
    }
    (line,) = written.ledger.exceptions
    assert (line.state, line.why) == ("dropped", "the quantity with the repaired unit was edited")
    assert line.path.endswith(".doseQuantity")


# --- what is refused --------------------------------------------------------------------------------------------------

SECRET = "4711-secret"

REFUSED: dict[str, tuple[Json, str]] = {
    "an unknown member of a dosage": (
        order(dosageInstruction=[{"text": "x", "unknown": SECRET}]),
        "MedicationRequest.dosageInstruction[0].unknown",
    ),
    "an unknown member deep in a dosage": (
        order(dosageInstruction=[{"timing": {"repeat": {"count": 1, "unknown": {"value": SECRET}}}}]),
        "MedicationRequest.dosageInstruction[0].timing.repeat.unknown",
    ),
    "a dosage of unknown members only": (
        order(dosageInstruction=[{"unknown": SECRET}]),
        "MedicationRequest.dosageInstruction[0].unknown",
    ),
    "an unknown member of the subject": (
        order(subject={"reference": "Patient/1", "unknown": SECRET}),
        "MedicationRequest.subject.unknown",
    ),
    "an unknown member of the drug": (
        order(medicationCodeableConcept={"text": "x", "unknown": SECRET}),
        "MedicationRequest.medicationCodeableConcept.unknown",
    ),
    "a modifier extension anywhere": (
        order(modifierExtension=[{"url": "urn:m", "valueString": SECRET}]),
        "MedicationRequest.modifierExtension",
    ),
    "a modifier extension of a note": (
        order(note=[{"text": "x", "modifierExtension": [{"url": "urn:m"}]}]),
        "MedicationRequest.note[0].modifierExtension",
    ),
    "a code that is not in the table": (order(status=SECRET), "MedicationRequest.status"),
    "another resource type": (order(resourceType="Basic"), "MedicationRequest.resourceType"),
    "a drug said twice": (
        order(
            contained=[{"resourceType": "Medication", "id": "m", "code": {"text": SECRET}}],
            medicationReference={"reference": "#m"},
        ),
        "MedicationRequest.medicationCodeableConcept.text",
    ),
}


@pytest.mark.parametrize(("resource", "path"), REFUSED.values(), ids=REFUSED)
def test_what_must_not_be_carried_unread_is_refused_by_place_and_reason_and_never_by_value(resource: Json, path: str):
    with pytest.raises(Refused) as refused:
        lens().read(resource)
    assert path in [issue.path for issue in refused.value.issues]
    assert all(issue.reason and issue.accepted for issue in refused.value.issues)
    assert SECRET not in f"{refused.value} {refused.value.issues}"


def test_every_reason_is_told_at_once():
    resource = order(
        status="x", modifierExtension=[{"url": "urn:m"}], dosageInstruction=[{"a": 1, "b": 2}, {"text": "x", "c": 3}]
    )
    with pytest.raises(Refused) as refused:
        lens().read(resource)
    assert [issue.path.removeprefix("MedicationRequest.") for issue in refused.value.issues] == [
        "status",
        "dosageInstruction[0].a",
        "dosageInstruction[0].b",
        "dosageInstruction[1].c",
        "modifierExtension",
    ]


UNWRITABLE: dict[str, tuple[Json, str]] = {
    "a field that is none": ({"speed": SECRET}, "speed"),
    "a field that is none in a list": ({"steps": [{"text": "x"}, {"speed": SECRET}]}, "steps[1].speed"),
    "a code that the release does not know": ({"status": "ended"}, "status"),
    "another kind of record": ({"record": SECRET}, "record"),
    "a rate that is none": (
        {"steps": [{"dosings": [{"rate": {"value": 1, "unit": "mL"}}]}]},
        "steps[0].dosings[0].rate",
    ),
    "two contained resources of one id": (
        {
            "preparation": {"preparation_id": "m", "form": {"text": "x"}},
            "measurements": [{"measurement_id": "m", "status": "final"}],
        },
        "measurements",
    ),
}


@pytest.mark.parametrize(("record", "path"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_has_no_place_is_refused_when_written(record: Json, path: str):
    with pytest.raises(Refused) as refused:
        lens().write(record)
    assert path in [issue.path for issue in refused.value.issues]
    assert SECRET not in f"{refused.value} {refused.value.issues}"


# --- both ways of doing the work --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def interpreted() -> dict[tuple[str, str], Lens]:
    """The lenses of the shipped documents that only interpret."""
    settings = Settings()
    systems = {"order_system": settings.order_system, "administration_system": settings.administration_system}
    tables = {release: elements.table(release) for release in RELEASES}
    library = load(read_texts(mappings_dir(), ".yaml"), tables, systems, interpret=True, overlays=())
    return {(release, fhir_type): one for (release, fhir_type, overlay), one in library.lenses.items() if not overlay}


def outcome(work: Callable[[Json], Translation], value: Json) -> tuple[str, Any]:
    """Return what comes out: the result with its findings, or the issues."""
    try:
        translation = work(value)
    except Refused as refusal:
        return "refused", sorted(refusal.issues, key=str)
    return "done", (translation.result, sorted(translation.findings, key=str))


def assert_same(quick: tuple[str, Any], slow: tuple[str, Any]) -> None:
    """Assert that both ways gave the same; object order aside, numbers as they are written."""
    assert quick[0] == slow[0]
    if quick[0] == "refused":
        assert quick[1] == slow[1]
    else:
        assert list(differences(without_seal(quick[1][0]), without_seal(slow[1][0]))) == []
        assert quick[1][1] == slow[1][1]


def without_seal(result: Json) -> Json:
    """Return a result without its digests, whose order is that of the members."""
    kept = sorted((one for one in result.get("residue", ()) if one["path"][0] != "$"), key=lambda one: str(one["path"]))
    return {**result, "residue": kept}


Lenses = dict[tuple[str, str], "Lens"]


@pytest.mark.parametrize("resource", [row[0] for row in REFUSED.values()], ids=list(REFUSED))
def test_what_reading_refuses_compiled_and_interpreted_with_the_same_issues(resource: Json, interpreted: Lenses):
    quick, slow = lens(), interpreted["R4", "MedicationRequest"]
    assert_same(outcome(quick.read, resource), outcome(slow.read, resource))
    with pytest.raises(Irregular):
        quick._read(resource)  # the signal that the lens hears and nobody else


@pytest.mark.parametrize("record", [row[0] for row in UNWRITABLE.values()], ids=list(UNWRITABLE))
def test_what_writing_refuses_compiled_and_interpreted_with_the_same_issues(record: Json, interpreted: Lenses):
    quick, slow = lens(), interpreted["R4", "MedicationRequest"]
    assert_same(outcome(quick.write, record), outcome(slow.write, record))


@each_release
def test_spoiled_golden_resources_give_the_same_compiled_and_interpreted(release: str, interpreted: Lenses):
    resources, dice, seen = golden_resources(release), Random(11), Counter[str]()
    for _ in range(count(250, 8000)):
        resource = dice.choice(resources)
        varied = vary(resource, dice)
        spoiled = spoil(varied if is_valid(varied, release) else resource, dice)
        quick, slow = lens(release, resource["resourceType"]), interpreted[release, resource["resourceType"]]
        found = outcome(quick.read, spoiled)
        assert_same(found, outcome(slow.read, spoiled))
        seen[found[0]] += 1
        if found[0] == "done":
            record = spoil(quick.read(spoiled).result, dice)
            there = outcome(quick.write, record)
            assert_same(there, outcome(slow.write, record))
            seen["written " + there[0]] += 1
    assert min(seen[name] for name in ("refused", "done", "written refused", "written done")) > 10


def spoil(value: Json, dice: Random) -> Json:
    """Return a copy with an unknown member, a mark or another code somewhere, of the right shape still."""
    copy = deepcopy(value)
    objects = [copy, *(inner for _, inner in places(copy) if isinstance(inner, dict))]
    target = dice.choice([one for one in objects if one is copy or "path" not in one])
    kind = dice.randrange(5)
    if kind == 0:
        target["unheardOf"] = {"value": 1}
    elif kind == 1:
        target["modifierExtension"] = [{"url": "urn:m", "valueCode": "x"}]
    elif kind == 2:
        target.setdefault("extension", []).append({"url": "urn:x", "valueCode": "x"})
    elif kind == 3:
        target.setdefault("id", "spoiled")
    elif "code" in target and isinstance(target["code"], str):
        target["code"] = "spoiled"
    return copy


def test_whatever_a_compiled_function_raises_the_interpreter_does_the_work():
    here = lens_of(CONCEPT, "CodeableConcept", kit=KIT)

    def fail(_: Json) -> Any:
        raise ZeroDivisionError

    here._read = here._write = fail
    assert here.read({"text": "a", "coding": [{"code": "b"}]}).result["codings"] == [{"code": "b"}]
    assert here.write({"text": "a", "codings": [{"code": "b"}]}).result == {"text": "a", "coding": [{"code": "b"}]}


# --- warnings ---------------------------------------------------------------------------------------------------------


WARNING = """
mapping: limits
between: {internal: PeriodLimit, fhir: Ratio, release: R4}
pairs:
  numerator: {fhir: numerator, warn: odd}
  denominator: {fhir: denominator, warn: even}
"""


@pytest.mark.parametrize("interpret", [True, False])
def test_a_pair_that_warns_is_told_as_a_finding_wherever_it_is_used(*, interpret: bool):
    here = lens_of(WARNING, "Ratio", interpret=interpret)
    (finding,) = here.read({"numerator": quantity(1, "g")}).findings
    assert finding == Issue("warning", "informational", "numerator", "odd", "", "warn")
    assert here.write({"numerator": {"value": 1, "unit": "g"}}).findings == (finding,)
    assert here.read({}).findings == ()


def test_the_ledger_of_writing_has_a_line_for_residue_that_goes_back_and_for_residue_that_does_not():
    record = lens().read(order(**LEFT_OVER)).result
    record["residue"].append({"release": "R5", "path": "extension[]", "value": {"url": "urn:other", "valueCode": "x"}})
    record["status"] = "on-hold"
    written = lens().write(record)
    told = [
        (plain(line.path).replace("~", ""), line.state, line.why)
        for line in written.ledger.lines()
        if line.why in ("residue", "the value that it stood beside was edited") or line.why.startswith("residue of")
    ]
    assert sorted(told) == sorted(
        [
            ("_status", "dropped", "the value that it stood beside was edited"),
            ("contained", "carried", "residue"),
            ("dosageInstruction.doseAndRate.doseQuantity.extension", "carried", "residue"),
            ("dosageInstruction.extension", "carried", "residue"),
            ("dosageInstruction.route.coding.extension", "carried", "residue"),
            ("extension", "carried", "residue"),
            ("extension", "dropped", "residue of R5 has no place in R4"),
            ("implicitRules", "carried", "residue"),
            ("meta", "carried", "residue"),
        ]
    )


def test_an_untouched_display_and_mark_are_told_as_carried_and_a_repaired_unit_as_mapped():
    resource = order(
        encounter={"reference": "Encounter/1", "display": "E", "_display": {"id": "e"}},
        dosageInstruction=dose(5, "mcg"),
    )
    written = lens().write(lens().read(resource).result)
    assert written.result == resource
    lines = [(line.path, line.state, line.to) for line in written.ledger.lines() if line.why == "residue"]
    assert lines == [("encounter._display", "carried", "")]


def test_a_display_is_left_out_once_it_would_describe_another(interpreted: Lenses):
    resource = order(encounter={"reference": "Encounter/1", "display": "Day ward"})
    for here in (lens(), interpreted["R4", "MedicationRequest"]):
        read = here.read(deepcopy(resource)).result
        assert here.write(read).result["encounter"] == resource["encounter"]
        read["encounter"] = {"reference": "Encounter/2"}
        assert here.write(read).result["encounter"] == {"reference": "Encounter/2"}


def test_measurements_between_other_information_keep_their_place_and_what_is_unknown_of_them(interpreted: Lenses):
    observation = {
        "resourceType": "Observation",
        "id": "measurements-1",
        "status": "final",
        "code": {
            "coding": [
                {"system": "https://w3id.org/fhir-infusion/CodeSystem/measurement-kind", "code": "dosing-weight"}
            ]
        },
    }
    resource = {
        **order(),
        "contained": [observation],
        "supportingInformation": [
            {"reference": "Observation/2", "id": "k"},
            {"reference": "#measurements-1", "id": "unknown"},
            {"reference": "Observation/3"},
        ],
    }
    for here in (lens(), interpreted["R4", "MedicationRequest"]):
        read = here.read(deepcopy(resource)).result
        assert read["measurements"] == [{"kind": "dosing-weight"}]
        assert list(differences(resource, here.write(read).result)) == []
