"""The resource types that are served: those that have a record, and those that come along with them.

What comes along (a Patient, a Medication, a Practitioner …) is kept as it was sent: an EHR posts its order with
everything that the order refers to, and whoever pulls the order can pull that too.
"""

from __future__ import annotations

from typing import Final

MAPPED: Final = ("MedicationRequest", "MedicationAdministration")
"""The types that have a mapping: each is read into a record and can be read in every release."""

ALONG: Final = (
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "RelatedPerson",
    "Encounter",
    "EpisodeOfCare",
    "Medication",
    "MedicationDispense",
    "Device",
    "Location",
    "Observation",
    "Condition",
    "CarePlan",
    "Provenance",
)
"""The types that are kept as they were sent, without a record."""

SERVED: Final = (*MAPPED, *ALONG)
