"""Two dates: what FHIR allows is a stretch of time, and every way of counting it agrees."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from fhir_infusion.fhir import dates, primitives
from fhir_infusion.records import moments

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 80


def run(data: bytes) -> None:
    """Read two dates: what FHIR allows is a stretch of time, and every way of counting it agrees."""
    one, _, other = data.decode(errors="replace").partition(" ")
    covered = dates.stretch(one)
    assert covered is None or dates.BEGINNING < covered.start < covered.end < dates.END
    kinds = ("date", "dateTime", "instant")
    if any(primitives.fault(kind, one) is None for kind in kinds):
        assert covered is not None, "FHIR allows what we do not count"
    if any(primitives.fault("dateTime", text) is not None for text in (one, other)):
        return
    _agree(one)
    assert not (moments.is_after(one, other) and moments.is_after(other, one))
    seconds, back = moments.seconds_between(one, other), moments.seconds_between(other, one)
    assert (seconds is None) is (back is None)
    if seconds is not None and back is not None and ":60" not in data.decode():
        assert seconds == -back
    if "T" in one and "T" in other and seconds is not None and ":60" not in data.decode():
        assert (dates.moment(one) < dates.moment(other)) == (seconds > 0)


def _agree(text: str) -> None:
    """Compare with the library, where it knows the date."""
    covered = dates.stretch(text)
    assert covered is not None
    if len(text) == 10:
        midnight = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        assert covered.start == (midnight - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000
    if (within := moments.interval(text, timedelta(0))) is not None and "." not in text and ":60" not in text:
        assert covered.start == (within[0] - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000


_DATES: Final = (
    "2024", "2024-02", "2024-02-29", "1900-02-28", "2000-12-31", "0001-01-01", "9999-12-31", "2024-05-01T10:00:00Z",
    "2024-05-01T23:59:60.999+14:00", "2024-05-01T00:00:00.0001-13:59", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00", "2024-05-01T10:00", "2024-13-01", "2023-02-29",
)  # fmt: skip


def corpus() -> Iterator[bytes]:
    """Give dates of every precision, and the ends of the calendar."""
    yield from (f"{one} {other}".encode() for one, other in pairwise((*_DATES, *_DATES[::2])))
