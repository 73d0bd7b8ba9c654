"""Merge two Patients into one: https://hl7.org/fhir/R5/patient-operation-merge.html.

The target is the one that stays. It gets the identifiers of the source, as old ones, and a link ``replaces``; the
source is not active any more and says ``replaced-by``. What is open of the source follows (``follow``), all of it in
one transaction. Where name, birth date or sex contradict, nothing is merged: these may be two persons.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions import follow, identity, repeated, transact
from fhir_infusion.actions.condition import token_value
from fhir_infusion.actions.transact import Part
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.fhir import search
from fhir_infusion.fhir.validate import validate
from fhir_infusion.store import search as store_search
from fhir_infusion.store import text, versions
from fhir_infusion.store.versions import Stored

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """Which Patient is meant: by a literal reference, by identifiers that only it has all of, or by both."""

    reference: str = ""
    identifiers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be merged into what. ``result`` is how the target is to be, where the client says it."""

    source: Named
    target: Named
    result: Json | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did, or would do: the target as it is then, and ``Type/id`` of what follows."""

    target: Json
    moved: tuple[str, ...]
    findings: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pair:
    source: Stored
    target: Stored
    result: Json
    release: str


def preview(service: Service, caller: Caller, release: str, asked: Asked) -> Merged:
    """Return what a merge would do; nothing is changed.

    Raises:
        Refused: as :func:`merge`; but that the two contradict is told as a finding.
        Unavailable: the storage cannot be read.
    """

    def work(tx: Tx) -> Merged:
        pair = _pair(tx, release, asked)
        as_then = replace(pair.target, text=text.write({**pair.result, "id": pair.target.id}))
        moved = follow.would_move(service, tx, pair.source, as_then)
        return Merged(pair.result, tuple(one.aggregate for one in moved), _contradictions(pair))

    return service.store.read(caller.tenant, work)


def merge(service: Service, caller: Caller, release: str, asked: Asked) -> Merged:
    """Merge two Patients.

    Raises:
        Refused: 422 one of them is not here, or more than one is meant; they are one already, or one was merged away;
            the result is not right; they contradict.
        Unavailable: nothing is stored.
    """

    def work(tx: Tx) -> Merged:
        pair = _pair(tx, release, asked)
        if wrong := _contradictions(pair):
            raise Refused(*wrong)
        follows = follow.open_of(tx, pair.source)
        target = _written(service, tx, caller, pair.target, pair.result, pair.release)
        retired = {**text.read(pair.source.text), "active": False}
        links = [*retired.get("link", []), _link(pair.target.id, "replaced-by")]
        source = _written(service, tx, caller, pair.source, {**retired, "link": links}, pair.source.release)
        told = follow.after(service, tx, caller, pair.source, source)
        if any(one.severity == "warning" for one in told):
            raise Refused(*(replace(one, severity="error", status=BREAKS_RULE) for one in told))
        now = [versions.current(tx, one.type, one.id) for one in follows]
        moved = [new.aggregate for new, old in zip(now, follows, strict=True) if new and new.version != old.version]
        return Merged(text.read(target.text), tuple(moved), told)

    return repeated.once(service, caller, _MERGED, lambda run: run(work))


_MERGED: Final = repeated.Form(
    lambda one: {"target": one.target, "moved": list(one.moved), "findings": [asdict(told) for told in one.findings]},
    lambda _, said: Merged(said["target"], tuple(said["moved"]), repeated.findings_of(said)),
)


def _written(service: Service, tx: Tx, caller: Caller, before: Stored, resource: Json, release: str) -> Stored:
    part = Part(before.id, release, resource, {}, before)
    return transact.write(service, tx, caller, follow.PATIENT, part)


def _pair(tx: Tx, release: str, asked: Asked) -> _Pair:
    source, target = _the(tx, asked.source, "source-patient"), _the(tx, asked.target, "target-patient")
    if source.id == target.id:
        raise _refused("target-patient", "both are one patient already", "two patients")
    for stored, name in ((source, "source-patient"), (target, "target-patient")):
        if identity.is_retired(text.read(stored.text)):
            raise _refused(name, "this patient was merged into another one before", "the one that took its place")
    given = asked.result
    result = _result(text.read(source.text), text.read(target.text), given)
    in_release = target.release if given is None else release
    if wrong := [one for one in validate(result, in_release) if one.severity in {"error", "fatal"}]:
        raise Refused(*(replace(one, status=BREAKS_RULE) for one in wrong))
    return _Pair(source, target, result, in_release)


def _the(tx: Tx, named: Named, name: str) -> Stored:
    """Return the one Patient that is meant."""
    found: dict[str, Stored] = {}
    if named.reference:
        one = versions.alive(versions.current(tx, follow.PATIENT, identity.patient_id(named.reference)))
        found = {one.id: one} if one is not None else {}
    for key in named.identifiers:
        query = search.parse(follow.PATIENT, transact.HOME, [("identifier", token_value(*key))])
        page = store_search.page(tx, follow.PATIENT, query, 3)
        having = {one.id: one for one in page.entries}
        is_first = not named.reference and key == named.identifiers[0]
        found = having if is_first else {id_: one for id_, one in found.items() if id_ in having}
    if len(found) == 1:
        return next(iter(found.values()))
    reason = "several patients are meant" if found else "this patient is not here"
    raise _refused(name, reason, "one patient that is here", "multiple-matches" if found else "not-found")


def _result(source: Json, target: Json, given: Json | None) -> Json:
    """Return the target as it is to be: with what the source was known by, and the link to it."""
    result = dict(target if given is None else given)
    if given is not None and given.get("id") != target["id"]:
        raise _refused("result-patient", "the result is not the target", "the target, with its id")
    if given is not None and set(identity.identifiers(target)) - set(identity.identifiers(given)):
        raise _refused("result-patient", "identifiers of the target are missing in the result", "all of them")
    if given is not None and identity.contradictions(target, given):
        raise _refused("result-patient", "the result is another person than the target", "the same person")
    known = set(identity.identifiers(result))
    old = [
        {**one, "use": "old"}
        for one in source.get("identifier", [])
        if (one.get("system"), one.get("value")) not in known and one.get("value")
    ]
    if old:
        result["identifier"] = [*result.get("identifier", []), *old]
    if source["id"] not in identity.linked(result, "replaces"):
        result["link"] = [*result.get("link", []), _link(source["id"], "replaces")]
    return result


def _link(id: str, kind: str) -> Json:
    return {"other": {"reference": f"{follow.PATIENT}/{id}"}, "type": kind}


def _contradictions(pair: _Pair) -> tuple[Issue, ...]:
    wrong = identity.contradictions(text.read(pair.source.text), text.read(pair.target.text))
    reason, accepted = "the two contradict here: they may be two persons", "patients that agree, or a Patient.link"
    return tuple(
        Issue("error", "business-rule", f"Patient.{name}", reason, accepted, "patient-identity", BREAKS_RULE)
        for name in wrong
    )


def _refused(name: str, reason: str, accepted: str, code: str = "business-rule") -> Refused:
    path = f"Parameters.parameter.where(name='{name}')"
    return Refused(Issue("error", code, path, reason, accepted, "patient-merge", BREAKS_RULE))
