"""Every finding by its rule: what is compared with what, and how far the two may lie apart.

``README.md`` beside this file is made from it, with an example of each.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Compared(NamedTuple):
    """What a finding compares, and its tolerance in words."""

    what: str
    tolerance: str


_SAME: Final = "5 %"
_PUMP: Final = "5 %, or half of the rate's last digit (at most 0.05 mL/h)"
_LIMIT: Final = "none; 1 % through a weight or a concentration"
_NONE: Final = "none"
_YES: Final = "—"

FINDINGS: Final[Mapping[str, Compared]] = MappingProxyType(
    {
        # an order: rate, time, dose, bag
        "rate-duration-volume": Compared(
            "Volume rate (of a range the lowest) x duration of the steps of one occasion, with the volume of the "
            "preparation. More than it holds, always; less, unless the order says why: continuous or "
            "patient-controlled, 24 h or without a break, a bolus before an open end, a dose that is a part of the "
            "bag, or all steps together empty it.",
            _PUMP,
        ),
        "rate-duration-dose": Compared(
            "Rate x duration, through weight and concentration where needed, with the dose; either may be of one "
            "ingredient. Of a range of rates or durations, what the least and the most make. Through the concentration "
            "only where the bag holds what runs.",
            _PUMP,
        ),
        "concentration-rate": Compared("Volume rate x concentration, with the drug rate beside it.", _PUMP),
        "calculated-dose": Compared(
            "The ordered dose or rate by weight, body surface, AUC (Calvert, GFR at most 125 mL/min) or concentration, "
            "with the calculated one, or with the other dose where nobody says which is which; a cap takes the rest "
            "(not more than four fifths), and a dose may be divided over the days.",
            _PUMP,
        ),
        "two-amounts": Compared(
            "Two doses, or two rates, of one step that are of one kind, of which nothing says which was ordered.", _SAME
        ),
        "measurement-unit": Compared(
            "The unit of a weight, height, body surface, clearance or AUC, with what these are measured in; of one "
            "that comes as an Observation, its unit in words, with its code.",
            _YES,
        ),
        "body-surface": Compared("Body surface by height and weight (Mosteller), with the one stated.", "10 %"),
        "zero-dose": Compared("A dose of 0 in an order that is active or completed.", _YES),
        # an order: limits
        "max-per-administration": Compared(
            "Dose, or rate x duration where no dose says it, with the cap of one administration.", _LIMIT
        ),
        "max-per-lifetime": Compared(
            "Dose x count, or x how often it comes within its bounds, with the cap of a life.", _LIMIT
        ),
        "max-rate": Compared("Rate, ceiling of the titration, or dose / duration, with the largest rate.", _LIMIT),
        "max-per-period": Compared(
            "Dose x times (by frequency, times of day, days of the week, meals, exact times or a code such as Q6H), or "
            "rate x running time, with the limit of a period; of steps that follow each other, or stand at other times "
            "of the day, the sum.",
            _LIMIT,
        ),
        "titration": Compared(
            "Start, floor and rates, with floor and ceiling; one step, with the window up to the ceiling; the start, "
            "with a rate that is ten times as much, or a tenth.",
            _LIMIT,
        ),
        "ramp": Compared(
            "Each rate of a ramp, with the one before; the last one of no stated duration, with the largest rate; "
            "a taper, with the plateau.",
            "none; the last rate 5 %",
        ),
        # patient-controlled analgesia
        "demand-dose": Compared("The dose of a demand step, with the demand dose.", _SAME),
        "pca-limit": Compared(
            "Demands that lockout and their number allow, and the basal rate, with the limit of a period: one demand "
            "has to fit, and a limit that lies above is said to limit nothing, with what binds.",
            _NONE,
        ),
        "demand-counts": Compared(
            "Demands made, served, what they delivered, and all that was given.", "none; doses 5 %"
        ),
        "demand-deliveries": Compared("Deliveries x the demand dose of the order, with what was delivered.", _SAME),
        # the bag
        "final-concentration": Compared(
            "Amount over volume, or strength, of the drug or of all its vials, with the final concentration.", _SAME
        ),
        "ingredient-volumes": Compared(
            "Sum of the volumes of the ingredients, with the volume of the preparation: not more; not less where all "
            "have a volume and none is filled up (q.s.).",
            _SAME,
        ),
        "more-than-bag": Compared(
            "Given + wasted after the start, with what the preparation held; not where the bag was changed.", _SAME
        ),
        "unit-numbers": Compared("Counted units given, with the unit numbers recorded.", _NONE),
        "dose-of-bag": Compared(
            "Dose, with what the preparation holds of the drug, where it runs for a stated time and at no stated rate.",
            "10 times as much",
        ),
        # an administration
        "rate-time-volume": Compared(
            "Rate x time of a segment, or of one that is completed at one rate, with its volume.", _PUMP
        ),
        "rate-time-dose": Compared("The same with the dose; either may be of one ingredient.", _PUMP),
        "segment-end": Compared(
            "The state of an administration, with its last segment: completed, with a start and no end, nor one of the "
            "whole.",
            _YES,
        ),
        "sum-of-segments-volume": Compared("Sum of the volumes of the segments, with the volume in all.", _SAME),
        "sum-of-segments-dose": Compared("Sum of the doses of the segments, with the dose in all.", _NONE),
        "concentration-dose": Compared("Volume given x concentration, with the dose given.", _SAME),
        "beyond-order": Compared(
            "Dose and rates given, with the order: a limit that each of its steps states, ten times all that it "
            "orders, or a completed dose that is a tenth; the time it took, with the least duration of each step; the "
            "route, with those ordered.",
            "a limit none, or 1 % through a weight or a concentration; the time 5 %; else 10 times",
        ),
        "another-drug": Compared(
            "The drug given, with the one ordered, of mixtures each ingredient: by the codes of a system that both "
            "have and the names without strength and form, or by the names alone where they share no system. Told "
            "where neither is the same; a brand, or a product and its substance, may be one drug all the same.",
            _YES,
        ),
        "order-ended": Compared(
            "What was given, with the state of its order: a draft, cancelled or entered in error; stopped or held "
            "before it began, or while it runs.",
            _YES,
        ),
        "dose-total-missing": Compared("Segments that carry doses, in one resource that says no total.", _YES),
        "dose-twice": Compared("A dose of an administration and of one that it is part of.", _YES),
        "not-done-dose": Compared("A dose above 0 in an administration that was not done.", _YES),
        # words, codes, routes
        "text-contradicts": Compared(
            "Each amount in the text, with the quantities of the record and what follows from them; units (of any "
            "activity) only where none of their kind in the text is right. The words of a step on its duration "
            "(over 4 hours), frequency (every 8 hours, twice a day) and route, where none of them is right.",
            "none; what follows, half of the last digit in the text (at most 5 %); a frequency 10 %",
        ),
        "words-only": Compared(
            "For information, once a record: what nothing was compared with, because it is given only in words (a "
            "dose, a rate, a limit that no field holds; of an administration, what was given), without a number, in "
            "a unit that has no UCUM code, or per {dose} where a time belongs.",
            _YES,
        ),
        "not-compared": Compared(
            "More than 20 doses and rates in one step, or measurements in one record: the others are compared with "
            "limits and words, not with each other.",
            _YES,
        ),
        "timing-code": Compared("The code of a timing (BID, Q6H), with its frequency and period.", _NONE),
        "timing-range": Compared("The most of a number, frequency, period or duration, with its least.", _NONE),
        "dose-gap": Compared(
            "The least time between two doses, with how often they come, and with the lockout.", _NONE
        ),
        "rate-per-time": Compared("The unit of what stands where a rate belongs.", _YES),
        "amount-per-time": Compared("The unit of what stands where a dose or volume belongs, or its cap.", _YES),
        "not-an-infusion": Compared(
            "A drug that is only injected; a route that nothing runs in by, with no rate.", _YES
        ),
    }
)
