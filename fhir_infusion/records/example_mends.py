"""What chance alone would get wrong in a generated record: each mend takes back or adds what a rule asks for."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.records.example_values import LATER, WORDS
from fhir_infusion.records.parts import DOSAGE, is_dosed
from fhir_infusion.records.quantity_rules import is_above

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fhir_infusion.records.examples import Maker

Record = dict[str, Any]


def _keep_one(*names: str) -> Callable[[Record, Maker], None]:
    def mend(made: Record, maker: Maker) -> None:
        stated = [name for name in names if name in made]
        kept = maker.choose(stated) if stated else ""
        for name in stated:
            if name != kept:
                del made[name]

    return mend


def _mend_range(made: Record, maker: Maker) -> None:
    for limit in made.values():
        _plain(limit, maker)
    if len(made) == 2:
        low, high = made["low"], made["high"]
        if maker.chance(0.7):
            made["high"] = {**low, "value": 1_000_000_000}
        elif "value" in low and "value" in high and is_above(low, high):
            made["low"], made["high"] = high, low


def _plain(quantity: Record, maker: Maker) -> None:
    quantity.pop("comparator", None)
    if not quantity:
        quantity["value"] = maker.number()


def _mend_ratio(made: Record, maker: Maker) -> None:
    _plain(made["denominator"], maker)
    if not made["denominator"].get("value", 1):
        made["denominator"]["value"] = maker.number()


def _mend_period(made: Record, maker: Maker) -> None:
    if "end" in made:
        made["end"] = maker.choose(LATER)


def _mend_span(made: Record, maker: Maker) -> None:
    if "max" in made:
        made.setdefault("value", maker.number())
    if "value" in made:
        made.setdefault("unit", maker.choose(("min", "h", "d")))


def _mend_timing(made: Record, maker: Maker) -> None:
    if "count_max" in made:
        made.setdefault("count", maker.below(5) + 1)
    if "period_max" in made:
        made.setdefault("period", maker.number())
    if "period" in made:
        made.setdefault("period_unit", maker.choose(("h", "d", "wk")))
    if "offset" in made and not {"C", "CM", "CD", "CV"}.isdisjoint(made.get("when", ["C"])):
        made["when"] = ["AC", "HS"][: maker.below(2) + 1]
    if "when" in made:
        made.pop("times_of_day", None)


def _mend_step(made: Record, _maker: Maker) -> None:
    if made.get("as_needed") is False:
        made.pop("as_needed_for", None)


def _mend_ingredient(made: Record, maker: Maker) -> None:
    if "drug" not in made and "reference" not in made:
        made["drug"] = maker.part("Concept", 3)


def _mend_performer(made: Record, maker: Maker) -> None:
    if "actor" not in made and "actor_concept" not in made:
        made["actor"] = maker.part("Reference", 3, target="Practitioner")


def _mend_structure(made: Record, maker: Maker) -> None:
    made.setdefault("structure_id", maker.key())
    made.setdefault("location", maker.part("Concept", 2))
    made.setdefault("patient", maker.part("Reference", 3, target="Patient"))


def _mend_substitution(made: Record, maker: Maker) -> None:
    if "allowed" not in made and "allowed_kind" not in made:
        made["allowed"] = maker.chance(0.5)


def _mend_patient(made: Record, maker: Maker) -> None:
    if not made.keys() & {"reference", "identifier", "other_identifiers", "name"}:
        made["identifier"] = maker.part("Identifier", 3)


def _mend_occurrence(made: Record, maker: Maker) -> None:
    period = made.keys() & {"start", "end"}
    kept = "timing" if "timing" in made else "at" if "at" in made and (not period or maker.chance(0.6)) else ""
    if kept:
        for name in [name for name in made if name != kept]:
            del made[name]
    else:
        made.pop("at", None)
        _mend_period(made, maker)


def _mend_drug(made: Record, maker: Maker) -> None:
    if "medication" in made and not made.keys() & {"drug", "preparation"}:
        return
    made.pop("medication", None)
    if "preparation" in made:
        if "ingredients" not in made["preparation"]:
            made.setdefault("drug", maker.part("Concept", 2))
    elif "drug" not in made:
        if maker.chance(0.5):
            made["drug"] = maker.part("Concept", 2)
        else:
            made["medication"] = maker.part("Reference", 2, target="Medication")


def _mend_measurements(made: Record, maker: Maker) -> None:
    if "preparation" in made and maker.chance(0.5):
        made["preparation"]["preparation_id"] = maker.key()
    used = {made.get("preparation", {}).get("preparation_id", "preparation")}
    for measurement in made.get("measurements", ()):
        if measurement.get("measurement_id", measurement["kind"]) in used:
            measurement["measurement_id"] = maker.key()
        used.add(measurement.get("measurement_id", measurement["kind"]))


def _mend_reasons(made: Record, maker: Maker) -> None:
    for reason in made.get("reasons", ()):
        if not reason.keys() & {"codings", "text"}:
            reason["text"] = maker.choose(WORDS)


def _mend_order(made: Record, _maker: Maker) -> None:
    if "do_not_perform" in made:
        made["do_not_perform"] = False


def _mend_administration(made: Record, maker: Maker) -> None:
    if made.get("representation") == "split":
        if "segments" in made:
            _mend_split(made, maker)
        else:
            made["representation"] = "single"
    if made.keys() & {"text", *DOSAGE} and made.get("representation") != "split":
        made.setdefault("dose_given", maker.part("Quantity", 1, role="amount"))
    if made.get("representation") == "split" and not any("dose" in segment for segment in made["segments"]):
        made.setdefault("dose_given", maker.part("Quantity", 1, role="amount"))


def _mend_split(made: Record, maker: Maker) -> None:
    made.setdefault("administration_id", "administration-1")
    made.pop("dose_total", None)
    for segment in made["segments"]:
        segment.setdefault("segment_id", maker.key())
        segment.setdefault("start", "2024-03-31T02:30:00Z")
    if any("dose" in segment for segment in made["segments"]):
        made.pop("text", None)
    dosed = [segment for segment in made["segments"] if is_dosed(segment)]
    for segment in dosed[:1]:
        segment.pop("body_site", None)


MEND: Final[Mapping[str, tuple[Callable[[Record, Maker], None], ...]]] = MappingProxyType(
    {
        "Range": (_mend_range,),
        "Ratio": (_mend_ratio,),
        "PeriodLimit": (_mend_ratio,),
        "Period": (_mend_period,),
        "Span": (_mend_span,),
        "Timing": (_keep_one("bounds_period", "bounds_length", "bounds_range"), _mend_timing),
        "Step": (_mend_step, _keep_one("body_structure", "site_reference")),
        "Dosing": (_keep_one("dose", "dose_range"), _keep_one("rate", "rate_range", "rate_ratio", "rate_as_stated")),
        "Segment": (_keep_one("rate", "rate_ratio", "rate_as_stated"), _mend_period),
        "Ingredient": (
            _keep_one("strength", "amount", "strength_concept"),
            _keep_one("drug", "reference"),
            _mend_ingredient,
        ),
        "Performer": (_mend_performer,),
        "BodyStructure": (_mend_structure,),
        "Substitution": (_keep_one("allowed", "allowed_kind"), _mend_substitution),
        "Note": (_keep_one("author", "author_name"),),
        "Patient": (_mend_patient,),
        "Occurrence": (_mend_occurrence,),
        "InfusionOrder": (_mend_drug, _mend_measurements, _mend_reasons, _mend_order),
        "Administration": (
            _keep_one("body_structure", "site_reference"),
            _mend_drug,
            _mend_measurements,
            _mend_reasons,
            _mend_administration,
        ),
    }
)
