"""How one resource stands between both sides: the words for it, and what would put it right.

kind            what it says                                                  what repair does
equal           both say the same                                             -
altered         but for how a number is written: a peer that rounds           -, it was told
tombstone       deleted there, which is known                                 -, never created again
deleted-active  deleted there, which is known, and has not ended here         -, a person ends it here
lost            not there any more, which is known (a restored backup?)       -, sync replay sends it again
deleted-here    deleted here, still there                                     -, nobody is told to delete
plan            ours is no order: nobody is told                              -
theirs-only     theirs, where nothing is pulled                               -
ended-double    a second one that was entered in error                        -
ours-newer      what is missing there waits in the outbox                     push
unsent          what is missing there does not wait: never sent, or lost      enqueue
theirs-newer    changed there alone                                           receive
differs         changed on both sides, or kept there otherwise than sent      receive, or hold
untaken         theirs, not known here                                        receive
unlinked        theirs with our identifier, and ours is linked to none,       receive
                or to what is gone
unreadable      what they have cannot be read                                 receive
returned        theirs is there again, though it was deleted                  receive
gone            410: deleted there                                            tombstone
vanished        404: not there any more, and nobody says that it was deleted  tombstone
held            a conflict waits for a person                                 a person: sync resolve
put-aside       its outbox row was put aside                                  a person: sync dead, replay, skip
quarantined     what they have could not be taken                             a person: sync quarantine
duplicate       theirs with our identifier, and ours is linked to another     a person: sync duplicates
unasked         the peer could not be asked about it now                      the same again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal[
    "equal",
    "altered",
    "tombstone",
    "deleted-active",
    "lost",
    "deleted-here",
    "plan",
    "theirs-only",
    "ended-double",
    "ours-newer",
    "unsent",
    "theirs-newer",
    "differs",
    "untaken",
    "unlinked",
    "unreadable",
    "returned",
    "gone",
    "vanished",
    "held",
    "put-aside",
    "quarantined",
    "duplicate",
    "unasked",
]
Repair = Literal["", "push", "enqueue", "receive", "hold", "tombstone", "person"]

REPAIRS: Final[dict[Kind, Repair]] = {
    "ours-newer": "push",
    "unsent": "enqueue",
    "theirs-newer": "receive",
    "differs": "receive",
    "untaken": "receive",
    "unlinked": "receive",
    "unreadable": "receive",
    "returned": "receive",
    "gone": "tombstone",
    "vanished": "tombstone",
    "held": "person",
    "put-aside": "person",
    "quarantined": "person",
    "duplicate": "person",
}

SETTLED: Final[frozenset[Kind]] = frozenset(
    {"equal", "altered", "tombstone", "deleted-active", "lost", "deleted-here", "plan", "theirs-only", "ended-double"}
)
"""With these both sides are in step, as far as they ever will be."""

WORTH_A_LINE: Final = frozenset({"altered", "deleted-active", "lost"})
"""Settled, and told one by one all the same."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one resource stands. ``ours`` is our aggregate, ``theirs`` Type/id there; empty where there is none.

    ``elements`` are the names of those that differ, ``code`` a code or id that says more; no value of either.
    ``repair`` is what would put it right.
    """

    kind: Kind
    type: str
    ours: str = ""
    theirs: str = ""
    elements: tuple[str, ...] = ()
    code: str = ""
    hold: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether nothing is to be done."""
        return self.kind in SETTLED

    @property
    def repair(self) -> Repair:
        """What puts it right; empty where nothing is to be done, or nothing can be now."""
        return "hold" if self.hold else REPAIRS.get(self.kind, "")

    @property
    def name(self) -> str:
        """How it is handed over: by what is there, else by what is here."""
        return f"theirs:{self.theirs}" if self.theirs else f"ours:{self.ours}"

    def line(self) -> dict[str, Any]:
        """Return it as one line of a report."""
        members = {
            "kind": self.kind,
            "ours": self.ours,
            "theirs": self.theirs,
            "elements": list(self.elements),
            "code": self.code,
            "repair": self.repair,
        }
        return {name: value for name, value in members.items() if value}
