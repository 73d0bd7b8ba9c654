"""Moments as a peer writes them: instants and Date headers, compared as moments. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import tx

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)


def at(instant: str) -> datetime:
    """Return the moment of an instant, ``NEVER`` where it cannot be read."""
    try:
        moment = datetime.fromisoformat(instant)
    except ValueError:
        return NEVER
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def instant(moment: datetime) -> str:
    """Return a moment as FHIR's instant, in whole milliseconds, rounded down."""
    return tx.instant(tx.to_ms(moment))


def of_header(header: str) -> str:
    """Return a Date header as an instant, "" where it is absent or not readable."""
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def is_before(one: str, other: str) -> bool:
    """Say whether an instant is earlier than another; false where either cannot be read."""
    return NEVER not in {at(one), at(other)} and at(one) < at(other)


def are_apart(one: str, other: str, by: timedelta) -> bool:
    """Say whether two instants are so far apart, or cannot be compared."""
    return NEVER in {at(one), at(other)} or abs(at(one) - at(other)) >= by


def greatest(instants: Iterable[str]) -> str:
    """Return the latest of the instants that can be read, "" where there is none."""
    return max((one for one in instants if at(one) != NEVER), key=at, default="")


def least(instants: Iterable[str]) -> str:
    """Return the earliest of the instants that can be read, "" where there is none."""
    return min((one for one in instants if at(one) != NEVER), key=at, default="")
