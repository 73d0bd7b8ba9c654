"""What a search finds: every kind of value, modifier and prefix, chains and _has, over resources as they are stored."""

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_infusion.fhir import dates
from fhir_infusion.fhir.dates import Stretch
from tests.counts import count
from tests.store.finding import found, keep

BOOK = "http://unitsofmeasure.org|"


def patient(id_, **more):
    return {"resourceType": "Patient", "id": id_, **more}


def order(id_, **more):
    return {"resourceType": "MedicationRequest", "id": id_, "status": "active", "intent": "order", **more}


def given_(id_, **more):
    return {"resourceType": "MedicationAdministration", "id": id_, "status": "completed", **more}


def weight(id_, value, code="kg", **more):
    quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": code, "unit": code, **more}
    return {"resourceType": "Observation", "id": id_, "status": "final", "valueQuantity": quantity}


PEOPLE = (
    patient("a", name=[{"family": "Müller", "given": ["Änne", "Maria"]}], gender="female", birthDate="1970-05"),
    patient("b", name=[{"family": "Muller-Lüdenscheidt"}], gender="male", active=True, deceasedBoolean=True),
    patient(
        "c", name=[{"text": "O'Brien  of  the 100%_hill"}], active=False, telecom=[{"system": "phone", "value": "1"}]
    ),
    patient(
        "d",
        identifier=[
            {
                "system": "http://mrn",
                "value": "7",
                "type": {"coding": [{"system": "http://v2", "code": "MR"}], "text": "Record number"},
            }
        ],
    ),
)
FOUND = [
    ("name=muller", "ab"),
    ("name=MÜLLER", "ab"),
    ("name=ller", ""),
    ("name:contains=ller", "ab"),
    ("name:exact=Müller", "a"),
    ("name:exact=muller", ""),
    ("name:exact=Mül", ""),
    ("name=maria", "a"),
    ("given=anne", "a"),
    ("name=o'brien of the", "c"),
    ("name:contains=%25_h", "c"),
    ("name:contains=1%25", ""),
    ("family=muller,nobody", "ab"),
    ("family:missing=true", "cd"),
    ("family:missing=false", "ab"),
    ("gender=female", "a"),
    ("gender:not=female", "bcd"),
    ("gender:not=female,male", "cd"),
    ("gender:missing=true", "cd"),
    ("active=true", "b"),
    ("active=false", "c"),
    ("deceased=true", "b"),
    ("deceased=false", "acd"),
    ("phone=1", "c"),
    ("email=1", ""),
    ("birthdate=1970", "a"),
    ("birthdate=1970-05-03", ""),
    ("birthdate=ap1970-05-03", "a"),
    ("birthdate:missing=false", "a"),
    ("identifier=7", "d"),
    ("identifier=http://mrn|7", "d"),
    ("identifier=http://mrn|", "d"),
    ("identifier=|7", ""),
    ("identifier:of-type=http://v2|MR|7", "d"),
    ("identifier:of-type=http://v2|MR|8", ""),
    ("identifier:of-type=|MR|7", "d"),
    ("identifier:text=record", "d"),
    ("identifier:missing=true", "abc"),
    ("_id=a,d", "ad"),
    ("_id=a&name=muller", "a"),
    ("name=muller&gender=male", "b"),
]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    from fhir_infusion.store import open_store  # noqa: PLC0415  one store for all rows of the table
    from tests.store.helpers import Clock  # noqa: PLC0415  as above

    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('people')}/store.db", Clock())
    keep(opened, *PEOPLE)
    yield opened
    opened.close()


@pytest.mark.parametrize(("query", "ids"), FOUND, ids=[query for query, _ in FOUND])
def test_people_are_found_by(people, query, ids):
    assert found(people, f"Patient?{query}") == list(ids)


CODED = {
    "text": "Dobutamine in dextrose",
    "coding": [{"system": "http://rx", "code": "Dob1", "display": "dobutamine 1 MG/ML"}],
}
REFERRING = (
    order(
        "a",
        subject={"reference": "Patient/1"},
        medicationCodeableConcept=CODED,
        requester={"reference": "Practitioner/1"},
    ),
    order("b", subject={"reference": "Group/1"}, meta={"profile": ["http://x/p|1.0"], "source": "http://x/a/b"}),
    order(
        "c",
        subject={"identifier": {"system": "http://mrn", "value": "7"}},
        meta={"tag": [{"system": "t", "code": "1"}]},
    ),
    order("d", subject={"display": "Jane"}, requester={"reference": "http://else/Practitioner/1"}),
)
REFERRED = [
    ("patient=Patient/1", "R4", "a"),
    ("patient=1", "R4", "a"),
    ("subject=1", "R4", "ab"),
    ("subject:Group=1", "R4", "b"),
    ("patient:missing=true", "R4", "b"),
    ("subject:missing=true", "R4", ""),
    ("subject:missing=false", "R4", "abcd"),
    ("patient:identifier=http://mrn|7", "R4", "c"),
    ("requester=http://else/Practitioner/1", "R4", "d"),
    ("requester:missing=true", "R4", "bc"),
    ("subject:text=jane", "R5", "d"),
    ("code=Dob1", "R4", "a"),
    ("code=dob1", "R4", ""),
    ("code=http://rx|Dob1", "R5", "a"),
    ("code:text=dobutamine", "R4", "a"),
    ("code:text=1 mg", "R4", ""),
    ("code:code-text=dob", "R5", "a"),
    ("code:code-text=d_b", "R5", ""),
    ("code:not=http://rx|Dob1", "R4", "bcd"),
    ("_profile=http://x/p", "R4", "b"),
    ("_profile=http://x/p|1.0", "R5", "b"),
    ("_profile=http://x/p|2.0", "R4", ""),
    ("_source=http://x/a/b", "R4", "b"),
    ("_source:below=http://x/a", "R4", "b"),
    ("_source:below=http://x/a/b", "R4", "b"),
    ("_source:below=http://x/a/", "R4", "b"),
    ("_source:below=http://x/aa", "R4", ""),
    ("_source:above=http://x/a/b/c/d", "R4", "b"),
    ("_source:above=http://x/a/bc", "R4", ""),
    ("_tag=t|1", "R4", "c"),
    ("_tag:missing=false", "R4", "c"),
    ("_tag:not=t|1", "R4", "abd"),
]


@pytest.mark.parametrize(("query", "release", "ids"), REFERRED)
def test_orders_are_found_by(store, query, release, ids):
    keep(store, *REFERRING)
    assert found(store, f"MedicationRequest?{query}", release) == list(ids)


def test_a_chain_asks_of_what_is_referred_to_and_has_of_what_refers(store):
    keep(
        store,
        patient("p1", name=[{"family": "One"}], generalPractitioner=[{"reference": "Practitioner/d1"}], identifier=[{"system": "s", "value": "7"}]),
        patient("p2", name=[{"family": "Two"}]),
        {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Doc"}]},
        {"resourceType": "Practitioner", "id": "d2", "name": [{"family": "Doc"}], "active": False},
        order("o1", subject={"reference": "Patient/p1"}, requester={"reference": "Practitioner/d1"}),
        order("o2", subject={"reference": "Patient/p2"}, requester={"reference": "Practitioner/d2"}),
        order("o3", subject={"identifier": {"system": "s", "value": "7"}}),
        given_("m1", subject={"reference": "Patient/p1"}, request={"reference": "MedicationRequest/o1"}),
        given_("m2", subject={"reference": "Patient/p2"}, request={"reference": "MedicationRequest/o1"}, status="stopped"),
        {"resourceType": "Provenance", "id": "v", "target": [{"reference": "MedicationAdministration/m2"}], "recorded": "2024-01-01T00:00:00Z", "agent": [{"who": {"reference": "Practitioner/d1"}}]},
    )  # fmt: skip
    for query, ids in {
        "MedicationRequest?patient.name=one": ["o1"],
        "MedicationRequest?subject:Patient.name=two": ["o2"],
        "MedicationRequest?subject.name=two": ["o2"],
        "MedicationRequest?patient.identifier=s|7": ["o1", "o3"],
        "MedicationRequest?patient._id=p1": ["o1"],
        "MedicationRequest?patient.general-practitioner.name=doc": ["o1"],
        "MedicationRequest?requester:Practitioner.active:missing=true": ["o1"],
        "MedicationRequest?requester:Practitioner.active:not=false": ["o1"],
        "MedicationAdministration?request.requester:Practitioner.name=doc": ["m1", "m2"],
        "MedicationAdministration?request.patient.name=two": [],
        "MedicationAdministration?request.status=active&patient.name=two": ["m2"],
        "MedicationRequest?_has:MedicationAdministration:request:status=completed": ["o1"],
        "MedicationRequest?_has:MedicationAdministration:request:status=on-hold": [],
        "MedicationRequest?_has:MedicationAdministration:request:patient.name=two": ["o1"],
        "MedicationRequest?_has:MedicationAdministration:request:_has:Provenance:target:agent=Practitioner/d1": ["o1"],
        "Patient?_has:MedicationRequest:patient:_has:MedicationAdministration:request:status=stopped": ["p1"],
        "MedicationRequest?patient._has:MedicationAdministration:patient:status=stopped": ["o2"],
        "Patient?_has:MedicationRequest:patient:status=active": ["p1", "p2"],
    }.items():
        assert found(store, query) == ids, query


def test_nobody_finds_anything_through_what_belongs_to_another_tenant(store):
    keep(store, order("o", subject={"reference": "Patient/p"}), tenant="one")
    keep(
        store,
        patient("p", name=[{"family": "Two"}]),
        given_("m", request={"reference": "MedicationRequest/o"}),
        tenant="two",
    )
    for query in ("patient.name=two", "_has:MedicationAdministration:request:status=completed"):
        assert found(store, f"MedicationRequest?{query}", tenant="one") == []
    assert found(store, "MedicationRequest?patient=p", tenant="one") == ["o"]


AMOUNTS = [
    ("5", ["mg", "g5"]),
    ("5.0", ["mg", "g5"]),
    (f"5|{BOOK}mg", ["mg", "g"]),
    (f"0.005|{BOOK}g", ["mg", "g"]),
    (f"5000|{BOOK}ug", ["mg", "g"]),
    (f"lt0.005|{BOOK}g", ["below"]),
    (f"le5|{BOOK}mg", ["mg", "g", "below"]),
    (f"gt5|{BOOK}mg", ["g5"]),
    (f"ge5|{BOOK}mg", ["mg", "g", "g5"]),
    (f"ne5|{BOOK}mg", ["g5", "below"]),
    (f"ap5.4|{BOOK}mg", ["mg", "g"]),
    (f"sa4|{BOOK}mg", ["mg", "g", "g5"]),
    (f"eb4|{BOOK}mg", ["below"]),
    ("5||mg", ["mg"]),
    ("1||tablet", ["tablet"]),
    ("1|http://other|tbl", ["tablet"]),
    (f"1|{BOOK}tbl", []),
    (f"5|{BOOK}mL", []),
    (f"4.9994,1e0|{BOOK}mg", []),
]


@pytest.mark.parametrize(("asked", "ids"), AMOUNTS, ids=[asked for asked, _ in AMOUNTS])
def test_an_amount_is_found_in_any_unit_of_its_kind(store, asked, ids):
    keep(
        store,
        weight("mg", Decimal("5.00"), "mg"),
        weight("g", Decimal("0.005"), "g"),
        weight("g5", Decimal(5), "g"),
        weight("below", Decimal("2.5"), "mg", comparator="<"),
        weight("tablet", 1, "tbl", system="http://other", unit="tablet"),
        {"resourceType": "Observation", "id": "none", "status": "final"},
    )
    assert found(store, f"Observation?value-quantity={asked.replace('||', '%7C%7C')}") == ids


numbers = st.decimals(min_value=-1000, max_value=1000, places=3, allow_nan=False)
UNITS = {
    "mL/h": Fraction(1),
    "mL/min": Fraction(60),
    "L/h": Fraction(1000),
    "uL/s": Fraction(36, 10),
    "mL/d": Fraction(1, 24),
}


@settings(max_examples=count(60, 2000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(numbers, st.sampled_from(sorted(UNITS))), min_size=1, max_size=6),
    numbers,
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]),
)
def test_a_search_by_amount_agrees_with_exact_comparison(store, stored, asked, unit, prefix):
    keep(store, *(weight(f"o{n}", value, code) for n, (value, code) in enumerate(stored)))
    half = Fraction(1, 2) * Fraction(10) ** int(asked.as_tuple().exponent)
    low, at, high = (
        (Fraction(asked) - half) * UNITS[unit],
        Fraction(asked) * UNITS[unit],
        (Fraction(asked) + half) * UNITS[unit],
    )
    holds = {
        "eq": lambda v: low <= v < high,
        "ne": lambda v: not low <= v < high,
        "lt": lambda v: v < at,
        "le": lambda v: v <= at,
        "gt": lambda v: v > at,
        "ge": lambda v: v >= at,
    }[prefix]
    wanted = [f"o{n}" for n, (value, code) in enumerate(stored) if holds(Fraction(value) * UNITS[code])]
    ids = found(store, f"Observation?value-quantity={prefix}{asked}|{BOOK}{unit}")
    assert [one for one in ids if int(one[1:]) < len(stored)] == wanted


def stretch(text):
    covered = dates.stretch(text)
    assert covered is not None
    return covered


def naive(prefix: str, low: int, high: int, it: Stretch) -> bool:
    """Return whether a stretch meets a prefix, by the words of https://hl7.org/fhir/R4/search.html#prefix."""
    within = low <= it.start and it.end <= high
    return {
        "eq": within,
        "ne": not within,
        "gt": it.end > high,
        "lt": it.start < low,
        "ge": it.end > high or within,
        "le": it.start < low or within,
        "sa": it.start >= high,
        "eb": it.end <= low,
    }[prefix]


MOMENTS = (
    "2024",
    "2024-05",
    "2024-05-01",
    "2024-05-01T10:00:00Z",
    "2024-05-01T10:00:00.5+02:00",
    "2023-12-31T23:59:59Z",
    "2025-01",
)


def test_prefixes_of_dates_agree_with_a_naive_reading_of_the_standard(store):
    periods = [
        (a, b)
        for a in MOMENTS
        for b in MOMENTS
        if stretch(a).start <= stretch(b).start and stretch(a).end <= stretch(b).end
    ]
    keep(store, *(given_(f"m{n:02}", effectivePeriod={"start": a, "end": b}) for n, (a, b) in enumerate(periods)))
    rng = random.Random(3)
    for moment in rng.sample(MOMENTS, count(4, 7)):
        low, high = stretch(moment)
        for prefix in ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"):
            wanted = [
                f"m{n:02}"
                for n, (a, b) in enumerate(periods)
                if naive(prefix, low, high, Stretch(stretch(a).start, stretch(b).end))
            ]
            asked = f"MedicationAdministration?effective-time={prefix}{moment.replace('+', '%2B')}"
            assert sorted(found(store, asked)) == wanted, asked
