"""InfusionOrder: what was ordered, for whom, how it is to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fhir_infusion.records.kinds import (
    Canonical,
    Code,
    DateTime,
    Flag,
    Key,
    Number,
    PositiveInt,
    ResourceId,
    Text,
    Time,
    UnsignedInt,
    Uri,
    several,
    stated,
)
from fhir_infusion.records.values import (
    BodyStructure,
    Coding,
    Concept,
    ConceptOrReference,
    Group,
    Identifier,
    Measurement,
    MeasurementKind,
    Note,
    Patient,
    Period,
    Preparation,
    Quantity,
    Range,
    Ratio,
    Reference,
    Residue,
    Span,
)

OrderStatus = Literal[
    "draft", "active", "on-hold", "completed", "stopped", "cancelled", "ended", "entered-in-error", "unknown"
]
OrderIntent = Literal[
    "proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"
]
InfusionType = Literal["push", "bolus", "intermittent", "extended", "continuous", "pca", "piggyback", "cyclic"]
CareSetting = Literal["hospital", "clinic", "infusion-centre", "home"]
StepRole = Literal["loading", "maintenance", "ramp", "taper", "basal", "demand", "bolus", "alternative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a step happens. Every field of FHIR's Timing has its place, and cycle days and weeks besides."""

    events: tuple[DateTime, ...] = several("Exact times.")
    code: Concept | None = stated("A named schedule, such as Q12H or BID.", describes=True)
    bounds_period: Period | None = stated("Within this period.")
    bounds_length: Quantity | None = stated("For this length of time.")
    bounds_range: Range | None = stated("For a length of time within this range.")
    count: PositiveInt | None = stated("Number of times.")
    count_max: PositiveInt | None = stated("Largest number of times.")
    duration: Span | None = stated("How long each time lasts: the infuse-over time.")
    frequency: PositiveInt | None = stated("How often per period.")
    frequency_max: PositiveInt | None = stated("At most how often per period.")
    period: Number | None = stated("The period that frequency counts in.")
    period_max: Number | None = stated("Upper limit of the period.")
    period_unit: Literal["s", "min", "h", "d", "wk", "mo", "a"] | None = stated("Unit of the period.")
    days_of_week: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = several("On these days.")
    times_of_day: tuple[Time, ...] = several("At these times.")
    when: tuple[Code, ...] = several("Relative to daily events (FHIR EventTiming).")
    offset: UnsignedInt | None = stated("Minutes from the daily event.")
    days_of_cycle: tuple[PositiveInt, ...] = several("On these days of the cycle, day 1 being the first.")
    cycle_length: Span | None = stated("Length of the cycle that days_of_cycle counts in.")
    weeks: tuple[UnsignedInt, ...] = several("In these weeks after the start, week 0 being the first.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dosing:
    """One statement of dose and rate. The ordered, the calculated and the unstated basis are three statements."""

    dosing_id: Key | None = stated("Key of this statement.", key=True)
    basis: Literal["ordered", "calculated"] | None = stated(
        "Absent means the sender did not say; it never means either."
    )
    basis_codings: tuple[Coding, ...] = several("Other codes of the basis.")
    basis_text: Text | None = stated("The basis in words.", describes=True)
    dose: Quantity | None = stated("Amount per administration.")
    dose_range: Range | None = stated("Allowed amount per administration.")
    rate: Quantity | None = stated("Rate in a unit per time: mL/h, mg/h, ug/kg/min.")
    rate_range: Range | None = stated("Allowed rate.")
    rate_ratio: Ratio | None = stated("Amount per time as stated: 1000 mL per 8 h; never normalised.")
    rate_as_stated: Quantity | None = stated("What the sender put where a rate belongs, its unit not being per time.")
    rate_text: Text | None = stated("The rate in words.", describes=True)
    calculated_from: tuple[MeasurementKind, ...] = several(
        "The measurements that it was calculated with, by their kind: which weight, or GFR and target AUC."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodLimit:
    """At most this much in this time: 20 mg in 4 h."""

    limit_id: Key | None = stated("Key of this limit.", key=True)
    numerator: Quantity | None = stated("The amount.")
    denominator: Quantity | None = stated("The time.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Titration:
    """How the rate is adjusted: start, step, interval, goal, floor, ceiling."""

    start: Quantity | None = stated("Rate to start with.")
    step: Quantity | None = stated("Change of rate per adjustment.")
    interval: Quantity | None = stated("Least time between adjustments.")
    goal: Text | None = stated("What to reach, in words.")
    goal_measure: Concept | None = stated("What is measured for the goal.")
    goal_range: Range | None = stated("The values to reach.")
    floor: Quantity | None = stated("Lowest rate.")
    ceiling: Quantity | None = stated("Highest rate.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientControl:
    """Patient-controlled analgesia of one step."""

    demand_dose: Quantity | None = stated("Dose per successful demand.")
    lockout: Quantity | None = stated("Time in which no further demand is served.")
    max_demands: PositiveInt | None = stated("Most demands served per max_demands_period.")
    max_demands_period: Quantity | None = stated("The period that max_demands counts in.")


@dataclass(frozen=True, slots=True, kw_only=True)
class VascularAccess:
    """The line that the infusion runs through."""

    access: Concept | None = stated("Peripheral, PICC, port …")
    lumen: Text | None = stated("Which lumen.")
    device: Reference | None = stated("The catheter, as a Device.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pump:
    """The pump that delivers."""

    device: Reference | None = stated("The pump, as a Device.")
    kind: Concept | None = stated("Kind of pump.")
    serial_number: Text | None = stated("Serial number.")
    channel: Text | None = stated("Channel.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of the infusion: what runs how, in which order. Goes to FHIR as one Dosage."""

    step_id: Key | None = stated("Key of this step.", key=True)
    sequence: int | None = stated("Order of the steps; equal numbers run together; may be absent.")
    role: StepRole | None = stated("What the step is for.")
    text: Text | None = stated("The step in words.", describes=True)
    additional_instructions: tuple[Concept, ...] = several("Warnings and supplemental instructions.")
    clinical_instruction: Text | None = stated("What whoever gives it is told.", describes=True)
    patient_instruction: Text | None = stated("What the patient is told.", describes=True)
    timing: Timing | None = stated("When.")
    minimum_duration: Quantity | None = stated("Infuse over at least this long.")
    minimum_gap: Quantity | None = stated("Least time between two doses, such as the lockout of another system.")
    as_needed: Flag | None = stated("Whether it is given as needed; false is a statement too.")
    as_needed_for: tuple[Concept, ...] = several("The reasons to give it.")
    route: Concept | None = stated("How it enters the body.")
    body_site: Concept | None = stated("Where it enters the body.")
    body_structure: BodyStructure | None = stated("The site with its side, as a structure of its own.")
    site_reference: Reference | None = stated("The site as a BodyStructure elsewhere.")
    method: Concept | None = stated("Technique, such as continuous infusion.")
    vascular_access: VascularAccess | None = stated("Through which line, if not that of the order.")
    pump: Pump | None = stated("By which pump, if not that of the order.")
    dosings: tuple[Dosing, ...] = several("Dose and rate statements.")
    max_per_period: tuple[PeriodLimit, ...] = several("Limits per period; several may hold together.")
    max_per_administration: Quantity | None = stated("Cap of one administration.")
    max_per_lifetime: Quantity | None = stated("Cap over the patient's life.")
    max_rate: Quantity | None = stated("Never faster than this.")
    titration: Titration | None = stated("How the rate is adjusted.")
    patient_control: PatientControl | None = stated("Demand doses and their lockout.")


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialFill:
    """The first dispense, where it differs."""

    quantity: Quantity | None = stated("Amount.")
    duration: Quantity | None = stated("Days of supply.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispense:
    """What the pharmacy is asked to supply."""

    initial_fill: InitialFill | None = stated("First fill.")
    interval: Quantity | None = stated("Least time between dispenses.")
    validity: Period | None = stated("When the supply is authorised.")
    repeats: UnsignedInt | None = stated("Number of repeats allowed.")
    quantity: Quantity | None = stated("Amount per dispense.")
    supply: Quantity | None = stated("Days of supply per dispense.")
    pharmacy: Reference | None = stated("Who dispenses.")
    instructions: tuple[Note, ...] = several("Instructions to the dispenser (R5).")
    adherence_aid: Concept | None = stated("Type of adherence packaging (R5).")


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """Whether another product may be supplied."""

    allowed: Flag | None = stated("Yes or no.")
    allowed_kind: Concept | None = stated("Which kind of substitution, as a code.")
    reason: Concept | None = stated("Why.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """How the patient is observed after the infusion."""

    duration: Quantity | None = stated("For how long.")
    instructions: Text | None = stated("How.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """A permission that the therapy needs, such as a REMS enrolment."""

    authorisation_id: Key | None = stated("Key of this authorisation.", key=True)
    program: Text | None = stated("Name of the programme.")
    identifier: Identifier | None = stated("Number of the enrolment or authorisation.")
    valid: Period | None = stated("When it is valid.")


@dataclass(frozen=True, slots=True, kw_only=True)
class InfusionOrder:
    """An order for an infusion. Source: MedicationRequest R4/R5 and the therapies that it has to carry."""

    record: Literal["InfusionOrder"] | None = stated("Tells records apart.")
    resource_id: ResourceId | None = stated("The FHIR resource's id, where it has one.")
    language: Code | None = stated("Language of the content.")
    order_id: Text | None = stated("The sender's identifier of the order, in the configured order system.")
    identifiers: tuple[Identifier, ...] = several("Other identifiers.")
    group: Group | None = stated("The regimen, protocol or cycle it belongs to.")
    based_on: tuple[Reference, ...] = several("Plans or requests that it fulfils.")
    protocols: tuple[Canonical, ...] = several("Protocols followed, by canonical URL (R4).")
    protocol_uris: tuple[Uri, ...] = several("Protocols followed, by URI (R4).")
    replaces: Reference | None = stated("The order that this one replaces.")
    status: OrderStatus | None = stated("State of the order.", required=True)
    status_reason: Concept | None = stated("Why it is in this state.")
    status_changed_at: DateTime | None = stated("When the state changed.")
    intent: OrderIntent | None = stated("Order, plan, proposal …: carried exactly.", required=True)
    priority: Literal["routine", "urgent", "asap", "stat"] | None = stated("Urgency.")
    do_not_perform: Flag | None = stated("Only false is accepted: a prohibition is not an order.")
    categories: tuple[Concept, ...] = several("Kinds of order (MedicationRequest.category).")
    care_setting: CareSetting | None = stated("Where it is to be given.")
    course_of_therapy: Concept | None = stated("Acute, continuous, seasonal.")
    infusion_type: InfusionType | None = stated("How it runs.")
    dose_basis: Concept | None = stated("What doses are normalised by: weight, body surface area, or nothing.")
    treatment_intent: Concept | None = stated("Curative, palliative …")
    drug: Concept | None = stated("The drug; with a preparation, the Medication's code.")
    medication: Reference | None = stated("The drug, as a reference to a Medication elsewhere.")
    preparation: Preparation | None = stated("What is in the bag.")
    patient: Patient | None = stated("For whom.", required=True)
    measurements: tuple[Measurement, ...] = several("Weight, BSA, GFR … used.")
    supporting: tuple[Reference, ...] = several("Other supporting information.")
    encounter: Reference | None = stated("During which encounter.")
    location: Reference | None = stated("Where it is to be given, as a place.")
    ordered_at: DateTime | None = stated("When it was ordered.")
    prescriber: Reference | None = stated("Who ordered it.")
    recorder: Reference | None = stated("Who entered it.")
    performers: tuple[Reference, ...] = several("Who is to give it.")
    performer_type: Concept | None = stated("Which kind of performer.")
    reported: Flag | None = stated("Whether it is a report of an order made elsewhere.")
    reported_by: tuple[Reference, ...] = several("Who reported it.")
    reasons: tuple[ConceptOrReference, ...] = several("Indications, coded.")
    reason_references: tuple[Reference, ...] = several("Indications, as references.")
    insurance: tuple[Reference, ...] = several("Coverage.")
    notes: tuple[Note, ...] = several("Remarks.")
    rendered_instruction: Text | None = stated("All steps in words.", describes=True)
    effective_period: Period | None = stated("When the order's doses are due, overall (R5).")
    steps: tuple[Step, ...] = several("How it runs.")
    vascular_access: VascularAccess | None = stated("The line to use.")
    pump: Pump | None = stated("The pump to use.")
    dispense: Dispense | None = stated("What the pharmacy supplies.")
    substitution: Substitution | None = stated("Whether another product may be supplied.")
    observation: Observation | None = stated("Observation afterwards.")
    authorisations: tuple[Authorisation, ...] = several("Permissions that the therapy needs.")
    detected_issues: tuple[Reference, ...] = several("Clinical issues found.")
    event_history: tuple[Reference, ...] = several("Provenance of events.")
    residue: tuple[Residue, ...] = several("What no field holds, kept to go back.")
