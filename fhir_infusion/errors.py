"""Every way this package can fail, as one closed family.

    FhirInfusionError
    ├── Refused            an input was refused: one or more issues, each with a place and a reason
    │   └── Deleted        what is asked for was deleted: in which version, and when
    ├── DocumentError      a mapping document does not hold: complaints with file:line
    ├── SettingsError      the settings do not allow a start
    └── Unavailable        the store or a peer cannot serve now; the same call may succeed later

No message holds a value from the input: a reason names the rule and the place, ``accepted`` says what would
be taken instead. Patient data therefore never reaches a log or an OperationOutcome through an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from datetime import datetime

Severity = Literal["fatal", "error", "warning", "information"]

BREAKS_FHIR: Final = 400
"""Status of an input that breaks base FHIR or the JSON format."""

BREAKS_RULE: Final = 422
"""Status of an input that is right FHIR but breaks a profile, safety or business rule."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding about one place of an input.

    ``code`` is a code of http://hl7.org/fhir/issue-type; ``path`` is a FHIRPath expression such as
    ``MedicationRequest.dosageInstruction[0].doseAndRate[0].dose`` or, for our own JSON, a record path such as
    ``steps[0].doses[0].dose``; ``rule`` is an invariant id (``mad-1``) or the name of a rule of ours.
    """

    severity: Severity
    code: str
    path: str
    reason: str
    accepted: str = ""
    rule: str = ""
    status: int = BREAKS_FHIR

    def under(self, prefix: str) -> Issue:
        """Return the same issue with its path below ``prefix``."""
        joined = f"{prefix}.{self.path}" if self.path and not self.path.startswith("[") else prefix + self.path
        return replace(self, path=joined)


class FhirInfusionError(Exception):
    """The root of the family."""


class Refused(FhirInfusionError):
    """An input was refused. ``issues`` holds every reason found, at least one."""

    def __init__(self, *issues: Issue) -> None:
        """Keep the issues; the message names places and reasons only."""
        self.issues = issues
        super().__init__("; ".join(f"{issue.path}: {issue.reason}" for issue in issues[:5]))

    @property
    def status(self) -> int:
        """The HTTP status: what breaks base FHIR is told before what breaks a rule."""
        return min(issue.status for issue in self.issues)


class Deleted(Refused):
    """What is asked for was deleted (410). ``version`` is that of the deletion, ``last_updated`` its moment."""

    def __init__(self, resource_type: str, version: int, last_updated: datetime) -> None:
        """Keep which deletion it was."""
        self.version = version
        self.last_updated = last_updated
        accepted = "its versions before that, which its history names"
        super().__init__(Issue("error", "deleted", "", f"this {resource_type} was deleted", accepted, status=410))


class DocumentError(FhirInfusionError):
    """A mapping document does not hold. ``complaints`` are lines of the form ``file:line: what; what is accepted``."""

    def __init__(self, *complaints: str) -> None:
        """Keep the complaints, one line each."""
        self.complaints = complaints
        super().__init__("\n".join(complaints))


class SettingsError(FhirInfusionError):
    """The settings do not allow a start; the message says which setting and what would be accepted."""


class Unavailable(FhirInfusionError):
    """The store or a peer cannot serve now; ``retry_after`` is in seconds."""

    def __init__(self, reason: str, retry_after: int = 1) -> None:
        """Keep the reason and the seconds to wait."""
        self.retry_after = retry_after
        super().__init__(reason)
