"""Administration: what was given, when, how fast, by whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fhir_infusion.records.kinds import (
    Code,
    DateTime,
    Flag,
    Key,
    ResourceId,
    Text,
    UnsignedInt,
    Uri,
    several,
    stated,
)
from fhir_infusion.records.order import CareSetting, Pump, Timing, VascularAccess
from fhir_infusion.records.values import (
    BodyStructure,
    Concept,
    ConceptOrReference,
    Group,
    Identifier,
    Measurement,
    Note,
    Patient,
    Preparation,
    Quantity,
    Ratio,
    Reference,
    Residue,
)

AdministrationStatus = Literal[
    "in-progress", "not-done", "on-hold", "completed", "entered-in-error", "stopped", "unknown"
]
SegmentEvent = Literal[
    "started",
    "rate-changed",
    "rate-verified",
    "bolus",
    "paused",
    "resumed",
    "bag-changed",
    "site-changed",
    "stopped",
    "completed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """When it was given: a moment, a period, or (R5) a timing."""

    at: DateTime | None = stated("A moment.")
    start: DateTime | None = stated("Start of a period.")
    end: DateTime | None = stated("End of a period.")
    timing: Timing | None = stated("A timing (R5).")


@dataclass(frozen=True, slots=True, kw_only=True)
class Performer:
    """Who did it, in which function."""

    performer_id: Key | None = stated("Key of this performer.", key=True)
    function: Concept | None = stated("Nurse, home nurse, patient, carer, witness …")
    actor: Reference | None = stated("Who.")
    actor_concept: Concept | None = stated("Which kind of performer, where no one is named (R5).")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """Which bag, syringe, cassette or blood unit ran, of several that were hung one after the other."""

    number: Text | None = stated("Its number or label.")
    lot_number: Text | None = stated("Its lot.")
    expires_at: DateTime | None = stated("Its expiry, or its beyond-use time where that is earlier.")
    unit_number: Text | None = stated("Donation or unit number of a blood product.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of the infusion at one rate. FHIR: each rate is its own MedicationAdministration."""

    segment_id: Key | None = stated("Key of this segment.", key=True)
    event: SegmentEvent | None = stated("What began the segment (or ended the infusion).")
    start: DateTime | None = stated("From.")
    end: DateTime | None = stated("To.")
    rate: Quantity | None = stated("Rate in a unit per time.")
    rate_ratio: Ratio | None = stated("Amount per time as stated.")
    rate_as_stated: Quantity | None = stated("What the sender put where a rate belongs, its unit not being per time.")
    rate_text: Text | None = stated("The rate in words.", describes=True)
    dose: Quantity | None = stated("Drug given in this segment.")
    volume: Quantity | None = stated("Volume given in this segment.")
    reason: Concept | None = stated("Why the change.")
    performer: Reference | None = stated("Who made the change.")
    bag: Bag | None = stated("From which bag, where there were several.")
    body_site: Concept | None = stated("Where, from here on, if no longer where the administration says.")
    vascular_access: VascularAccess | None = stated("Through which line, if not that of the administration.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """What was drawn up but not given, and who saw it."""

    waste_id: Key | None = stated("Key of this entry.", key=True)
    amount: Quantity | None = stated("How much.")
    reason: Text | None = stated("Why.")
    witness: Reference | None = stated("Who saw it.")
    time: DateTime | None = stated("When.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """A reaction to the infusion."""

    reaction_id: Key | None = stated("Key of this reaction.", key=True)
    what: Concept | None = stated("Manifestation.")
    time: DateTime | None = stated("Onset.")
    severity: Literal["mild", "moderate", "severe"] | None = stated("Severity.")
    action: Text | None = stated("What was done.")
    rechallenge: Text | None = stated("Whether and how the infusion was resumed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extravasation:
    """Drug outside the vein."""

    time: DateTime | None = stated("When it was seen.")
    site: Concept | None = stated("Where.")
    volume: Quantity | None = stated("Estimated volume.")
    action: Text | None = stated("What was done.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandCounts:
    """Patient-controlled analgesia: demands made and served."""

    attempts: UnsignedInt | None = stated("Demands made.")
    deliveries: UnsignedInt | None = stated("Demands served.")
    delivered: Quantity | None = stated("Drug given on demand.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction of this record."""

    correction_id: Key | None = stated("Key of this correction.", key=True)
    time: DateTime | None = stated("When.")
    what: Text | None = stated("What was corrected.")
    performer: Reference | None = stated("Who corrected it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """What was given. Source: MedicationAdministration R4/R5."""

    record: Literal["Administration"] | None = stated("Tells records apart.")
    resource_id: ResourceId | None = stated("The FHIR resource's id, where it has one.")
    language: Code | None = stated("Language of the content.")
    administration_id: Text | None = stated("The sender's identifier, in the configured administration system.")
    identifiers: tuple[Identifier, ...] = several("Other identifiers.")
    representation: Literal["split", "single"] | None = stated(
        "Whether rate changes become a parent and children (split) or one resource (single)."
    )
    order: Reference | None = stated("The order that it carries out.")
    group: Group | None = stated("The regimen or cycle it belongs to.")
    based_on: tuple[Reference, ...] = several("Plans that it fulfils (R5).")
    protocols: tuple[Uri, ...] = several("Protocols followed (R4 MedicationAdministration.instantiates).")
    part_of: tuple[Reference, ...] = several("The administration or procedure that it is part of.")
    status: AdministrationStatus | None = stated("State.", required=True)
    status_reasons: tuple[Concept, ...] = several("Why it is in this state, or was not given.")
    categories: tuple[Concept, ...] = several("Kinds of administration.")
    care_setting: CareSetting | None = stated("Where it was given.")
    dose_basis: Concept | None = stated("What the dose was normalised by: weight, body surface area, or nothing.")
    treatment_intent: Concept | None = stated("Curative, palliative …")
    drug: Concept | None = stated("The drug; with a preparation, the Medication's code.")
    medication: Reference | None = stated("The drug, as a reference to a Medication elsewhere.")
    preparation: Preparation | None = stated("What was in the bag: brand, lots, unit numbers.")
    patient: Patient | None = stated("To whom.", required=True)
    encounter: Reference | None = stated("During which encounter (R4: or episode of care).")
    location: Reference | None = stated("At which place.")
    measurements: tuple[Measurement, ...] = several("Weight … used.")
    supporting: tuple[Reference, ...] = several("Other supporting information.")
    when: Occurrence | None = stated("When it was given.")
    recorded_at: DateTime | None = stated("When it was recorded.")
    sub_potent: Flag | None = stated("Whether less than the full dose was effective.")
    sub_potent_reasons: tuple[Concept, ...] = several("Why.")
    performers: tuple[Performer, ...] = several("Who gave it.")
    reasons: tuple[ConceptOrReference, ...] = several("Indications, coded.")
    reason_references: tuple[Reference, ...] = several("Indications, as references.")
    devices: tuple[ConceptOrReference, ...] = several("Devices used.")
    notes: tuple[Note, ...] = several("Remarks.")
    text: Text | None = stated("The dosage in words.", describes=True)
    route: Concept | None = stated("How it entered the body.")
    body_site: Concept | None = stated("Where.")
    body_structure: BodyStructure | None = stated("The site with its side, as a structure of its own.")
    site_reference: Reference | None = stated("The site as a BodyStructure elsewhere.")
    method: Concept | None = stated("Technique.")
    dose_given: Quantity | None = stated("Drug given in all; where this is sent as parts, each part has its own.")
    dose_total: Quantity | None = stated("Total over the parts that are administrations of their own; never summed.")
    volume_given: Quantity | None = stated("Volume given in all.")
    infuse_over: Quantity | None = stated("How long it was set to run.")
    segments: tuple[Segment, ...] = several("The stretches at one rate.")
    waste: tuple[Waste, ...] = several("What was not given.")
    vascular_access: VascularAccess | None = stated("The line used.")
    pump: Pump | None = stated("The pump used: device, serial number, channel.")
    reactions: tuple[Reaction, ...] = several("Reactions.")
    extravasation: Extravasation | None = stated("Drug outside the vein.")
    demand_counts: DemandCounts | None = stated("Patient-controlled analgesia.")
    corrections: tuple[Correction, ...] = several("Corrections of this record.")
    event_history: tuple[Reference, ...] = several("Provenance of events.")
    residue: tuple[Residue, ...] = several("What no field holds, kept to go back.")
