"""Short courses of more than one order by itself: what is given of it, two orders in one Bundle, what they revive.

As ``test_sync_explored``: both counts take every so many of the courses, the same ones each time; the long one hours.
"""

from __future__ import annotations

from itertools import islice

import pytest

from tests.counts import chosen, count
from tests.faults import explored_given as given
from tests.faults import explored_revived as revived
from tests.faults import explored_together as together
from tests.faults.explored import demand_in_memory

pytestmark = pytest.mark.timeout(count(300, 14_400))
FEW = frozenset({"lost", "500", "away", "hidden and lost"})
ALL_OR_FEW = None if chosen() == "long" else FEW
TWO = frozenset({"lost", "away"})


def test_i1_i2_i3_i6_whatever_fails_once_what_is_given_is_there_beside_its_order_as_it_is_here():
    found = given.courses(1, rungs="ABC")
    demand_in_memory(given.Given, islice(found, 0, None, count(37, 1)), 1, ALL_OR_FEW)


def test_i1_i2_i3_i6_whatever_fails_twice_what_is_given_is_there_beside_its_order_as_it_is_here():
    found = given.courses(1, rungs="AB", forgets=(True, False))
    demand_in_memory(given.Given, islice(found, count(5, 0), None, count(101, 5)), 2, TWO)


def test_i1_i2_h10_whatever_fails_once_what_is_given_to_a_new_patient_is_there_beside_one_patient():
    demand_in_memory(given.Given, islice(given.courses(1, is_new=True), 0, None, count(111, 1)), 1, ALL_OR_FEW)


def test_i1_i4_h8_whatever_fails_once_while_they_change_what_is_given_both_changes_stand_or_a_person_is_told():
    found = given.courses(1, theirs=tuple(given.THEIRS), rungs="AB", pulls=(False, True))
    demand_in_memory(given.Given, islice(found, 0, None, count(2399, 7)), 1, FEW)


def test_i1_i2_i3_i6_whatever_befalls_a_bundle_or_an_entry_of_it_each_of_two_orders_stands_by_itself():
    demand_in_memory(together.Pair, islice(together.courses(1), 0, None, count(173, 1)), 1, None)


def test_i1_i2_i3_i6_whatever_befalls_two_requests_each_of_two_orders_stands_by_itself():
    kinds = frozenset({"lost", "500", "no status", "away"})
    demand_in_memory(together.Pair, islice(together.courses(1), count(11, 0), None, count(397, 13)), 2, kinds)


def test_i4_h8_whatever_fails_once_what_they_revive_lives_here_never_and_there_only_with_a_person_told():
    found = revived.courses(forgets=(False, True))
    demand_in_memory(revived.Revived, islice(found, 0, None, count(997, 11)), 1, FEW)
