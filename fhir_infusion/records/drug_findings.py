"""Whether an administration gives another drug than its order's: a warning that says what was compared, never more.

Two codes of one system may be one drug: a product and its ingredient in RxNorm, a brand and its substance. So what has
codes of a system that both know is another drug where no code is the same and the names, without strengths, units and
forms, are not the same either; where no system is known to both, names decide: they are another drug's where neither
holds all words of the other. What cannot be compared (a reference to a Medication elsewhere) is not told. Mixtures are
compared by ingredient, since the code of a bag is seldom the code of what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fhir_infusion.records.findings import finding
from fhir_infusion.records.not_infusions import ATC, RXNORM, SNOMED

if TYPE_CHECKING:
    from fhir_infusion.errors import Issue

Part = Mapping[str, Any]
Words = frozenset[str]

_SYSTEMS: Final[Mapping[str, str]] = MappingProxyType({RXNORM: "RxNorm", SNOMED: "SNOMED CT", ATC: "ATC"})
_PACKAGES: Final = frozenset({
    "http://hl7.org/fhir/sid/ndc", "http://fhir.de/CodeSystem/ifa/pzn", "https://www.gs1.org/gtin",
})  # fmt: skip
"""Systems that number packages: the same drug has as many codes as it has makers and sizes."""
_NOTHING: Final = frozenset({
    "http://terminology.hl7.org/CodeSystem/data-absent-reason", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
})  # fmt: skip
"""Systems of codes that say that there is none."""

_BRAND: Final = re.compile(r"\[[^\]]*\]")
_WORD: Final = re.compile(r"[^\W\d_]\w*")
_FORMS: Final = frozenset({
    "mg", "mcg", "ug", "g", "kg", "ml", "l", "iu", "unit", "units", "meq", "mmol", "mol", "h", "hr", "hour", "per",
    "mega", "million", "percent", "iv", "ivpb", "intravenous", "in", "of", "for", "with", "and", "injection",
    "injectable", "inj", "solution", "soln", "infusion", "vial", "bag", "bottle", "syringe", "prefilled", "ampule",
    "ampoule", "premix", "premixed", "sterile", "powder", "concentrate", "cartridge",
})  # fmt: skip
"""Words of a name that say how a drug is packed, not which it is."""
_OTHERWISE: Final[Mapping[str, str]] = MappingProxyType({
    "ns": "sodium chloride", "saline": "sodium chloride", "nacl": "sodium chloride", "normal": "",
    "kcl": "potassium chloride",
    "dextrose": "glucose", "d5w": "glucose", "adrenaline": "epinephrine", "noradrenaline": "norepinephrine",
    "paracetamol": "acetaminophen", "lignocaine": "lidocaine", "frusemide": "furosemide", "acyclovir": "aciclovir",
    "ciclosporin": "cyclosporine", "pethidine": "meperidine", "salbutamol": "albuterol",
})  # fmt: skip
"""What the same drug or diluent is called in other countries, and in short."""
_KINDS: Final = frozenset({"liposomal", "liposome", "lipid", "bound", "emtansine", "deruxtecan", "hyaluronidase"})
"""Words that make another drug of one: trastuzumab emtansine, paclitaxel protein-bound, liposomal amphotericin B."""


@dataclass(frozen=True, slots=True)
class _Drug:
    """A drug at its place: its codes with their systems, and its names as sets of words."""

    path: str
    codes: frozenset[tuple[str, str]]
    systems: frozenset[str]
    names: tuple[Words, ...]
    counts: bool
    """Whether it is not what a drug is diluted in; an ingredient that nothing is said of may be."""
    stated: bool
    """Whether the record says so."""


class _Drugs(NamedTuple):
    """What a record says of its drug: as a whole (at most one), and of its ingredients."""

    whole: list[_Drug]
    ingredients: list[_Drug]


def another_drug(order: Part, record: Part) -> Iterator[Issue]:
    """Yield, once, that the drug or an ingredient given is not one of the order's."""
    asked, got = _drugs(order), _drugs(record)
    if asked.ingredients and got.ingredients:
        found = _of_mixtures(asked, got)
    else:
        chief, given = _chief(asked), _chief(got)
        found = None
        if chief and given and not _share(asked, got) and _are(given, chief) is False:
            found = given, chief
    if found is not None:
        given, ordered = found
        path = given.path if given else "preparation"
        said = (
            f"it is not the drug at {ordered.path} of the order"
            if given
            else f"it is without {ordered.path} of the order"
        )
        yield finding(path, f"{said}: {_compared(given, ordered)}", "another-drug", "the drug ordered, by any name")


def _of_mixtures(asked: _Drugs, got: _Drugs) -> tuple[_Drug | None, _Drug] | None:
    """Return an ingredient given and one ordered instead of it, or one ordered that is not in it, or nothing.

    What may be a diluent counts only where one stands for another: many a list leaves them out.
    """
    strange = [one for one in got.ingredients if one.counts and _is_none_of(one, asked)]
    missing = [one for one in asked.ingredients if one.counts and _is_none_of(one, got)]
    for one in strange:
        if one.stated or missing:
            return one, (missing or [other for other in asked.ingredients if other.counts] or asked.ingredients)[0]
    return next(((None, one) for one in missing if one.stated), None)


def _is_none_of(one: _Drug, others: _Drugs) -> bool:
    """Return whether a drug is certainly no ingredient of a preparation, nor what the whole is called."""
    return all(_are(one, other) is False for other in others.ingredients) and not any(
        _are(one, other) for other in others.whole
    )


def _chief(drugs: _Drugs) -> _Drug | None:
    """Return the drug of a record: what the whole is called, or the only ingredient that is no diluent."""
    inside = [one for one in drugs.ingredients if one.counts]
    return drugs.whole[0] if drugs.whole else inside[0] if len(inside) == 1 else None


def _share(asked: _Drugs, got: _Drugs) -> bool:
    """Return whether anything of one is in the other: a bag may be called by its drug, or by a name of its own."""
    return any(_are(*pair) for pair in product(_of_note(asked), _of_note(got)))


def _of_note(drugs: _Drugs) -> list[_Drug]:
    """Return the whole, and the ingredients but the diluent of a drug: that of two drugs is often the same."""
    return drugs.whole + ([one for one in drugs.ingredients if one.counts] or drugs.ingredients)


def _are(one: _Drug, other: _Drug) -> bool | None:
    """Return whether two are one drug, ``None`` where nobody can say.

    A code of ATC stands for a substance in all its kinds (liposomal or not), so it proves nothing beside other codes.
    """
    shared = one.systems & other.systems
    alike = {system for system, _ in one.codes & other.codes}
    if alike - {ATC} or (alike and shared == {ATC}):
        return True
    pairs = list(product(one.names, other.names))
    if any(left == right for left, right in pairs):
        return True
    if shared - _PACKAGES:
        return False
    return not all(_are_apart(left, right) for left, right in pairs) if pairs else None


def _are_apart(left: Words, right: Words) -> bool:
    return not (left <= right or right <= left) or not _KINDS.isdisjoint(left ^ right)


def _compared(given: _Drug | None, ordered: _Drug) -> str:
    if given is None:
        return "the codes and names of its ingredients were compared with it, and differ"
    shared = sorted((given.systems & ordered.systems) - _PACKAGES)
    if not shared:
        return "their names were compared, and differ"
    systems = ", ".join(dict.fromkeys(_SYSTEMS.get(system, "another system") for system in shared))
    return f"their codes ({systems}) and names were compared, and differ; a brand, or a product of it, may be the same"


def _drugs(record: Part) -> _Drugs:
    """Return what a record says of its drug: no ingredients where one is a reference, which may be any drug."""
    ingredients = record.get("preparation", {}).get("ingredients", ())
    known = all("drug" in ingredient for ingredient in ingredients)
    return _Drugs(
        [_drug("drug", record["drug"])] if "drug" in record else [],
        [_ingredient(at, one) for at, one in enumerate(ingredients)] if known else [],
    )


def _ingredient(at: int, part: Part) -> _Drug:
    role = part.get("role")
    diluent = role == "base" or part.get("is_active") is False or part.get("quantity_sufficient", False)
    stated = role is not None or "is_active" in part
    return _drug(f"preparation.ingredients[{at}].drug", part["drug"], counts=not diluent, stated=stated)


def _drug(path: str, concept: Part, *, counts: bool = True, stated: bool = True) -> _Drug:
    codings = [one for one in concept.get("codings", ()) if one.get("system") not in _NOTHING]
    codes = frozenset((one["system"], one["code"]) for one in codings if {"system", "code"} <= one.keys())
    texts = [concept.get("text", ""), *(one.get("display", "") for one in codings)]
    names = tuple(filter(None, map(_words, texts)))
    return _Drug(path, codes, frozenset(system for system, _ in codes), names, counts, stated)


@lru_cache(maxsize=1024)
def _words(name: str) -> Words:
    words = (word for word in _WORD.findall(_BRAND.sub("", name.casefold())) if word not in _FORMS)
    return frozenset(part for word in words for part in _OTHERWISE.get(word, word).split())
