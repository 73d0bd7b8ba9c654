"""Every short course in which they change something while we push: just before any of our requests, beside few faults.

An edit of theirs is a fault like others then: the places at which it may come are told by the run before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tests.faults.explored import Run
from tests.faults.explored_edited import EDITS, Edited
from tests.faults.explored_given import THEIRS, Given
from tests.faults.peer import Act

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faults.peer import Asked


class Amid(Run):
    """One course with up to one edit of theirs among its faults; ``EDITS`` are steps, each with a request that goes on."""

    EDITS: ClassVar[Mapping[str, Act]] = {}

    def _kinds(self, asked: Asked) -> dict[str, Act]:
        edits = {number: kind for number, kind in self.course.faults if kind in self.EDITS}
        now = edits.get(len(self.requests))
        one = {now: self.EDITS[now]} if now is not None else {}
        return {**super()._kinds(asked), **(one if edits else self.EDITS)}

    def _lie(self, asked: Asked) -> Act | None:
        if asked.type != "metadata" and not self.is_over:
            kind = self.faults.get(len(self.requests), "")
            if kind in self.EDITS:
                self._step(kind)
        return super()._lie(asked)


class EditedAmid(Amid, Edited):
    """One course of two orders, one of which they change meanwhile."""

    EDITS: ClassVar[Mapping[str, Act]] = {f"{what} {number}": Act() for what in EDITS for number in "12"}


class GivenAmid(Amid, Given):
    """One course of an order and what is given of it, one of which they change meanwhile."""

    EDITS: ClassVar[Mapping[str, Act]] = dict.fromkeys(THEIRS, Act())
