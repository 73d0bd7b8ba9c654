"""Another drug than the order's: told by codes of one system and by names; brands, salts, levels and diluents apart."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_infusion.records.arithmetic import findings_of_order
from fhir_infusion.records.check import check
from fhir_infusion.records.not_infusions import ATC, RXNORM, SNOMED
from tests.records.found import Record, given_, order

NDC = "http://hl7.org/fhir/sid/ndc"
LOCAL = "urn:oid:2.16.840.1.113883.3.9999"
NULL = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def drug(text: str = "", *codings: tuple[str, ...]) -> Record:
    parts = [dict(zip(("system", "code", "display"), one, strict=False)) for one in codings]
    return {**({"text": text} if text else {}), **({"codings": parts} if parts else {})}


def bag(*ingredients: Record, **more: Any) -> Record:
    return {"preparation": {"ingredients": list(ingredients)}, **more}


def holds(concept: Record, role: str | None = None, **more: Any) -> Record:
    return {"drug": concept, **({"role": role} if role else {}), **more}


def told(ordered: Record, record: Record) -> list[tuple[str, str]]:
    assert check(ordered)
    assert check(record)
    return [(one.path, one.reason) for one in findings_of_order(ordered, record) if one.rule == "another-drug"]


MORPHINE = (RXNORM, "7052", "morphine")
HYDROMORPHONE = (RXNORM, "3423", "hydromorphone")
BRANDS = "a brand, or a product of it, may be the same"
BY_CODE = f"their codes (RxNorm) and names were compared, and differ; {BRANDS}"
BY_NAME = "their names were compared, and differ"

OTHERS = [
    (drug("", MORPHINE), drug("", HYDROMORPHONE), BY_CODE),
    (drug("", (RXNORM, "7052")), drug("", (RXNORM, "3423")), BY_CODE),
    (drug("", (LOCAL, "1")), drug("", (LOCAL, "2")), BY_CODE.replace("RxNorm", "another system")),
    (drug("trastuzumab", (RXNORM, "224905")), drug("", (RXNORM, "1371041", "ado-trastuzumab emtansine")), BY_CODE),
    (drug("calcium chloride", (RXNORM, "1901")), drug("calcium gluconate", (RXNORM, "1908")), BY_CODE),
    (
        drug("amphotericin B", (ATC, "J02AA01"), (RXNORM, "732")),
        drug("amphotericin B liposomal", (ATC, "J02AA01"), (RXNORM, "236594")),
        BY_CODE.replace("RxNorm", "RxNorm, ATC"),
    ),
    (drug("potassium chloride"), drug("sodium chloride"), BY_NAME),
    (drug("trastuzumab 440 mg"), drug("trastuzumab emtansine 160 mg"), BY_NAME),
    (drug("morphine", (NDC, "00409-1890-01")), drug("hydromorphone", (NDC, "00409-3356-01")), BY_NAME),
    (drug("", (SNOMED, "373529000", "Morphine")), drug("hydromorphone 1 mg/mL"), BY_NAME),
    (drug("morphine", (NULL, "unknown")), drug("ketamine", (NULL, "unknown")), BY_NAME),
]


@pytest.mark.parametrize(("ordered", "got", "how"), OTHERS)
def test_another_drug_is_told_with_what_was_compared_and_without_a_word_of_it(ordered, got, how):
    said = f"it is not the drug at drug of the order: {how}"
    assert told(order(drug=ordered), given_(drug=got)) == [("drug", said)]
    assert told(order(drug=ordered), given_(drug=got, status="not-done")) == []
    assert told(order(drug=ordered), given_(drug=ordered)) == []


SAME = {
    "one code of several is the same": (drug("", (RXNORM, "1"), MORPHINE), drug("", (RXNORM, "2"), MORPHINE)),
    "a product and its ingredient": (
        drug("", (RXNORM, "11124", "vancomycin")),
        drug("", (RXNORM, "1807508", "vancomycin 1000 MG Injection")),
    ),
    "a product with its brand": (
        drug("", (RXNORM, "191831", "infliximab")),
        drug("", (RXNORM, "1", "infliximab 100 MG Injection [Remicade]")),
    ),
    "packages of two makers": (drug("morphine inj", (NDC, "1")), drug("Morphine 10 mg/mL", (NDC, "2"))),
    "packages of which nothing else is known": (drug("", (NDC, "1")), drug("", (NDC, "2"))),
    "codes of two systems": (drug("", (SNOMED, "1")), drug("", MORPHINE)),
    "a text that says more": (drug("vancomycin"), drug("Vancomycin 1 g in 250 mL NS (IVPB)")),
    "two names of two countries": (drug("adrenaline 1 mg"), drug("Epinephrine")),
    "no name that says which": (drug("1 g/250 mL"), drug("infusion")),
    "an ATC code alone": (drug("", (ATC, "J02AA01")), drug("", (ATC, "J02AA01"))),
}


@pytest.mark.parametrize(("ordered", "got"), SAME.values(), ids=SAME)
def test_the_same_drug_under_another_code_or_name_and_what_nobody_can_compare_is_not_told(ordered, got):
    assert told(order(drug=ordered), given_(drug=got)) == []
    assert told(order(drug=got), given_(drug=ordered)) == []


SALINE, GLUCOSE = drug("sodium chloride 0.9 %"), drug("glucose 5 %")
MIXED = order(**bag(holds(drug("", MORPHINE)), holds(SALINE)), drug=drug("PCA bag", (LOCAL, "1")))
STATED = order(**bag(holds(drug("bupivacaine"), "active"), holds(drug("fentanyl"), "additive"), holds(SALINE, "base")))


def in_bag(*ingredients: Record) -> Record:
    return given_(**bag(*ingredients), drug=drug("PCA bag", (LOCAL, "1")))


def test_mixtures_are_compared_by_ingredient_whatever_the_bag_is_called():
    said = f"it is not the drug at preparation.ingredients[0].drug of the order: {BY_CODE}"
    swapped = in_bag(holds(SALINE), holds(drug("", HYDROMORPHONE)))
    assert told(MIXED, swapped) == [("preparation.ingredients[1].drug", said)]
    more = in_bag(
        holds(drug("bupivacaine"), "active"), holds(drug("fentanyl"), "active"), holds(drug("KCl"), "additive")
    )
    assert [place for place, _ in told(STATED, more)] == ["preparation.ingredients[2].drug"]


def test_an_ingredient_that_is_said_to_be_one_and_is_missing_is_told():
    without = in_bag(holds(drug("bupivacaine"), "active"), holds(SALINE, "base"))
    how = "the codes and names of its ingredients were compared with it, and differ"
    said = f"it is without preparation.ingredients[1].drug of the order: {how}"
    assert told(STATED, without) == [("preparation", said)]


@pytest.mark.parametrize(
    "record",
    [
        in_bag(holds(drug("", MORPHINE)), holds(SALINE)),
        in_bag(holds(drug("", MORPHINE)), holds(drug("NS"))),
        in_bag(holds(drug("", MORPHINE))),
        in_bag(holds(drug("", MORPHINE), "active"), holds(GLUCOSE, "base")),
        in_bag(holds(drug("", MORPHINE)), holds(drug("water"), quantity_sufficient=True)),
        in_bag(holds(drug("", MORPHINE)), holds(drug("water"), is_active=False)),
        in_bag(holds(drug("", HYDROMORPHONE)), {"reference": {"reference": "Substance/1"}}),
        in_bag(holds(drug("", (SNOMED, "1"))), holds(SALINE)),
    ],
)
def test_diluents_that_a_list_leaves_out_or_names_so_and_what_is_unknown_are_not_told(record):
    assert told(MIXED, record) == []


def test_a_drug_with_no_ingredients_stated_is_held_against_the_whole_or_the_only_ingredient():
    whole, inside = order(drug=drug("", MORPHINE)), bag(holds(drug("", HYDROMORPHONE)), holds(SALINE, "base"))
    unnamed = {name: value for name, value in given_(**inside).items() if name != "drug"}
    assert [place for place, _ in told(whole, unnamed)] == ["preparation.ingredients[0].drug"]
    assert told(order(drug=drug("", HYDROMORPHONE)), unnamed) == []
    assert [place for place, _ in told(STATED | {"drug": drug("PCEA")}, given_(drug=drug("saline")))] == ["drug"]
    assert told(STATED | {"drug": drug("PCEA")}, given_(drug=drug("fentanyl"))) == []
    elsewhere = {
        name: value for name, value in given_(medication={"reference": "Medication/1"}).items() if name != "drug"
    }
    assert told(STATED, elsewhere) == []
