"""Do what a transaction asks for: all of it, or nothing. https://hl7.org/fhir/R4/http.html#trules.

It is one piece of work of the store. 1. Each entry that writes gets the id of what it means: a new one, or that of what
is there already (by its condition or business identifier); two entries may not mean one resource. 2. References between
entries are replaced, conditional ones looked up. 3. The entries are done in the order of the standard, each seeing what
those before it did. Before it begins the resources are read (``_read_ahead``), so that others wait for writing only.

Sent again it has its effect once: under an Idempotency-Key (``repeated``), or where it is the same to the last digit
and creates an order or administration with a business identifier, which cannot be created twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeGuard
from urllib.parse import parse_qsl

from fhir_infusion.actions import reading, repeated, transact
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused
from fhir_infusion.fhir import bundle, json_patch
from fhir_infusion.fhir import search as fhir_search
from fhir_infusion.fhir.json import Resource
from fhir_infusion.fhir.rewriting import rewritten
from fhir_infusion.fhir.served import MAPPED, SERVED
from fhir_infusion.service import Service
from fhir_infusion.store import idempotency, search, text, versions
from fhir_infusion.store.joined import Joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.fhir.bundle import Asked
    from fhir_infusion.fhir.search import Query
    from fhir_infusion.store import Tx

Entry = dict[str, Any]
"""An entry of the answer."""

Run = Callable[["Asked", Service], Entry]
"""Does one entry with the service that it is given; raises what it is refused with."""

_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_READ: Final = frozenset({"POST", "PUT"})
"""The methods that have a whole resource with them."""


def transaction(
    service: Service, caller: Caller, release: str, sent: Resource, asked: Sequence[Asked], run: Run, home: str = ""
) -> list[Entry]:
    """Return the answer to each entry, in the order of the Bundle ``sent``, of which ``asked`` are the entries.

    ``home`` is our own address, below which a reference means what is kept here.

    Raises:
        Refused: an entry is refused, with its place; nothing is stored then.
        Unavailable: nothing is stored.
    """
    body_hash = text.digest(sent)
    named = any(one.method == "POST" and _business_identifiers(service, one) for one in asked)
    key = f"{_KEPT}|{body_hash}" if named else ""

    new: dict[int, str] = {}

    def is_known(tx: Tx) -> bool:
        return bool(key) and idempotency.find(tx, "", key) is not None

    def attempt(run: repeated.Run[list[Entry]]) -> list[Entry]:
        ahead = _read_ahead(service, caller, release, asked, new, home, is_known)
        return run(lambda tx: work(tx, ahead))

    def work(tx: Tx, ahead: _Ahead) -> list[Entry]:
        earlier = idempotency.find(tx, "", key) if key else None
        if earlier is not None:
            return [_again(told) for told in earlier.id.split("\n")]
        joined = replace(service, store=Joined(service.store, tx), ahead=ahead.read)
        ids = _Ids(joined, tx, release, home, new)
        meant = _all_meant(ids, asked)
        _refuse_doubles(asked, meant)
        links = _Links(ids, _known(asked, meant), ahead)
        answers = {one.place: _done(joined, one, meant, links, run) for one in bundle.in_order(asked)}
        in_order = [answers[one.place] for one in asked]
        if key:
            idempotency.keep(tx, "", key, idempotency.Effect(body_hash, _KEPT, _kept(in_order)))
        return in_order

    return repeated.once(service, caller, _ANSWERS, attempt)


_ANSWERS: Final[repeated.Form[list[Entry]]] = repeated.Form(lambda one: {"entry": one}, lambda _, said: said["entry"])


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What was made of the entries ahead of the transaction, by their places: ``bodies``, with their references linked.

    ``known`` is what each fullUrl meant then; of those ``in_doubt`` a conditional reference may mean something else by
    now. ``read`` is what was read of these very objects.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    bodies: Mapping[int, Resource] = field(default_factory=dict)
    in_doubt: AbstractSet[int] = frozenset()
    read: Mapping[int, reading.Ahead] = field(default_factory=dict)


def _read_ahead(
    service: Service,
    caller: Caller,
    release: str,
    asked: Sequence[Asked],
    new: dict[int, str],
    home: str,
    is_known: Callable[[Tx], bool],
) -> _Ahead:
    """Return what is read of the resources, as they will be written if nothing changes before the transaction.

    What is refused here, or differs then, is read in the transaction, which tells of it. ``new`` is given the ids of
    what is created; nothing is read where the transaction ``is_known`` to have had its effect.
    """

    def linked(tx: Tx) -> _Ahead:
        if is_known(tx):
            return _Ahead()
        ids = _Ids(replace(service, store=Joined(service.store, tx)), tx, release, home, new)
        known = _known(asked, _all_meant(ids, asked))
        bodies: dict[int, Resource] = {}
        in_doubt: set[int] = set()
        for one in asked:
            if one.method in _READ and one.type in SERVED and _is_of(one.body, one.type):
                with suppress(Refused):
                    before = ids.looked_up
                    bodies[one.place] = rewritten(one.body, one.full_url, known, ids.named, home)
                    if ids.looked_up != before:
                        in_doubt.add(one.place)
        return _Ahead(known, bodies, in_doubt)

    with suppress(Refused):
        ahead = service.store.read(caller.tenant, linked)
        return replace(ahead, read=reading.ahead(service, ahead.bodies.values(), release))
    return _Ahead()


def _is_of(body: object, type: str) -> TypeGuard[Resource]:
    """Say whether a body is a resource of the type that its address names; any other is refused by whoever does it."""
    return isinstance(body, dict) and body.get("resourceType") == type


def _all_meant(ids: _Ids, asked: Sequence[Asked]) -> dict[int, str]:
    """Return ``Type/id`` of what each entry writes, by its place."""
    return {one.place: _meant(ids, one) for one in asked if one.method in _WRITES}


def _known(asked: Sequence[Asked], meant: Mapping[int, str]) -> dict[str, str]:
    """Return what each entry with a fullUrl means."""
    return {one.full_url: meant[one.place] for one in asked if one.full_url and meant.get(one.place)}


def _meant(ids: _Ids, one: Asked) -> str:
    try:
        return ids.of(one)
    except Refused as refused:
        raise Refused(*(_placed(issue, one) for issue in refused.issues)) from None


def _query_of(condition: str) -> str:
    """Return the query of a condition, which may stand alone or after an address."""
    address, mark, query = condition.partition("?")
    return query if mark and "=" not in address else condition


def _done(service: Service, one: Asked, meant: Mapping[int, str], links: _Links, run: Run) -> Entry:
    """Return the answer to one entry."""
    wanted = meant.get(one.place, "")
    try:
        one = links.of(one)
        answer = run(one, replace(service, new_id=_first(wanted.partition("/")[2], service.new_id)))
    except Refused as refused:
        raise Refused(*(_placed(issue, one) for issue in refused.issues)) from None
    except versions.Moved:
        raise Refused(
            _issue(one, "conflict", "another entry changes the same resource", "one entry for it", 409)
        ) from None
    location = answer["response"].get("location", "")
    if wanted and location and not location.startswith(f"{wanted}/"):
        reason = "another entry means the same resource, so that references to this one would lead astray"
        raise Refused(_issue(one, "conflict", reason, "one entry for one resource", 409))
    return answer


class _Links:
    """Replaces the references in entries to other entries, or says what came of it ahead where that is the same."""

    def __init__(self, ids: _Ids, known: Mapping[str, str], ahead: _Ahead) -> None:
        """``known`` is what each fullUrl means."""
        self._ids = ids
        self._known = known
        self._ahead = ahead
        self._is_as_ahead = known == ahead.known

    def of(self, one: Asked) -> Asked:
        """Return an entry with its references replaced, also in what a patch puts in."""
        if one.body is None:
            return one
        ahead = self._ahead.bodies.get(one.place)
        if ahead is not None and self._is_as_ahead and one.place not in self._ahead.in_doubt:
            return replace(one, body=ahead)
        turned = partial(rewritten, full_url=one.full_url, known=self._known, find=self._ids.named, home=self._ids.home)
        body = json_patch.turned(one.body, turned) if isinstance(one.body, bytes) else turned(one.body)
        if one.method == "PATCH":
            _refuse_left(body, self._known)
        # Both were made of one body: what is equal has the same digits, too.
        return replace(one, body=ahead if body == ahead else body)


def _refuse_left(patch: Resource | bytes, known: Mapping[str, str]) -> None:
    """Refuse a patch that still names another entry, such as in the text of a reference: it would lead nowhere."""
    if bundle.patch_names(patch, {url for url in known if url.startswith("urn:")}):
        reason = "a patch names another entry where it is not replaced by what that becomes"
        accepted = "the whole reference: a JSON Patch, or valueReference"
        raise Refused(Issue("error", "business-rule", "", reason, accepted, "bundle", BREAKS_RULE))


def _first(id: str, new_id: Callable[[], str]) -> Callable[[], str]:
    """Return what gives this id first, then new ones."""
    ids = chain([id] if id else [], iter(new_id, None))
    return lambda: next(ids)


class _Ids:
    """Finds out what an entry means."""

    def __init__(self, service: Service, tx: Tx, release: str, home: str, new: dict[int, str]) -> None:
        """``new`` holds the id that an entry creates its resource under, by its place."""
        self._service = service
        self._tx = tx
        self._release = release
        self._new = new
        self.home = home
        self.looked_up = 0
        """How many conditional references were asked for."""

    def of(self, one: Asked) -> str:
        """Return ``Type/id`` of what an entry writes; empty where that can be none (a type that is not served)."""
        if one.type not in SERVED or "$" in one.path:
            return ""
        if one.id:
            return f"{one.type}/{one.id}"
        found = self._condition(one)
        if found is None and one.method in {"POST", "PUT"}:
            found = self._by_business_identifier(one) or self._new_id(one.place)
        return f"{one.type}/{found}" if found else ""

    def _new_id(self, place: int) -> str:
        if place not in self._new:
            self._new[place] = self._service.new_id()
        return self._new[place]

    def named(self, reference: str) -> str:
        """Return ``Type/id`` for a conditional reference.

        Raises:
            Refused: 412, it names none, or several.
        """
        self.looked_up += 1
        type_, _, query = reference.partition("?")
        asked = self._parsed(type_, query)
        if asked is not None and not asked.criteria:
            # All of the type would be meant: the one patient who is here, whoever that is.
            reason = "a conditional reference names no criterion"
            raise Refused(Issue("error", "required", "reference", reason, "identifier=system|value", "bundle"))
        found = self._matches(type_, asked)
        if len(found) != 1:
            reason = "a conditional reference finds " + ("several resources" if found else "no resource")
            accepted = "one that finds exactly one"
            code = "multiple-matches" if found else "not-found"
            raise Refused(Issue("error", code, "reference", reason, accepted, "bundle", 412))
        return f"{type_}/{found[0]}"

    def _condition(self, one: Asked) -> str | None:
        """Return the id of what a condition finds; several are refused by whoever does the entry."""
        query = _query_of(one.if_none_exist) if one.method == "POST" else one.query
        matches = self._matches(one.type, self._parsed(one.type, query)) if query else []
        return matches[0] if matches else None

    def _matches(self, type_: str, asked: Query | None) -> list[str]:
        return [] if asked is None else [found.id for found in search.page(self._tx, type_, asked, 2).entries]

    def _parsed(self, type_: str, query: str) -> Query | None:
        """Return what is searched for, None of a type that is not kept here."""
        if type_ not in SERVED:
            return None
        return fhir_search.parse(type_, self._release, parse_qsl(query, keep_blank_values=True), self.home)

    def _by_business_identifier(self, one: Asked) -> str | None:
        for system, value in _business_identifiers(self._service, one):
            found = versions.by_identifier(self._tx, one.type, system, value)
            if found is not None:
                return found.id
        return None


def _business_identifiers(service: Service, one: Asked) -> list[tuple[str, str]]:
    """Return system and value of the identifiers that name what an entry creates, if it is one of ours."""
    if one.type not in MAPPED or not isinstance(one.body, dict):
        return []
    system = transact.system_of(service, one.type)
    identifiers = one.body.get("identifier", ())
    return [
        (system, str(identifier["value"]))
        for identifier in (identifiers if isinstance(identifiers, list) else ())
        if isinstance(identifier, dict) and identifier.get("system") == system and "value" in identifier
    ]


def _refuse_doubles(asked: Sequence[Asked], meant: Mapping[int, str]) -> None:
    """Refuse a Bundle in which two entries write one resource.

    Raises:
        Refused: 400, names each entry but the first.
    """
    seen: set[str] = set()
    doubled = []
    for one in asked:
        names = {meant.get(one.place, ""), f"{one.type}?{one.if_none_exist}" if one.if_none_exist else ""} - {""}
        if names & seen:
            doubled.append(_issue(one, "invalid", "an entry before it means the same resource", "one entry for each"))
        seen |= names
    # Of a deletion, too: who refers to what is made instead would be led to what is gone.
    urls = Counter(one.full_url for one in asked if one.full_url and one.method in _WRITES)
    doubled += [
        _issue(one, "invalid", "another entry has this fullUrl", "a fullUrl of its own", name=".fullUrl")
        for place, one in enumerate(asked)
        if one.method in _WRITES and urls[one.full_url] > 1 and place
    ]
    if doubled:
        raise Refused(*doubled)


def _placed(issue: Issue, one: Asked) -> Issue:
    """Return an issue of an entry with its place in the Bundle."""
    at = f"Bundle.entry[{one.place}]"
    type_ = one.body.get("resourceType", "") if isinstance(one.body, dict) else ""
    if issue.path.startswith(f"{type_}.") and type_:
        path = f"{at}.resource{issue.path.removeprefix(type_)}"
    else:
        path = f"{at}.request" if issue.path.startswith("http.") else at
    return replace(issue, path=path)


def _issue(one: Asked, code: str, reason: str, accepted: str, status: int = 400, name: str = "") -> Issue:
    return Issue("error", code, f"Bundle.entry[{one.place}]{name}", reason, accepted, "bundle", status)


_KEPT: Final = "Bundle"


def _again(told: str) -> Entry:
    status, _, location = told.partition(" ")
    done: Entry = {"status": "200 OK" if status == "201" else f"{status} as before", "location": location}
    if location:
        done["etag"] = f'W/"{location.rpartition("/")[2]}"'
    else:
        del done["location"]
    return {"response": done}


def _kept(answers: Sequence[Entry]) -> str:
    return "\n".join(
        f"{answer['response']['status'].partition(' ')[0]} {answer['response'].get('location', '')}"
        for answer in answers
    )
