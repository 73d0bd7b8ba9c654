"""Short courses of several at a time: an order beside what is given in one Bundle, their edits beside ours, rounds.

As ``test_sync_explored_beside``: both counts take every so many of the courses, the same ones each time; the long one
hours.
"""

from __future__ import annotations

from itertools import islice

import pytest

from tests.counts import chosen, count
from tests.faults import explored_amid as amid
from tests.faults import explored_edited as edited
from tests.faults import explored_given as given
from tests.faults import explored_given_revived as revived
from tests.faults import explored_mixed as mixed
from tests.faults import explored_rounds as rounds
from tests.faults import explored_together as together
from tests.faults.explored import demand_in_memory

pytestmark = pytest.mark.timeout(count(300, 14_400))
FEW = frozenset({"lost", "500", "412", "no status", "405"})
"""As in ``test_sync_explored``; and of a Bundle, or of an entry, what has no answer, or is refused, alone."""
ALL_OR_FEW = None if chosen() == "long" else FEW
ONE_EACH = None if chosen() == "long" else frozenset({"lost", "500"})
CHANGED = {("push", "given:rate"), ("push", "given:note"), ("push", "given:completed")}
"""How a course ends, before its last push, in which what is given is there when we change it."""


def test_i1_i2_i3_i6_whatever_befalls_a_bundle_an_order_and_what_is_given_in_it_stand_each_by_itself():
    demand_in_memory(mixed.Mixed, islice(mixed.courses(rungs="B"), count(3, 0), None, count(2099, 3)), 1, ALL_OR_FEW)


def test_i1_i2_i3_i6_whatever_befalls_two_requests_an_order_and_what_is_given_stand_each_by_itself():
    kinds = frozenset({"lost", "no status"})
    demand_in_memory(mixed.Mixed, islice(mixed.courses(rungs="B"), count(0, 0), None, count(2099, 37)), 2, kinds)


def test_i1_i4_h8_whatever_befalls_a_bundle_what_they_change_of_one_order_is_no_matter_of_the_other():
    found = edited.courses(rungs="B", pulls=(False, True))
    demand_in_memory(edited.Edited, islice(found, count(5, 0), None, count(4003, 7)), 1, ALL_OR_FEW)


def test_i4_h8_whatever_befalls_a_bundle_what_they_revive_lives_there_only_with_a_person_told():
    found = edited.courses(theirs=(edited.REVIVE,), rungs="B", pulls=(False, True))
    demand_in_memory(edited.Edited, islice(found, count(8, 0), None, count(163, 3)), 1, ALL_OR_FEW)


def test_i4_h8_whatever_fails_once_what_was_given_and_has_ended_goes_on_here_never_and_there_with_a_person_told():
    found = revived.courses(forgets=(False, True))
    demand_in_memory(revived.GivenRevived, islice(found, count(5, 0), None, count(28001, 11)), 1, ONE_EACH)


def test_f19_i1_i2_h8_whatever_fails_once_a_round_notices_what_they_did_beside_a_change_of_ours_in_doubt():
    kinds = None if chosen() == "long" else frozenset({"lost", "not shown"})
    demand_in_memory(rounds.Rounds, islice(rounds.courses(), count(350, 0), None, count(405, 1)), 1, kinds)


def test_i1_i4_h8_whenever_they_change_an_order_while_a_bundle_is_on_its_way_both_changes_stand_or_a_person_is_told():
    kinds = None if chosen() == "long" else frozenset({"they:dose 1", "they:note 2", "they:stopped 1"})
    demand_in_memory(amid.EditedAmid, islice(together.courses(1, rungs="B"), count(2, 0), None, count(31, 1)), 1, kinds)


def test_i1_i4_h8_whenever_they_change_what_is_given_while_we_push_both_changes_stand_or_a_person_is_told():
    kinds = None if chosen() == "long" else frozenset({"they:given:note", "they:given:rate", "they:given:stopped"})
    found = (one for one in given.courses(1, rungs="B") if chosen() == "long" or one.steps[-3:-1] in CHANGED)
    demand_in_memory(amid.GivenAmid, islice(found, 0, None, count(3, 1)), 1, kinds)
