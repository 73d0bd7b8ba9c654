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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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


class Findings(Sequence[Issue]):
    """Issues that are found out when somebody looks at them.

    To compare the doses of an order in every way is a third of reading it, and most writes are answered without a word
    of what that shows. ``find`` must find the same whenever it is asked.
    """

    __slots__ = ("_find", "_found")

    def __init__(self, find: Callable[[], Iterable[Issue]]) -> None:
        """Find nothing yet."""
        self._find = find
        self._found: tuple[Issue, ...] | None = None

    def _all(self) -> tuple[Issue, ...]:
        if self._found is None:
            self._found = tuple(self._find())
        return self._found

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all())

    @overload
    def __getitem__(self, place: int) -> Issue: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Issue, ...]: ...

    def __getitem__(self, place: int | slice) -> Issue | tuple[Issue, ...]:
        """Return one of them, or some."""
        return self._all()[place]

    def __eq__(self, other: object) -> bool:
        """Say whether they are the same, found out or not."""
        return isinstance(other, (Findings, tuple)) and self._all() == tuple(other)

    def __hash__(self) -> int:
        """Return what is the same for the same ones."""
        return hash(self._all())


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
