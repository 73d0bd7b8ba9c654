"""The laws of every lens: what is written is read back, what is read is written back, both ways of doing it agree."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.compare import bare, differences
from fhir_infusion.records.check import check
from tests.counts import count
from tests.laws.kit import (
    SEEDS,
    Json,
    each_record,
    each_release,
    golden_resources,
    is_valid,
    lens,
    record_type_of,
    records,
    through_text,
    vary,
    written,
)

if TYPE_CHECKING:
    from fhir_infusion.mapping.lens import Lens

EXAMPLES = count(500, 10_000)


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_what_is_written_is_read_back(record_type: str, release: str, seed: int):
    for record, resource in written(record_type, release, seed):
        back = lens(record_type, release).read(through_text(resource)).result
        assert list(differences(bare(record), bare(back))) == []


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_what_is_read_is_written_back_and_a_second_run_changes_nothing(record_type: str, release: str, seed: int):
    here = lens(record_type, release)
    for _, resource in written(record_type, release, seed):
        read = here.read(resource).result
        again = here.write(through_text(read)).result
        assert list(differences(resource, again)) == []
        assert list(differences(read, here.read(again).result)) == []


@each_record
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_through_r4_and_r5_the_record_stays_the_same(record_type: str, seed: int):
    r4, r5 = lens(record_type, "R4"), lens(record_type, "R5")
    for record in records(record_type, seed):
        try:
            four, five = r4.write(record).result, r5.write(record).result
        except Refused:
            continue  # one release has no place for it and says so
        by_way_of_r5 = r5.read(r5.write(r4.read(four).result).result).result
        by_way_of_r4 = r4.read(r4.write(r5.read(five).result).result).result
        assert list(differences(bare(record), bare(by_way_of_r5))) == []
        assert list(differences(bare(record), bare(by_way_of_r4))) == []


def outcome(work: Any, value: Json) -> Any:
    """Return what a reader or writer makes of a value, or the places that it refuses."""
    try:
        return work(value)
    except Refused as refusal:
        return sorted(issue.path for issue in refusal.issues)


def compiled_says(work: Any, value: Json) -> Any:
    """Return what a compiled function makes of a value, ``None`` where it leaves the work to the interpreter."""
    try:
        return work(value)
    except Exception:  # noqa: BLE001  whatever it meets, the lens asks the interpreter
        return None


def as_residue(entries: list[list[Any]]) -> list[list[Any]]:
    return sorted(entries, key=lambda entry: entry[0])  # sorting is stable: the order at one place stays


def agree_in_reading(here: Lens, resource: Json) -> bool:
    """Assert that both readers agree; return whether the compiled one did the work."""
    quick = compiled_says(here._read, resource)
    if quick is None:
        return False
    slow = outcome(here._oracle[0], resource)
    assert isinstance(slow, tuple), f"compiled reading takes what the interpreter refuses at {slow}"
    assert list(differences(quick[0], slow[0])) == []
    assert list(differences(as_residue(quick[1]), as_residue(slow[1]))) == []
    assert sorted(quick[2]) == sorted(slow[2])
    return True


def agree_in_writing(here: Lens, record: Json) -> bool:
    """Assert that both writers agree; return whether the compiled one did the work."""
    quick = compiled_says(here._write, record)
    if quick is None:
        return False
    slow = outcome(here._oracle[1], record)
    assert isinstance(slow, tuple), f"compiled writing takes what the interpreter refuses at {slow}"
    assert list(differences(quick[0], slow[0])) == []
    assert [line.path for line in quick[1]] == [line.path for line in slow[1]]
    return True


@each_record
@each_release
@settings(max_examples=EXAMPLES)
@given(seed=SEEDS)
def test_the_compiled_functions_and_the_interpreter_agree(record_type: str, release: str, seed: int):
    here = lens(record_type, release)
    for record, resource in written(record_type, release, seed):
        agree_in_writing(here, record)
        agree_in_reading(here, resource)
        agree_in_writing(here, here.read(resource).result)


@each_record
@each_release
@settings(max_examples=count(500, 10_000))
@given(seed=SEEDS)
def test_they_agree_on_varied_input_too(record_type: str, release: str, seed: int):
    here, dice = lens(record_type, release), Random(seed)
    for record, resource in written(record_type, release, seed):
        if is_valid(odd := vary(resource, dice), release):
            agree_in_reading(here, odd)
        if check(odd := vary(record, dice), as_sent=True):
            agree_in_writing(here, odd)


@each_record
@each_release
def test_the_compiled_functions_do_nearly_all_of_the_work(record_type: str, release: str):
    here = lens(record_type, release)
    pairs = [pair for seed in range(count(60, 2000)) for pair in written(record_type, release, seed)]
    assert sum(agree_in_writing(here, record) for record, _ in pairs) >= 0.95 * len(pairs)
    assert sum(agree_in_reading(here, resource) for _, resource in pairs) >= 0.95 * len(pairs)


@each_release
def test_the_compiled_functions_do_all_of_the_work_of_the_golden_therapies(release: str):
    for resource in golden_resources(release):
        here = lens(record_type_of(resource), release)
        assert agree_in_reading(here, resource)
        assert agree_in_writing(here, here.read(resource).result)


@each_record
@each_release
def test_most_generated_records_are_not_refused(record_type: str, release: str):
    """Laws that ask only what is accepted would hold for a lens that refuses everything."""
    seeds = range(count(150, 2000))
    asked = sum(len(records(record_type, seed)) for seed in seeds)
    accepted = sum(len(list(written(record_type, release, seed))) for seed in seeds)
    assert accepted >= 0.8 * asked
