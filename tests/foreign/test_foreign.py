"""Orders and administrations as other systems write them: nothing of a dose is lost, doubled or bent, and slips are told.

``cases.ndjson`` holds invented resources of R4, a line each, in the ways of many systems: a rate as quantity, ratio or
range, exact dates, days of the week, codes alone, two statements of a dose of which nobody says which was ordered, words
alone, units in any spelling, extensions of others; and beside right ones the same with a slip (ten times as much, the
unit beside, another time, beyond a limit). Each says what has to be told of it, or that it has to be refused.

What is compared here is read from the JSON texts by the functions of this file, which know nothing of the package.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from tests import exact_json
from tests.exact_json import Written
from tests.golden_write import translator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.translator import Translated

Json = dict[str, Any]
Leaf = tuple[tuple[str | int, ...], object]

FILE: Final = Path(__file__).parent / "cases.ndjson"
CASES: Final[list[Json]] = [
    cast("Json", exact_json.loads(line)) for line in FILE.read_text(encoding="utf-8").splitlines()
]
TAKEN: Final = [pytest.param(case, id=case["name"]) for case in CASES if "told" in case]
REFUSED: Final = [pytest.param(case, id=case["name"]) for case in CASES if "refused" in case]

REPAIRED: Final = {"IU": "[iU]", "IU/kg/hr": "[iU]/kg/h"}
"""Units that are no UCUM, and what they become in another release."""

OF_THEIRS: Final = {
    "cerner": "https://fhir-ehr.cerner.com/r4/StructureDefinition/infuse-over-time",
    "dose ext": "http://hl7.org/fhir/StructureDefinition/quantity-precision",
    "iso21090-PQ-translation": "http://hl7.org/fhir/StructureDefinition/iso21090-PQ-translation",
}
"""Cases with an extension of a number that does not reach another release, which is told."""


def leaves(node: object, path: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
    """Yield each value with its path; a number as it is written."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves(value, (*path, name))
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from leaves(value, (*path, at))
    else:
        yield path, node.text if isinstance(node, Written) else node


def numbers(node: object) -> Counter[str]:
    """Count the numbers by how they are written."""
    found: Counter[str] = Counter()
    if isinstance(node, Written):
        found[node.text] += 1
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        found += numbers(inner)
    return found


def quantities(node: object) -> Counter[tuple[str, ...]]:
    """Count the quantities by number, comparator, unit, system and code."""
    found: Counter[tuple[str, ...]] = Counter()
    if isinstance(node, dict) and node.keys() & {"value", "unit", "code"} and "value" in node:
        parts = [node.get(name, "") for name in ("comparator", "unit", "system")]
        value = node["value"].text if isinstance(node["value"], Written) else node["value"]
        code = str(node.get("code", ""))
        found[(str(value), *map(str, parts), REPAIRED.get(code, code))] += 1
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        found += quantities(inner)
    return found


def words(resource: Json) -> set[str]:
    """Return the texts, codes, times and references, without what only shows them and what others add."""
    return {
        REPAIRED.get(value, value)
        for path, value in leaves(resource)
        if isinstance(value, str)
        and not {"display", "url", "extension"} & set(path)
        and not any(str(step).startswith("_") for step in path)
    }


def strings(resource: Json) -> set[object]:
    """Return everything that is no number, wherever it stands."""
    return {value for _, value in leaves(resource)}


def without_theirs(case: Json) -> Json:
    """Return the resource without the extension that only it has."""

    def kept(node: object) -> object:
        if isinstance(node, dict):
            inner = {name: kept(value) for name, value in node.items()}
            return {name: value for name, value in inner.items() if value != []}
        if isinstance(node, list):
            return [kept(one) for one in node if not (isinstance(one, dict) and one.get("url", "") == url)]
        return node

    url = OF_THEIRS.get(case["name"], "none")
    return cast("Json", kept(case["resource"]))


def read(case: Json) -> Translated:
    return translator().to_internal(fhir_json.read(exact_json.dumps(case["resource"]).encode()), "R4")


def written(record: Json, release: str) -> Json:
    (resource,) = translator().to_fhir(record, release).results
    return cast("Json", exact_json.loads(fhir_json.write(resource)))


@pytest.mark.parametrize("case", TAKEN)
def test_it_comes_back_as_it_was_sent(case: Json):
    back = written(read(case).results[0], "R4")
    assert dict(leaves(back)) == dict(leaves(case["resource"]))


@pytest.mark.parametrize("case", TAKEN)
def test_it_reaches_the_other_release_with_each_amount_time_status_and_text(case: Json):
    sent, r5 = without_theirs(case), written(read(case).results[0], "R5")
    assert numbers(r5) == numbers(sent)
    assert quantities(r5) == quantities(sent)
    assert (r5.get("status"), r5["subject"]) == (sent.get("status"), sent["subject"])
    assert words(sent) - strings(r5) == set()


@pytest.mark.parametrize("case", [one for one in TAKEN if one.id in OF_THEIRS])
def test_what_does_not_reach_the_other_release_is_told(case: Json):
    told = translator().to_fhir(read(case).results[0], "R5").told
    assert [issue.rule for issue in told if issue.path.endswith("extension")] == ["dropped"]


@pytest.mark.parametrize("case", TAKEN)
def test_it_comes_back_from_the_other_release_with_each_amount(case: Json):
    r5 = fhir_json.read(exact_json.dumps(written(read(case).results[0], "R5")).encode())
    back = written(translator().to_internal(r5, "R5").results[0], "R4")
    assert quantities(back) == quantities(without_theirs(case))
    assert words(without_theirs(case)) - strings(back) == set()


@pytest.mark.parametrize("case", TAKEN)
def test_the_record_holds_each_number_in_a_field_of_its_own(case: Json):
    (record,) = read(case).results
    held = cast("Json", exact_json.loads(fhir_json.write({**record, "residue": []})))
    sent = without_theirs(case)
    sent["contained"] = [one for one in sent.get("contained", ()) if not _is_vital_sign(one)]
    assert numbers(held) == numbers(sent)


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_doubtful_is_told_and_nothing_else(case: Json):
    assert sorted({issue.rule for issue in read(case).findings}) == case["told"]


@pytest.mark.parametrize("overlay", translator().overlays)
def test_each_site_reads_it_gives_it_back_and_tells_the_same(overlay: str):
    for case in (one for one in CASES if "told" in one):
        read_there = translator().to_internal(
            fhir_json.read(exact_json.dumps(case["resource"]).encode()), "R4", overlay
        )
        (back,) = translator().to_fhir(read_there.results[0], "R4", overlay).results
        there = cast("Json", exact_json.loads(fhir_json.write(back)))
        assert dict(leaves(there)) == dict(leaves(case["resource"])), case["name"]
        assert sorted({issue.rule for issue in read_there.findings}) == case["told"], case["name"]


@pytest.mark.parametrize("case", REFUSED)
def test_what_must_not_be_taken_is_refused_without_a_word_of_it(case: Json):
    with pytest.raises(Refused) as refused:
        read(case)
    assert sorted({issue.rule for issue in refused.value.issues}) == case["refused"]
    told = " ".join(issue.reason + issue.accepted for issue in refused.value.issues)
    assert not re.search(r"Test, Pat|erXuFYUfucBZaryVksYEcMg3", told)


def _is_vital_sign(contained: Json) -> bool:
    """Of a weight it has to be said which one it is (actual, ideal …) to be a field of the record."""
    codings = contained.get("code", {}).get("coding", ())
    return bool(contained["resourceType"] == "Observation" and codings[0]["system"] == "http://loinc.org")
