"""A search is read strictly, and finds a resource by what its index rows say."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir.dates import BEGINNING, END, stretch
from fhir_infusion.fhir.search import Criterion, Entry, Query, SortKey, Wanted, entries, parameters, parse
from tests.fhir.kit import changed, given, order

MR, MA = "MedicationRequest", "MedicationAdministration"


def one(name: str, value: str, type_: str = MR, release: str = "R4") -> Criterion:
    (criterion,) = parse(type_, release, [(name, value)]).criteria
    assert isinstance(criterion, Criterion)
    return criterion


def date(text: str, prefix: str = "eq") -> Wanted:
    covered = stretch(text)
    assert covered is not None
    return Wanted(prefix, start=covered.start, end=covered.end)


TOKENS = [
    ("identifier", "7", (Wanted(value="7"),)),
    ("identifier", "http://x|7", (Wanted(system="http://x", value="7"),)),
    ("identifier", "|7", (Wanted(system="", value="7"),)),
    ("identifier", "http://x|", (Wanted(system="http://x"),)),
    ("identifier", "a|1,b|2", (Wanted(system="a", value="1"), Wanted(system="b", value="2"))),
    ("identifier", r"a\|b|1\,2", (Wanted(system="a|b", value="1,2"),)),
    ("identifier", r"a\\|1", (Wanted(system="a\\", value="1"),)),
    ("identifier", r"a\\,b", (Wanted(value="a\\"), Wanted(value="b"))),
    ("status", "active,on-hold", (Wanted(system="", value="active"), Wanted(system="", value="on-hold"))),
    ("status", "http://hl7.org/fhir/CodeSystem/medicationrequest-status|active", (Wanted(system="", value="active"),)),
    ("status", "http://other|active", (Wanted(system="http://other", value="active"),)),
]


@pytest.mark.parametrize(("name", "value", "wanted"), TOKENS)
def test_a_token_is_a_code_with_or_without_its_system(name, value, wanted):
    assert one(name, value) == Criterion(name, "token", wanted)


REFERENCES = [
    ("patient", "7", ("Patient/7",)),
    ("patient", "Patient/7", ("Patient/7",)),
    ("patient", "Patient/7/_history/2", ("Patient/7",)),
    ("patient", "7,8", ("Patient/7", "Patient/8")),
    ("patient:Patient", "7", ("Patient/7",)),
    ("patient", "http://x.org/fhir/Patient/7", ("http://x.org/fhir/Patient/7",)),
    ("patient", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520",)),
    ("subject", "7", ("Group/7", "Patient/7")),
    ("subject:Group", "7", ("Group/7",)),
    ("subject", "Group/7", ("Group/7",)),
]


@pytest.mark.parametrize(("name", "value", "wanted"), REFERENCES)
def test_a_reference_is_an_id_a_type_and_id_or_an_address(name, value, wanted):
    found = Criterion(name.partition(":")[0], "reference", tuple(Wanted(value=item) for item in wanted))
    assert one(name, value) == found


def test_a_patient_is_found_by_a_business_identifier():
    wanted = (Wanted(system="http://mrn", value="7"),)
    assert one("patient:identifier", "http://mrn|7") == Criterion("patient:identifier", "token", wanted)


@pytest.mark.parametrize("prefix", ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"])
def test_a_date_has_a_prefix_and_covers_what_it_says(prefix):
    assert one("authoredon", f"{prefix}2024-05") == Criterion("authoredon", "date", (date("2024-05", prefix),))
    assert one("authoredon", "2024-05-01T10:00:00Z").values == (date("2024-05-01T10:00:00Z"),)


def test_approximately_is_a_stretch_as_long_again_on_either_side():
    day = 86_400_000
    around = date("2024-05-02")
    assert one("authoredon", "ap2024-05-02").values == (Wanted("ap", start=around.start - day, end=around.end + day),)


def test_id_and_last_updated_are_of_every_type():
    assert one("_id", "a,b", "Patient") == Criterion("_id", "id", (Wanted(value="a"), Wanted(value="b")))
    updated = one("_lastUpdated", "ge2024-05-01", "Patient")
    assert updated == Criterion("_lastUpdated", "lastUpdated", (date("2024-05-01", "ge"),))


def test_parameters_must_all_hold_and_keep_their_order():
    query = parse(MR, "R4", [("status", "active"), ("patient", "7"), ("_sort", "-_lastUpdated"), ("_count", "50")])
    assert [getattr(criterion, "parameter", "") for criterion in query.criteria] == ["status", "patient"]
    assert (query.sort, query.count) == ((SortKey("_lastUpdated", "lastUpdated", descending=True),), 50)
    assert parse(MR, "R4", []) == Query(())


REFUSED = [
    ("foo", "1", "not-supported", "foo"),
    ("Jane Q. Public", "1", "not-supported", "(unreadable name)"),
    ("_has:Observation:patient:code", "1", "not-supported", "_has"),
    ("_has:Group:member:code", "1", "not-supported", "_has"),
    ("_has:MedicationAdministration:status:code", "1", "not-supported", "_has"),
    ("_has:MedicationAdministration:request", "1", "not-supported", "_has"),
    ("_include", "x", "not-supported", "_include"),
    ("_include", "MedicationRequest:status", "not-supported", "_include"),
    ("_include", "MedicationRequest:patient:Device", "not-supported", "_include"),
    ("_include", "MedicationAdministration:request", "invalid", "_include"),
    ("_include:recurse", "MedicationRequest:patient", "not-supported", "_include"),
    ("_revinclude", "Group:member", "not-supported", "_revinclude"),
    ("_total", "many", "invalid", "_total"),
    ("status.code", "x", "not-supported", "status"),
    ("subject.color", "x", "not-supported", "color"),
    ("subject:Device.type", "x", "not-supported", "subject"),
    ("encounter.part-of.part-of.part-of.status", "x", "too-costly", ""),
    ("patient:missing", "yes", "invalid", "patient"),
    ("patient:Group", "7", "not-supported", "patient"),
    ("status:in", "http://x", "not-supported", "status"),
    ("status:not-in", "http://x", "not-supported", "status"),
    ("code:above", "http://x|1", "not-supported", "code"),
    ("code:below", "http://x|1", "not-supported", "code"),
    ("code:code-text", "x", "not-supported", "code"),
    ("status:of-type", "x", "not-supported", "status"),
    ("identifier:of-type", "http://x|MR", "invalid", "identifier"),
    ("identifier", "a|b|c", "invalid", "identifier"),
    ("authoredon:exact", "2024", "not-supported", "authoredon"),
    ("_source:contains", "x", "not-supported", "_source"),
    ("_sort", "authoredon,", "invalid", "_sort"),
    ("_sort", "status,status,status,status,status", "invalid", "_sort"),
    ("_id:missing", "true", "not-supported", "_id"),
    ("_lastUpdated:exact", "2024", "not-supported", "_lastUpdated"),
    ("_sort", "patient", "not-supported", "_sort"),
    ("combo-date", "2024", "not-supported", "combo-date"),
    ("patient", "", "invalid", "patient"),
    ("patient", "7,", "invalid", "patient"),
    ("patient", " ", "invalid", "patient"),
    ("patient", "Practitioner/7", "invalid", "patient"),
    ("patient", "javascript:x", "invalid", "patient"),
    ("patient", "http://x.org/../Patient/7", "invalid", "patient"),
    ("patient", "a b", "invalid", "patient"),
    ("identifier", "|", "invalid", "identifier"),
    ("authoredon", "x", "invalid", "authoredon"),
    ("authoredon", "xx2024", "invalid", "authoredon"),
    ("authoredon", "2024-02-30", "invalid", "authoredon"),
    ("authoredon", "ge", "invalid", "authoredon"),
    ("_lastUpdated", "1700000000", "invalid", "_lastUpdated"),
    ("_id", "a b", "invalid", "_id"),
    ("_id", "x" * 65, "invalid", "_id"),
    ("_count", "-1", "invalid", "_count"),
    ("_count", "x", "invalid", "_count"),
    ("_count", "9" * 10, "invalid", "_count"),
    ("status", "x" * 3000, "invalid", "status"),
    ("status", ",".join("x" * 101), "invalid", "status"),
]


@pytest.mark.parametrize(("name", "value", "code", "path"), REFUSED)
def test_what_is_not_known_or_cannot_be_read_is_refused_and_never_passed_over(name, value, code, path):
    with pytest.raises(Refused) as caught:
        parse(MR, "R4", [("status", "active"), (name, value)])
    (issue,) = caught.value.issues
    assert (issue.status, issue.code, issue.path) == (400, code, path)
    assert issue.accepted


def test_a_unit_that_is_no_unit_is_looked_for_as_it_is_written():
    (criterion,) = parse("Observation", "R4", [("value-quantity", "5|http://unitsofmeasure.org|Ym999")]).criteria
    assert isinstance(criterion, Criterion)
    assert [wanted.unit for wanted in criterion.values] == ["http://unitsofmeasure.org|Ym999"]


def test_a_parameter_has_the_name_of_the_release():
    assert {"date"} == {p.name for p in parameters(MR, "R4")} & {"date", "combo-date"}
    assert {"combo-date"} == {p.name for p in parameters(MR, "R5")} & {"date", "combo-date"}
    assert {"effective-time"} == {p.name for p in parameters(MA, "R4B")} & {"date", "effective-time"}
    assert {"date"} == {p.name for p in parameters(MA, "R5")} & {"date", "effective-time"}
    assert [p.name for p in parameters("Binary", "R4")] == ["_profile", "_security", "_source", "_tag"]
    for release in ("R4", "R5"):
        assert {"identifier", "patient", "subject", "status"} <= {p.name for p in parameters(MR, release)}
        assert {"identifier", "patient", "subject", "status", "request"} <= {p.name for p in parameters(MA, release)}


# ------------------------------------------------------------------------------------------------------------ index


def rows(resource: dict[str, Any], parameter: str, release: str = "R4") -> list[Entry]:
    return [entry for entry in entries(resource, release) if entry.parameter == parameter]


def span(parameter: str, start: str | None, end: str | None) -> Entry:
    low, high = (stretch(text) if text else None for text in (start, end))
    return Entry(parameter, "date", start=low.start if low else BEGINNING, end=high.end if high else END)


def test_an_order_is_found_by_its_identifiers_codes_and_references():
    resource = order(
        identifier=[{"system": "http://x", "value": "1"}, {"value": "2"}, {"system": "http://y"}],
        medicationCodeableConcept={"coding": [{"system": "http://rx", "code": "3616"}, {"display": "x"}], "text": "x"},
        encounter={"reference": "http://x.org/Encounter/5/_history/1"},
        requester={"display": "x"},
    )
    assert rows(resource, "identifier") == [
        Entry("identifier", "token", "http://x", "1"),
        Entry("identifier", "token", "", "2"),
    ]
    assert rows(resource, "status") == [Entry("status", "token", "", "active")]
    assert rows(resource, "code") == [Entry("code", "token", "http://rx", "3616")]
    assert rows(resource, "patient") == [Entry("patient", "reference", value="Patient/p1")]
    assert rows(resource, "subject") == [Entry("subject", "reference", value="Patient/p1")]
    assert rows(resource, "encounter") == [Entry("encounter", "reference", value="http://x.org/Encounter/5")]
    assert rows(resource, "requester") == []


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ({"reference": "Group/1"}, {("subject", "reference", "Group/1")}),
        ({"reference": "urn:uuid:x"}, {("patient", "reference", "urn:uuid:x"), ("subject", "reference", "urn:uuid:x")}),
        ({"reference": "#p"}, {("patient:present", "token", "true"), ("subject:present", "token", "true")}),
        (
            {"identifier": {"system": "s", "value": "7"}},
            {("patient:identifier", "token", "7"), ("subject:identifier", "token", "7")},
        ),
        ({"identifier": {"system": "s", "value": "7"}, "type": "Group"}, {("subject:identifier", "token", "7")}),
        (
            {"display": "x"},
            {
                (f"{name}:{what}", kind, value)
                for name in ("patient", "subject")
                for what, kind, value in (("present", "token", "true"), ("text", "string", "x"))
            },
        ),
    ],
)
def test_a_subject_is_found_as_patient_unless_it_says_to_be_none(subject, found):
    resource = changed(order(), "subject", subject)
    got = {
        (e.parameter, e.kind, e.value)
        for e in entries(resource, "R4")
        if e.parameter.split(":")[0] in {"patient", "subject"}
    }
    assert got == found


def test_an_order_is_found_by_when_it_was_written_and_when_it_is_due():
    timing = {"event": ["2024-05-01", "2024-06-01T10:00:00Z"], "repeat": {"boundsPeriod": {"start": "2024-05"}}}
    resource = changed(order(authoredOn="2024-05"), "dosageInstruction/0/timing", timing)
    assert rows(resource, "authoredon") == [span("authoredon", "2024-05", "2024-05")]
    events = [("2024-05-01", "2024-05-01"), ("2024-06-01T10:00:00Z", "2024-06-01T10:00:00Z")]
    assert rows(resource, "date") == [span("date", *event) for event in events]
    # what is written in R4 is found through R5 under the name that it has there
    assert rows(resource, "combo-date") == [
        *(span("combo-date", *event) for event in events),
        span("combo-date", "2024-05", None),
    ]


@pytest.mark.parametrize(
    ("release", "when", "start", "end"),
    [
        ("R4", {"effectivePeriod": {"start": "2024-05-01", "end": "2024-05-02"}}, "2024-05-01", "2024-05-02"),
        ("R4", {"effectivePeriod": {"end": "2024-05-02"}}, None, "2024-05-02"),
        ("R5", {"occurencePeriod": {"start": "2024-05-01"}}, "2024-05-01", None),
        ("R4", {"effectiveDateTime": "2024"}, "2024", "2024"),
        ("R5", {"occurenceDateTime": "2024-05-01T10:00:00Z"}, "2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"),
        ("R5", {"occurenceTiming": {"event": ["2024-05-03", "2024-05-01"]}}, "2024-05-01", "2024-05-03"),
        (
            "R5",
            {"occurenceTiming": {"event": ["2024-05-03"], "repeat": {"boundsPeriod": {"end": "2024-06"}}}},
            None,
            "2024-06",
        ),
    ],
)
def test_an_administration_is_found_by_its_time_under_the_names_of_every_release(release, when, start, end):
    resource = given(release)
    for name in ("effectivePeriod", "occurencePeriod"):
        resource.pop(name, None)
    resource |= when
    for name in ("effective-time", "date"):
        assert rows(resource, name, release) == [span(name, start, end)]


@pytest.mark.parametrize(
    "when",
    [
        {"occurencePeriod": {"id": "x"}},
        {"occurenceTiming": {"repeat": {"count": 1}}},
        {"occurenceTiming": {"code": {"text": "x"}}},
    ],
)
def test_a_time_that_says_nothing_is_not_found(when):
    resource = given("R5")
    del resource["occurencePeriod"]
    assert rows(resource | when, "date", "R5") == []


def test_an_administration_is_found_by_its_order_in_any_release():
    resource = given("R5", request={"reference": "MedicationRequest/9"}, encounter={"reference": "Encounter/5"})
    assert rows(resource, "request", "R5") == [Entry("request", "reference", value="MedicationRequest/9")]
    assert rows(resource, "context", "R5") == [Entry("context", "reference", value="Encounter/5")]
    assert rows(resource, "encounter", "R5") == [Entry("encounter", "reference", value="Encounter/5")]


def test_a_patient_is_found_by_an_identifier_and_is_not_dead_unless_said_to_be():
    resource = {"resourceType": "Patient", "identifier": [{"system": "http://mrn", "value": "7"}]}
    assert entries(resource, "R4") == (
        Entry("deceased", "token", value="false"),
        Entry("identifier", "token", "http://mrn", "7"),
    )
    assert entries({"resourceType": "Bundle"}, "R4") == ()


def test_a_code_of_r5_is_found_like_one_of_r4():
    resource = order(
        "R5", medication={"concept": {"coding": [{"code": "3616"}]}, "reference": {"reference": "Medication/1"}}
    )
    assert rows(resource, "code", "R5") == [Entry("code", "token", "", "3616")]
    assert rows(resource, "medication", "R5") == [Entry("medication", "reference", value="Medication/1")]


def test_a_business_identifier_given_as_a_reference_is_refused_with_what_to_ask_instead():
    with pytest.raises(Refused) as refused:
        parse("MedicationRequest", "R4", [("patient", "https://example.org/patients|998877")])
    assert refused.value.issues[0].accepted == "patient:identifier=system|value"


def test_too_many_parameters_are_too_costly():
    parse(MR, "R4", [("status", "active")] * 100)
    with pytest.raises(Refused) as refused:
        parse(MR, "R4", [("status", "active")] * 101)
    assert [(issue.status, issue.code) for issue in refused.value.issues] == [(400, "too-costly")]
