from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.mapping.named_words import EDITED, coded, hushed
from fhir_infusion.mapping.trace import Line

TEXT = "dobutamine"


def codings(count: int) -> list[dict[str, str]]:
    return [{"system": "http://snomed.info/sct", "code": str(number)} for number in range(count)]


def left(read_beside: int, now_beside: int) -> tuple[dict[str, Any], list[Line]]:
    """Return what goes of a text that was read beside so many codings, and the lines that say so."""
    words, codes = coded(TEXT, codings(read_beside)).split(".")
    lines: list[Line] = []
    value = {"text": TEXT, "codings": codings(now_beside)}
    return hushed(value, ("text",), "drug.", {words: {codes}}, lines), lines


DROPPED = ({"text": None}, [Line("drug.text", "dropped", "", EDITED)])


@pytest.mark.parametrize(("read_beside", "now_beside"), [(1, 1), (1, 2), (2, 3), (7, 8), (8, 8), (9, 9), (2, 0)])
def test_the_text_of_a_concept_stays_where_all_that_it_was_read_beside_is_there(read_beside, now_beside):
    assert left(read_beside, now_beside) == ({}, [])


@pytest.mark.parametrize(("read_beside", "now_beside"), [(2, 1), (8, 7), (8, 9), (9, 8)])
def test_the_text_goes_where_a_coding_is_gone_and_where_one_was_added_to_more_than_people_write(
    read_beside, now_beside
):
    assert left(read_beside, now_beside) == DROPPED


def test_a_text_of_which_nothing_is_known_stays():
    lines: list[Line] = []
    assert hushed({"text": TEXT, "codings": codings(2)}, ("text",), "", {}, lines) == {}
    assert lines == []
