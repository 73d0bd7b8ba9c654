"""The addresses of the console: method, rule, view, and what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.web.console import conflicts, quarantine, remotes, rows, timeline, trail

if TYPE_CHECKING:
    from collections.abc import Callable

_REMOTE: Final = f"{remotes.PATH}/<remote>"
_ROW: Final = f"{rows.PATH}/<row>"
_CONFLICT: Final = f"{conflicts.PATH}/<conflict_id>"

CONSOLE: Final[tuple[tuple[str, str, Callable[..., Any], str], ...]] = (
    ("GET", "/console", remotes.listed, "The remotes, how they stand, and what to do next"),
    ("GET", _REMOTE, remotes.one, "A remote with its attempts"),
    ("POST", f"{_REMOTE}/resume", remotes.resume, "Go on with a remote that is paused"),
    ("GET", f"{_REMOTE}/aside", rows.listed, "What was put aside on its way to a remote"),
    ("POST", f"{_REMOTE}/replay", rows.replay, "Tell rows again"),
    ("POST", f"{_REMOTE}/skip", rows.skip, "Give rows up"),
    ("GET", f"{_REMOTE}/quarantine", quarantine.listed, "What was received and could not be taken"),
    ("GET", f"{_REMOTE}/quarantine/content", quarantine.content, "One of these as it was received"),
    ("POST", f"{_REMOTE}/quarantine", quarantine.retry, "Try again to take these"),
    ("GET", _ROW, rows.one, "A row of the outbox with its attempts"),
    ("GET", f"{_ROW}/content", rows.content, "What a row tells"),
    ("GET", f"{_ROW}/duplicates", rows.doubles, "What there carries the identifier of a row's"),
    ("POST", f"{_ROW}/duplicates", rows.undouble, "Keep one of these and end the others"),
    ("GET", conflicts.PATH, conflicts.listed, "What changed on both sides and waits for a person"),
    ("GET", _CONFLICT, conflicts.one, "A conflict with what each side says"),
    ("POST", _CONFLICT, conflicts.decide, "Decide a conflict as it was shown"),
    ("GET", timeline.PATH, timeline.show, "What happened to an order, here and at each remote"),
    ("GET", trail.PATH, trail.listed, "The newest rows of the audit trail"),
    ("GET", f"{trail.PATH}/check", trail.check, "Whether the audit trail is whole"),
)
