"""Every short course of one order with every few faults: what ``explored`` enumerates, and demands of each run.

``FHIR_INFUSION_COUNT=long`` goes through all that is there, which takes hours; the short count takes every so many of the
courses, the same ones each time.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from tests.counts import chosen, count
from tests.faults.explored import STOP, STOP_DOSE, THEIRS, Bench, courses, demand
from tests.fresh import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(count(300, 14_400))
FEW = frozenset({"lost", "500", "503", "away"})
"""Faults of which each stands for others: with an effect or without one, answered or not, for one request or a while."""
ONE_EACH = None if chosen() == "long" else FEW


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """What runs courses; no process ends here and no disk is looked at."""
    with in_memory() as folder:
        one = Bench(folder)
        yield one
        one.close()


def test_i1_i2_i3_i4_i6_whatever_fails_once_in_a_course_of_ours_it_is_there_as_it_is_here(bench: Bench):
    demand(bench, islice(courses(1), 0, None, count(7, 1)), 1, ONE_EACH)


def test_i1_i2_i3_i4_i6_whatever_fails_once_in_two_changes_of_ours_it_is_there_as_it_is_here(bench: Bench):
    demand(bench, islice(courses(2), 0, None, count(61, 1)), 1, ONE_EACH)


def test_i1_i2_i3_i4_i6_whatever_fails_twice_in_a_course_of_ours_it_is_there_as_it_is_here(bench: Bench):
    demand(bench, islice(courses(1), count(16, 0), None, count(43, 1)), 2, FEW)


def test_i1_i4_h8_whatever_fails_once_while_they_change_it_too_both_changes_stand_or_a_person_is_told(bench: Bench):
    found = courses(1, theirs=tuple(THEIRS), forgets=(True,))
    demand(bench, islice(found, 0, None, count(83, 1)), 1, FEW)


def test_i1_i4_h8_whatever_fails_twice_while_they_change_it_too_both_changes_stand_or_a_person_is_told(bench: Bench):
    found = courses(1, theirs=tuple(THEIRS), rungs="B", forgets=(True,))
    demand(bench, islice(found, count(17, 0), None, count(70, 1)), 2, frozenset({"lost", "away"}))


def test_i1_i4_f12_whatever_fails_once_while_theirs_is_pulled_in_between_both_changes_stand(bench: Bench):
    found = courses(1, theirs=tuple(THEIRS), forgets=(False,), pulls=(True,))
    demand(bench, islice(found, 0, None, count(241, 1)), 1, ONE_EACH)


def test_i4_whatever_is_lost_thrice_before_a_stop_is_there_nothing_makes_the_order_active_again(bench: Bench):
    found = (one for one in courses(1) if {STOP, STOP_DOSE} & set(one.steps) and one.steps.count("forget") != 1)
    demand(bench, islice(found, 0, None, count(3, 1)), 3, frozenset({"lost", "away"}))
