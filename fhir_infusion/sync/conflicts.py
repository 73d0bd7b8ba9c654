"""What becomes of an order or administration that changed on both sides: three-way merge by groups of elements. Pure.

    group       elements                                             only they changed    both changed, differently
    subject     subject                                              held, but of one who held
                                                                     was merged there
    clinical    drug, preparation, dosage, intent, modifiers, times  taken                held, never merged within
    status      status, its reason and time                          taken, but never     the stopping one wins, but
                                                                     out of an end state  completed and stopped: held
    union       identifier, note, supportingInformation              union                union
    meta        security labels, tags, profiles                      union                union
    text        narrative, rendered dosage                           taken                ours
    any other   each element by itself                               taken                held

Where the settings of the remote say who owns the clinical content, a clinical change by the other side is held as well.
A number that the peer writes otherwise but with the same value, 1.5 for 1.50, was not changed: ours stays as it is
written, also where another part of the same group is taken, and where both changed it to the same value.

*Held* means: nothing is written anywhere, a person decides. A stop still goes through, see ``stop_of``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir.json import Resource
from fhir_infusion.records.statuses import ENDED, ERROR, STOPS
from fhir_infusion.sync.compare import alike, content, differing, exact, same, spelled

if TYPE_CHECKING:
    from fhir_infusion.remotes import Owner

SUBJECT: Final = frozenset({"subject", "_subject"})
CLINICAL: Final = frozenset(
    {
        *("medicationCodeableConcept", "medicationReference", "medication", "contained", "dosageInstruction", "dosage"),
        *("intent", "_intent", "doNotPerform", "_doNotPerform", "modifierExtension", "implicitRules"),
        *("effectiveDateTime", "effectivePeriod", "effectiveDosePeriod", "request", "partOf", "isSubPotent"),
        *("_effectiveDateTime", "occurenceDateTime", "_occurenceDateTime", "occurencePeriod", "occurenceTiming"),
        *("subPotentReason", "_implicitRules", "language", "extension"),
    }
)
STATUS: Final = frozenset({"status", "_status", "statusReason", "statusChanged", "_statusChanged"})
UNION: Final = frozenset({"identifier", "note", "supportingInformation"})
TEXT: Final = frozenset({"text", "renderedDosageInstruction", "_renderedDosageInstruction"})


def group_of(element: str) -> str:
    """Return the group of an element by its name; of one that is no group's its own name."""
    groups = {"subject": SUBJECT, "clinical": CLINICAL, "status": STATUS, "union": UNION, "text": TEXT}
    return next((name for name, elements in groups.items() if element in elements), element)


_RANK: Final = {
    "draft": 0,
    "active": 1,
    "in-progress": 1,
    "on-hold": 2,
    "stopped": 3,
    "cancelled": 3,
    "ended": 3,
    ERROR: 4,
}


@dataclass(frozen=True, slots=True)
class Merge:
    """The outcome. ``resource`` is ours with what was taken; ``taken`` and ``kept`` name what came from which side.

    ``held`` names the groups or elements that need a person; then ``resource`` is not to be written anywhere.
    ``respelled`` names the elements in which they wrote a number otherwise, which is told and not taken.
    """

    resource: Resource
    taken: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    respelled: tuple[str, ...] = ()


def merge(  # noqa: PLR0913  the states of two sides, and what is set
    our_base: Resource,
    ours: Resource,
    their_base: Resource,
    theirs: Resource,
    owner: Owner = "either",
    *,
    may_move: bool = False,
) -> Merge:
    """Merge a peer's change into ours.

    ``our_base`` and ``their_base`` are the state both sides last agreed on, as each wrote it. All four have
    references in our form, so that an element of theirs can stand in ours. ``owner`` is whose clinical changes stand;
    ``may_move`` says that the patient whom they name now is the same person.
    """
    our_base, mine = content(our_base), content(ours)
    before, after = content(their_base), content(theirs)
    their_base, other = spelled(mine, before, before), spelled(mine, before, after)
    other |= {name: mine[name] for name, value in other.items() if name in mine and alike(mine[name], value)}
    respelled = [name for name in differing(before, after) if name in after and not same(after[name], other[name])]
    we = set(differing(our_base, mine)) - {"meta"}
    they = {name for name in differing(their_base, other) if not _is_spelling(name, their_base, other)} - {"meta"}

    taken, held = _one_sided(we, they, mine, other, owner)
    if may_move and "subject" in held and not we & SUBJECT:
        held.remove("subject")
        taken |= they & SUBJECT
    winner = _status(we & STATUS, they & STATUS, our_base, mine, other)
    if winner == "held":
        held.append("status")
    elif winner == "theirs":
        taken |= STATUS & {*mine, *other}
    result = {name: value for name, value in mine.items() if name not in taken}
    result |= {name: other[name] for name in sorted(taken) if name in other}
    for name, united in _unions(they & UNION, their_base, mine, other):
        taken.add(name)
        result[name] = united
    if "text" in ours and not taken & (SUBJECT | CLINICAL | STATUS):
        result["text"] = ours["text"]
    return Merge(result, tuple(sorted(taken)), tuple(sorted(we)), tuple(held), tuple(respelled))


def _one_sided(
    we: set[str], they: set[str], mine: Resource, other: Resource, owner: Owner
) -> tuple[set[str], list[str]]:
    """Return what is taken from them, and what is held, of all groups but status and unions."""
    taken, held = they & TEXT - we, []
    for name, group in (("subject", SUBJECT), ("clinical", CLINICAL)):
        if name == "clinical" and owner == "theirs" and we & group and not _equal(mine, other, group):
            held.append(name)
        elif they & group and not _equal(mine, other, group):
            if we & group or name == "subject" or owner == "ours":
                held.append(name)
            else:
                taken |= they & group
    for name in sorted(they - SUBJECT - CLINICAL - STATUS - UNION - TEXT):
        if name not in we:
            taken.add(name)
        elif not _equal(mine, other, frozenset({name})):
            held.append(name)
    return taken, held


def _unions(names: set[str], base: Resource, mine: Resource, other: Resource) -> list[tuple[str, Any]]:
    """Return the united lists, and the united meta, where they differ from ours."""
    unions: list[tuple[str, Any]] = []
    for name in sorted(names):
        united = _united(_list(base.get(name)), _list(mine.get(name)), _list(other.get(name)))
        if not same(united, _list(mine.get(name))):
            unions.append((name, united))
    meta = _meta(mine.get("meta"), other.get("meta"))
    if meta and not same(meta, mine.get("meta", {})):
        unions.append(("meta", meta))
    return unions


def stop_of(ours: Resource, theirs: Resource) -> Resource | None:
    """Return theirs with our stopping status, or None where ours does not stop or theirs has ended already.

    That it was an error is said of what has ended, too. This is what is sent while everything else is held: a stop must
    not wait for a person.
    """
    if ours.get("status") not in STOPS or theirs.get("status") == ERROR:
        return None
    if theirs.get("status") in STOPS | {"completed"} and ours.get("status") != ERROR:
        return None
    stopped = {name: value for name, value in theirs.items() if name not in STATUS}
    return {**stopped, **{name: ours[name] for name in sorted(STATUS) if name in ours}}


def _status(we: set[str], they: set[str], base: Resource, mine: Resource, other: Resource) -> str:
    """Return whose status stands: ``ours``, ``theirs`` or ``held``."""
    own, peer = str(mine.get("status")), str(other.get("status"))
    if not they or _equal(mine, other, STATUS):
        return "ours"
    if not we:
        # Nothing comes back to life by itself: out of an end state leads only another way of stopping.
        return "held" if own != peer and base.get("status") in ENDED and peer not in STOPS else "theirs"
    if own == peer:
        return "held"  # one status, two reasons
    ours = _stands(own, peer)
    return ours or {"ours": "theirs"}.get(_stands(peer, own), "held")


def _stands(one: str, other: str) -> str:
    """Return ``ours`` where ``one`` stands against ``other`` without a person's judgement."""
    if one == ERROR or (one in STOPS and other in STOPS - {ERROR}):
        return "ours"  # that both stopped it is agreement; who says it how is not worth a person's time
    if one == "completed":
        return "ours" if other in {"active", "in-progress", "draft"} else ""
    return "ours" if one in _RANK and other in _RANK and _RANK[one] > _RANK[other] else ""


def _is_spelling(name: str, one: Resource, other: Resource) -> bool:
    return name in one and name in other and alike(one[name], other[name])


def _equal(one: Resource, other: Resource, names: frozenset[str]) -> bool:
    return same({n: one[n] for n in names if n in one}, {n: other[n] for n in names if n in other})


def _united(base: list[Any], mine: list[Any], other: list[Any]) -> list[Any]:
    """Return ours with what they added, without what they removed."""
    before, now = {_key(one) for one in base}, {_key(one) for one in other}
    kept = [one for one in mine if _key(one) in now or _key(one) not in before]
    have = {_key(one) for one in kept}
    return kept + [one for one in other if _key(one) not in have and _key(one) not in before]


def _key(one: Any) -> str:
    if isinstance(one, dict) and "system" in one and "value" in one:
        return exact([one["system"], one["value"]])
    return exact(one)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _meta(mine: object, other: object) -> Resource:
    """Return the union: a security label is never dropped."""
    united: Resource = dict(mine) if isinstance(mine, dict) else {}
    for name in ("security", "tag", "profile"):
        theirs = _list(other.get(name)) if isinstance(other, dict) else []
        if merged := _united([], _list(united.get(name)), theirs):
            united[name] = merged
    return united
