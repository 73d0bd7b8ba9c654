"""What may become of an order or an administration that exists. Pure.

An end is final, but for the correction that it was entered in error; that one is final without exception.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion import remotes
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.records import check, equality, parts, schemas
from fhir_infusion.records.statuses import ENDED, ERROR, STOPS

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDER_INTENTS: Final = frozenset(remotes.ORDER_INTENTS)
"""Intents that ask for something to be done; a plan, a proposal or an option does not."""

_BEGUN: Final = frozenset({"active", "on-hold", "in-progress"})


def may_become(before: str, after: str) -> bool:
    """Say whether a status may follow another."""
    if before == after:
        return True
    if before == ERROR:
        return False
    if after == ERROR:
        return True
    if before in ENDED:
        return False
    return not (before in _BEGUN and after == "draft")


def has_ended(status: str) -> bool:
    """Say whether nobody acts upon a record of this status any more; of ``unknown`` nobody can say."""
    return status in ENDED


def is_as_before(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Say whether an amendment breaks no rule of our own JSON but those that the record broke before.

    What base FHIR allows and our own JSON does not (a unit that is not UCUM) may stand in what was read from FHIR. It
    may be amended as it was sent, not made worse.
    """
    if check.check(after):
        return False
    known = {_fault(issue) for issue in schemas.issues(before)}
    return all(_fault(issue) in known for issue in schemas.issues(after))


def _fault(issue: Issue) -> tuple[str, str, str]:
    return re.sub(r"\[[0-9]+\]", "", issue.path), issue.rule, issue.reason


def refuse_transition(before: str, after: str) -> None:
    """Refuse a status that may not follow.

    Raises:
        Refused: 422, names both codes, which are codes of the standard.
    """
    if may_become(before, after):
        return
    accepted = ERROR if before != ERROR else "no change: what was entered in error stays so"
    raise Refused(
        Issue(
            "error",
            "business-rule",
            "status",
            f"{before} may not become {after}",
            accepted,
            "status-transition",
            BREAKS_RULE,
        )
    )


def refuse_other_patient(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse to move an order or an administration to another patient.

    The patient is the same where a literal reference or an identifier is the same, and none of them differs.

    Raises:
        Refused: 422.
    """
    if is_same_patient(before, after):
        return
    what, again = ("administration", "record") if before.get("record") == "Administration" else ("order", "place")
    raise Refused(
        Issue(
            "error",
            "business-rule",
            "patient",
            f"the patient of an {what} cannot change",
            f"the same patient; for another one, enter this {what} in error and {again} a new one",
            "subject-fixed",
            BREAKS_RULE,
        )
    )


def is_same_patient(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two records name one patient by the same literal reference or identifier, none of them differing."""
    old, new = one.get("patient", {}), other.get("patient", {})
    equal = [named(old) == named(new) for named in _NAMED_BY if named(old) and named(new)]
    return all(equal) and (bool(equal) or old == new)


def refuse_misfit(parent: Mapping[str, Any], before: Mapping[str, Any] | None, child: Mapping[str, Any]) -> None:
    """Refuse a segment that says another thing than the administration that it is part of.

    Together they would no longer be one record, with its doses and rates. ``before`` is the segment as it was: what
    differed then may differ still; None where it is new.

    Raises:
        Refused: 422, names every such field.
    """
    wrong = [name for name in _OF_THE_WHOLE if not _agree(name, parent, child)]
    if before is not None:
        wrong = [name for name in wrong if _agree(name, parent, before)]
    if wrong:
        reason = "this is one segment of an administration, of which the whole says another thing here"
        accepted = "what the administration says; change that one, and its segments change with it"
        raise Refused(
            *(Issue("error", "business-rule", name, reason, accepted, "segment", BREAKS_RULE) for name in wrong)
        )


def fits(parent: Mapping[str, Any], child: Mapping[str, Any]) -> bool:
    """Say whether a segment says of the whole what its administration says."""
    return all(_agree(name, parent, child) for name in _OF_THE_WHOLE)


_OF_THE_WHOLE: Final = tuple(name for name in parts.COPIED if name != "record")


def _agree(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return is_same_patient(one, other) if name == "patient" else equality.same(one.get(name), other.get(name))


def refuse_other_identity(field: str, before: str | None, after: str | None, *, may_vanish: bool) -> None:
    """Refuse another business identifier than the one that names the record.

    Raises:
        Refused: 422.
    """
    if before is None or before == after or (after is None and may_vanish):
        return
    reason = f"{field} names this record and cannot change"
    raise Refused(Issue("error", "business-rule", field, reason, "the value it has", "identity-fixed", BREAKS_RULE))


def is_stop(record: Mapping[str, Any]) -> bool:
    """Say whether a record ends something that others may still act upon."""
    return record.get("status") in STOPS


def patient_differs(order: Mapping[str, Any], administration: Mapping[str, Any]) -> bool:
    """Say whether the two certainly name different patients: by two values in one system, or by two of our own ids."""
    old, new = order.get("patient", {}), administration.get("patient", {})
    one, other = _identifier(old), _identifier(new)
    if one and other and one[0] == other[0]:
        return one[1] != other[1]
    here = (_literal(old), _literal(new))
    return all(_OURS.fullmatch(literal) for literal in here) and here[0] != here[1]


_OURS: Final = re.compile(r"Patient/[A-Za-z0-9.-]{1,64}")


def _literal(patient: Mapping[str, Any]) -> str:
    return str(patient.get("reference", ""))


def _identifier(patient: Mapping[str, Any]) -> tuple[str, str] | None:
    identifier = patient.get("identifier", {})
    return (identifier.get("system", ""), identifier["value"]) if "value" in identifier else None


_NAMED_BY: Final = (_literal, _identifier)
