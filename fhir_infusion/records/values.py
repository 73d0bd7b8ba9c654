"""The values that orders and administrations are made of: quantities, concepts, references, times.

Every object is immutable. A list's elements carry the key named ``…_id``: FHIR's ``Element.id`` where the source had
one, else absent, or a derived key (``~…``) where something kept aside must find the element again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fhir_infusion.records.kinds import (
    Code,
    Date,
    DateTime,
    Flag,
    Key,
    Markdown,
    Number,
    Text,
    Uri,
    several,
    stated,
)

Comparator = Literal["<", "<=", ">=", ">"]
GroupRelation = Literal[
    "premedication", "hydration", "test-dose", "main", "alternative", "post-hydration", "rescue", "supportive"
]
MeasurementKind = Literal[
    "actual-weight",
    "ideal-weight",
    "adjusted-weight",
    "dosing-weight",
    "height",
    "body-surface-area",
    "gfr",
    "creatinine-clearance",
    "target-auc",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A measured amount. ``unit`` is a UCUM code unless ``unit_system`` names another system."""

    value: Number | None = stated("The number, with every digit as it was written.")
    comparator: Comparator | None = stated("How the number is to be understood where it is a bound.")
    unit: Code | None = stated("The coded unit: UCUM, unless unit_system names another system.")
    unit_system: Uri | None = stated("The system of the unit where it is not UCUM.")
    unit_text: Text | None = stated("The unit as the sender wrote it; the only unit where no code was sent.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From low to high, both inclusive."""

    low: Quantity | None = stated("The lower limit.")
    high: Quantity | None = stated("The upper limit.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One quantity per another: 400 mg per 500 mL, 1000 mL per 8 h. Never normalised."""

    numerator: Quantity | None = stated("The amount.")
    denominator: Quantity | None = stated("What the amount is in, or per.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From start to end; precision and offset as given."""

    start: DateTime | None = stated("First moment.")
    end: DateTime | None = stated("Last moment.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A length of time with an optional upper limit, sharing one unit of time (UCUM: s min h d wk mo a)."""

    value: Number | None = stated("The length.")
    max: Number | None = stated("The longest length, where the length is a range.")
    unit: Literal["s", "min", "h", "d", "wk", "mo", "a"] | None = stated("Unit of both.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """One code of one system."""

    coding_id: Key | None = stated("Key of this coding.", key=True)
    system: Uri | None = stated("The code system.")
    version: Text | None = stated("The version of the code system.")
    code: Code | None = stated("The code.")
    display: Text | None = stated("What the code means, in words.", describes=True)
    user_selected: Flag | None = stated("Whether a person chose this coding.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """A coded meaning, in as many code systems as were sent, and its text."""

    concept_id: Key | None = stated("Key of this concept, where it stands in a list.", key=True)
    codings: tuple[Coding, ...] = several("The codes, in the order given.")
    text: Text | None = stated("The meaning as the sender wrote it.", describes=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A business identifier: unique within its system."""

    identifier_id: Key | None = stated("Key of this identifier, where it stands in a list.", key=True)
    use: Literal["usual", "official", "temp", "secondary", "old"] | None = stated("What the identifier is used for.")
    type: Concept | None = stated("The kind of identifier, such as MR (medical record number).")
    system: Uri | None = stated("The namespace.")
    value: Text | None = stated("The identifier within the namespace.")
    period: Period | None = stated("When it is or was valid.")
    assigner: LogicalReference | None = stated("Who issued it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalReference:
    """A reference without nesting: who issued an identifier."""

    reference: Text | None = stated("Literal reference, such as Organization/7.")
    type: Uri | None = stated("The type of the target.")
    identifier_system: Uri | None = stated("Namespace of the target's identifier.")
    identifier_value: Text | None = stated("The target's identifier.")
    display: Text | None = stated("The target in words.", describes=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Points to a person, place or thing that has its own identity."""

    reference_id: Key | None = stated("Key of this reference, where it stands in a list.", key=True)
    reference: Text | None = stated(
        "Literal reference: Practitioner/7, an absolute URL, or #id of a contained resource."
    )
    type: Uri | None = stated("The type of the target.")
    identifier: Identifier | None = stated("The target's business identifier.")
    display: Text | None = stated("The target in words.", describes=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyStructure:
    """A site on the body that a concept alone does not name: with its side and position. FHIR BodyStructure."""

    structure_id: Key | None = stated("Key: id of the contained BodyStructure.", key=True)
    location: Concept | None = stated("Where on the body.")
    qualifiers: tuple[Concept, ...] = several("Side and position: left, upper.")
    description: Text | None = stated("The site in words.", describes=True)
    patient: Reference | None = stated("Whose body.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptOrReference:
    """A coded meaning, or a pointer to a resource that says it (R5 CodeableReference)."""

    entry_id: Key | None = stated("Key of this entry, where it stands in a list.", key=True)
    codings: tuple[Coding, ...] = several("The codes, in the order given.")
    text: Text | None = stated("The meaning as the sender wrote it.", describes=True)
    reference: Reference | None = stated("The resource that says more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark in words, with its author and time."""

    note_id: Key | None = stated("Key of this note.", key=True)
    text: Markdown | None = stated("The remark.")
    author: Reference | None = stated("Who wrote it, as a reference.")
    author_name: Text | None = stated("Who wrote it, as a name.")
    time: DateTime | None = stated("When it was written.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The patient, as far as an order or administration says who it is."""

    reference: Text | None = stated("Literal reference, such as Patient/7.")
    type: Uri | None = stated("The type of the target, where it was sent.")
    identifier: Identifier | None = stated("The identifier that names the patient: usually the medical record number.")
    other_identifiers: tuple[Identifier, ...] = several("Further identifiers of the same patient.")
    name: Text | None = stated("The patient's name in words.", describes=True)
    birth_date: Date | None = stated("Date of birth, with the precision given.")
    sex: Literal["male", "female", "other", "unknown"] | None = stated("Administrative sex.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A measured or computed value that the dose depends on, such as the weight used."""

    measurement_id: Key | None = stated("Key of this measurement.", key=True)
    kind: MeasurementKind | None = stated("What was measured, and for weight which one.", required=True)
    codings: tuple[Coding, ...] = several("Further codes of what was measured, such as LOINC.")
    text: Text | None = stated("What was measured, in words.")
    value: Quantity | None = stated("The value, as it was measured.")
    value_used: Quantity | None = stated("What the dose was calculated with, where the value was capped or rounded.")
    time: DateTime | None = stated("When it was measured.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """One ingredient of a preparation."""

    ingredient_id: Key | None = stated("Key of this ingredient.", key=True)
    drug: Concept | None = stated("The substance or product, coded.")
    reference: Reference | None = stated("The substance or product, as a reference.")
    role: Literal["active", "base", "additive"] | None = stated(
        "Active substance, base solution or additive (HL7 v2 RXC-1)."
    )
    is_active: Flag | None = stated(
        "Whether the ingredient has the therapeutic effect (Medication.ingredient.isActive)."
    )
    strength: Ratio | None = stated("Amount per amount: 20 mmol per 1000 mL.")
    amount: Quantity | None = stated("Amount of this ingredient in the preparation, where no per is stated.")
    strength_concept: Concept | None = stated("Strength as a code or words (R5).")
    precision: Coding | None = stated("Whether drug and strength name the salt or the substance in it.")
    quantity_sufficient: Flag | None = stated("Whether the ingredient fills up to the total volume (q.s.).")
    lot_number: Text | None = stated("Lot of this ingredient.")
    expires_at: DateTime | None = stated("Expiry of this lot.")
    unit_number: Text | None = stated("Donation or unit number of a blood product.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is in the bag, syringe or pump: goes to FHIR as a Medication."""

    preparation_id: Key | None = stated("Key: id of the contained Medication; absent means `preparation`.", key=True)
    identifiers: tuple[Identifier, ...] = several("Business identifiers of the Medication.")
    status: Literal["active", "inactive", "entered-in-error"] | None = stated("Medication.status.")
    form: Concept | None = stated("Dose form.")
    manufacturer: Reference | None = stated("Who made or holds the authorisation.")
    amount: Ratio | None = stated("Amount of drug in the package (R4 Medication.amount).")
    total_volume: Quantity | None = stated("Volume of the whole preparation.")
    ingredients: tuple[Ingredient, ...] = several("The ingredients.")
    lot_number: Text | None = stated("Lot of the preparation.")
    expires_at: DateTime | None = stated("Expiry of the preparation.")
    beyond_use: DateTime | None = stated("Beyond-use time after compounding.")
    final_concentration: Ratio | None = stated("Concentration of the finished preparation.")
    container: Concept | None = stated("Bag, syringe, elastomeric pump …")
    diluent_restriction: Text | None = stated("Which diluents must or must not be used.")
    filter: Text | None = stated("In-line filter needed, such as 0.22 micron.")
    light_protection: Flag | None = stated("Whether it must be protected from light.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How this order or administration belongs to others: one regimen, protocol or cycle."""

    identifier: Identifier | None = stated("Identifier shared by all members (MedicationRequest.groupIdentifier).")
    regimen: Text | None = stated("Name of the regimen.")
    protocol: Text | None = stated("Name of the protocol.")
    cycle: int | None = stated("Which cycle, counted from 1.")
    cycles: int | None = stated("How many cycles are planned.")
    position: int | None = stated("Position within the group, counted from 1.")
    relation: GroupRelation | None = stated("What this member is to the group.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """One element of a FHIR resource, or of a site's JSON, that no record field holds; it goes back where it was.

    ``path`` is relative to the whole and uses keys, never indexes; ``after`` is the key of the preceding sibling.
    """

    release: Code | None = stated(
        "What it was read from: the FHIR release (R4, R4B, R5), or a site's format (format:NAME).", required=True
    )
    path: Text | None = stated("Where it belongs.", required=True)
    after: Text | None = stated("Key of the element it follows, where it stands in a list.")
    value: object = stated("The FHIR JSON, unchanged.")
