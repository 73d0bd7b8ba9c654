"""Parts of one administration that arrive one by one as FHIR: in any order, with their parent or without it."""

from __future__ import annotations

from random import Random

import pytest

from fhir_infusion.actions import accept_resource, find, record_administration
from fhir_infusion.errors import Refused
from fhir_infusion.records import parts
from fhir_infusion.records.equality import same
from tests.actions.examples import MA, administration, body, number, outbox_rows
from tests.counts import count
from tests.golden_write import goldens

SPLIT = [
    golden
    for golden in goldens()
    if golden.kind == "administration" and golden.record().get("representation") == "split"
]


def as_parts(service, record, release="R4"):
    """Return the resources of an administration, as another system sends them."""
    return service.translator.to_fhir(record, release).results


def arrive(service, caller, resources, origin=""):
    return [accept_resource.create(service, caller, "R4", one, origin=origin) for one in resources]


def listed(service, caller):
    return [entry.record for entry in find.records(service, caller, MA, [], 100).entries]


def is_same(found, record):
    """Compare records without the residue: what was read from FHIR keeps how it was said there."""
    return same({**found, "residue": ()}, {**record, "residue": ()})


def orders_of(resources):
    parent, *children = resources
    return [
        [parent, *children],
        [*children, parent],
        [children[-1], parent, *children[:-1]],
        list(reversed(resources)),
    ]


@pytest.mark.parametrize("number_", range(4))
def test_parent_and_segments_are_one_administration_in_whatever_order_they_come(service, caller, number_):
    record = administration()
    arrive(service, caller, orders_of(as_parts(service, record))[number_])
    assert [is_same(one, record) for one in listed(service, caller)] == [True]


@pytest.mark.parametrize("origin", ["", "source"])
def test_segments_that_came_before_their_parent_belong_to_it_with_the_ids_and_versions_that_they_had(
    service, caller, origin
):
    parent, *children = as_parts(service, administration())
    before = arrive(service, caller, children, origin)
    (whole,) = arrive(service, caller, [parent], origin)
    after = find.search(service, caller, "R4", MA, [], 100).entries
    assert [(one.id, one.version) for one in before] == [(one.id, one.version) for one in after if one.id != whole.id]
    assert is_same(whole.record, administration())
    assert len(outbox_rows(service)) == len(after)


def test_segments_without_their_parent_stand_by_themselves_and_are_counted_once(service, caller):
    _, *children = as_parts(service, administration())
    arrive(service, caller, children)
    found = listed(service, caller)
    assert [one["administration_id"] for one in found] == ["ADM-1#s0", "ADM-1#s1", "ADM-1#s2"]
    assert sum(one["dose_given"]["value"] for one in found) == number("15.0")


def test_a_segment_of_another_patient_is_not_taken_in_and_that_is_told(service, caller):
    parent, first, *rest = as_parts(service, administration())
    stranger = {**first, "subject": {"reference": "Patient/other"}}
    arrive(service, caller, [stranger, *rest])
    (whole,) = arrive(service, caller, [parent])
    told = [(issue.rule, issue.path) for issue in whole.findings]
    assert told == [("order-unknown", "order"), ("segment", "segments")]
    assert len(listed(service, caller)) == 4


def test_entering_the_parent_in_error_reaches_segments_that_came_before_it(service, caller):
    parent, *children = as_parts(service, administration())
    arrive(service, caller, children)
    (whole,) = arrive(service, caller, [parent])
    wrong = {**body(whole), "status": "entered-in-error"}
    accept_resource.update(service, caller, "R4", whole.id, wrong)
    assert {body(one)["status"] for one in find.search(service, caller, "R4", MA, [], 100).entries} == {
        "entered-in-error"
    }


@pytest.mark.parametrize("golden", SPLIT[:: count(4, 1)], ids=str)
def test_the_parts_of_every_therapy_come_together_from_any_order(service, caller, golden):
    record = golden.record()
    sent = as_parts(service, record)
    Random(str(golden)).shuffle(sent)
    arrive(service, caller, sent)
    (found,) = listed(service, caller)
    assert parts.is_split(found)
    assert is_same(found, record)


def test_the_whole_as_our_json_is_refused_where_segments_of_it_came_as_fhir(service, caller):
    _, *children = as_parts(service, administration())
    arrive(service, caller, children)
    with pytest.raises(Refused) as refusal:
        record_administration.place(service, caller, administration())
    assert [issue.path for issue in refusal.value.issues] == ["administration_id"]
    assert len(listed(service, caller)) == 3
