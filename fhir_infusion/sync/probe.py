"""Trying out what a server can do: what it states beside what it does.

It states it in its CapabilityStatement. What it does is tried with Patients that are made for it, marked as no persons,
under identifiers that nobody else has; all are deleted at the end. What is seen is kept, so that the create ladder uses
no rung that was seen to fail (``ladder``). ``read-only`` makes nothing.

Each trial ends as ``yes``, ``no``, or ``unsure`` where the answer decides nothing.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.remotes import TYPES
from fhir_infusion.store import endpoints
from fhir_infusion.sync import ladder, moments, statement
from fhir_infusion.sync.compare import has_identifier
from fhir_infusion.sync.remote import Endpoint
from fhir_infusion.sync.replies import (
    Clash,
    Deleted,
    Forbidden,
    Found,
    Gone,
    Listed,
    Missing,
    Rejected,
    Stale,
    Stamp,
    Trouble,
    Written,
)
from fhir_infusion.sync.word import code_of

if TYPE_CHECKING:
    from fhir_infusion.fhir.json import Resource
    from fhir_infusion.service import Service

Report: TypeAlias = dict[str, Any]
Is: TypeAlias = Literal["yes", "no", "unsure"]

WAYS: Final = ("whole", "read-only")
PROBED: Final = "Patient"
SYSTEM: Final = "urn:fhir-infusion:probe"
LOOKS: Final = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Waits, in seconds, before each look for what was just created."""
PAGES: Final = 10

_STATED: Final = {
    "create": ("interaction", "create"),
    "conditional-create": ("flag", "conditionalCreate"),
    "update-create": ("flag", "updateCreate"),
    "delete": ("interaction", "delete"),
    "history": ("interaction", "history-type"),
    "identifier-search": ("parameter", "identifier"),
    "last-updated": ("parameter", "_lastUpdated"),
}
_NEEDED: Final = ("create", "identifier-search", "last-updated", "if-match")


def probe(service: Service, remote: str, way: str) -> Report:
    """Try out a remote, keep what was seen unless nothing was, and return it.

    ``needs`` names what is wanted of a server and was seen not to hold, ``differs`` where it does not do as it states,
    ``left`` what could not be deleted again. ``trouble`` is empty where the server could be asked.

    Raises:
        SettingsError: there is no such remote, or a file of it cannot be read.
        Unavailable: the store cannot serve now.
    """
    settings = service.settings.remote(remote)
    # The endpoint by itself, without circuit: a refusal is what is asked for here, no reason to leave the server alone.
    endpoint = Endpoint(settings)
    try:
        report = _report(_Trial(endpoint, service.clock), is_whole=way == "whole")
    finally:
        endpoint.close()
    if not report["trouble"]:
        service.store.transact(settings.tenant, lambda tx: endpoints.note_probe(tx, remote, report))
    return report


def _report(trial: _Trial, *, is_whole: bool) -> Report:
    endpoint = trial.endpoint
    named = {"remote": endpoint.name, "release": endpoint.release, "way": "whole" if is_whole else "read-only"}
    stated = endpoint.capability()
    if isinstance(stated, Missing):
        stated = {}
    if not isinstance(stated, dict):
        return {**named, "trouble": code_of(stated)}
    if is_whole:
        trial.run()
    else:
        trial.look()
    failing = ladder.failing_of({"saw": trial.saw})
    release = statement.release(stated)
    is_other = bool(release) and release != endpoint.release
    return {
        **named,
        "trouble": "",
        "states": states(stated),
        "saw": trial.saw,
        "rungs": {type_: ladder.rung_of(stated, type_, failing) for type_ in (PROBED, *TYPES)},
        "differs": differences(stated, trial.saw),
        "needs": [*(["release"] if is_other else []), *(name for name in _NEEDED if trial.saw.get(name) == "no")],
        "left": trial.left,
    }


def states(stated: Resource) -> Report:
    """Return what a CapabilityStatement says of what synchronising uses."""
    types = {}
    for type_ in (PROBED, *TYPES):
        one = statement.of_type(stated, type_)
        flags = {name: one.get(name) is True for name in ("conditionalCreate", "updateCreate")}
        types[type_] = {
            "interactions": sorted(statement.interactions(stated, type_)),
            **flags,
            "versioning": str(one.get("versioning", ""))[:32],
            "search": sorted({"identifier", "_lastUpdated", "_id"} & statement.parameters(stated, type_)),
        }
    return {"release": statement.release(stated), "bulk": statement.exports(stated), "types": types}


def differences(stated: Resource, saw: Report) -> list[str]:
    """Return where a server does not do as it states, or does what it does not state."""
    found = []
    for name, (kind, code) in _STATED.items():
        says = {
            "interaction": lambda code=code: code in statement.interactions(stated, PROBED),
            "flag": lambda code=code: statement.of_type(stated, PROBED).get(code) is True,
            "parameter": lambda code=code: code in statement.parameters(stated, PROBED),
        }[kind]()
        if says and saw.get(name) == "no":
            found.append(f"{name}: stated, and not so")
        if not says and saw.get(name) == "yes":
            found.append(f"{name}: not stated, and so")
    versioning = statement.of_type(stated, PROBED).get("versioning")
    if versioning in {"versioned", "versioned-update"} and saw.get("if-match") == "no":
        found.append("if-match: versions are stated, and a stale one may be written upon")
    return found


@dataclass
class _Trial:
    """The trials at one server, in their order. ``saw`` is what came of each, ``left`` what is still there."""

    endpoint: Endpoint
    now: Callable[[], datetime]
    saw: Report = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Try everything, and delete what was made."""
        value = str(uuid.uuid4())
        self.values = [value, f"{value}.2", f"{value}.3"]
        try:
            created = self._created(value)
            self._seen(value, 1 if created else 0)
            if created is not None:
                self._conditional(f"{value}.2")
                self._stale(created, value)
            self._update_create(f"{value}.3")
            self._feed(created)
        finally:
            self._deleted()
        self.look()

    def look(self) -> None:
        """Try what makes nothing: the feed of each type, its history, and the server's clock."""
        for type_ in TYPES:
            listed = self.endpoint.search(type_, [("_sort", "_lastUpdated"), ("_count", "1")])
            self.saw[f"search {type_}"] = _is(isinstance(listed, Listed), listed)
            if isinstance(listed, Listed):
                self._clock(listed)
        if "history" not in self.saw:
            history = self.endpoint.history(TYPES[0], [("_count", "1")])
            self.saw["history"] = _is(isinstance(history, Listed), history)

    # ----------------------------------------------------------------------------------------------- one by one

    def _created(self, value: str) -> Stamp | None:
        reply = self.endpoint.create(_scratch(value))
        self.saw["create"] = _is(isinstance(reply, Written), reply)
        if not isinstance(reply, Written) or reply.stamp is None:
            self.saw["trouble"] = "no address" if isinstance(reply, Written) else code_of(reply)
            return None
        self.made.append(reply.stamp.id)
        there = self.endpoint.read(PROBED, reply.stamp.id)
        self.saw["read"] = _is(isinstance(there, Found), there)
        if not isinstance(there, Found) or not self._is_ours(there):
            return None  # nothing is written upon that may be somebody's
        kept = re.search(r'"valueDecimal"\s*:\s*([^\s,}]+)', there.text)
        self.saw["decimals"] = "unsure" if kept is None else _is(kept[1] == "1.50")
        self.saw["version-id"] = _is(bool(there.stamp.version_id))
        return there.stamp

    def _seen(self, value: str, wanted: int) -> None:
        """Look until a search shows what was created; and say how long that took."""
        since = time.monotonic()
        found: ladder.One | ladder.Absent | ladder.Several | Trouble = ladder.Absent()
        for wait in LOOKS if wanted else LOOKS[:1]:
            time.sleep(wait)
            found = ladder.look(self.endpoint, PROBED, SYSTEM, value)
            if not isinstance(found, ladder.Absent):
                break
        if not wanted:
            is_answered = isinstance(found, ladder.Absent | ladder.One | ladder.Several)
            self.saw["identifier-search"] = "unsure" if is_answered else _is(holds=False, reply=found)
            return
        self.saw["identifier-search"] = _is(isinstance(found, ladder.One | ladder.Several), found)
        if isinstance(found, ladder.Several):
            self.saw["create"] = "no"  # one was asked for
        self.saw["identifier-search-ms"] = round(1000 * (time.monotonic() - since))

    def _conditional(self, value: str) -> None:
        ids = []
        for _ in range(2):
            reply = self.endpoint.create(_scratch(value), (SYSTEM, value))
            if not isinstance(reply, Written) or reply.stamp is None:
                self.saw["conditional-create"] = _is(holds=False, reply=reply)
                break
            ids.append(reply.stamp.id)
            self._seen_at_last(value)
        self.made += dict.fromkeys(ids)
        if len(ids) == 2:
            there = self.endpoint.read(PROBED, ids[0])
            is_another = isinstance(there, Found) and not self._is_ours(there)
            self.saw["conditional-create"] = _is(ids[0] == ids[1] and not is_another)

    def _seen_at_last(self, value: str) -> None:
        """Give the server the time that it took to show the first one: a condition is a search, too."""
        for wait in LOOKS:
            time.sleep(wait)
            if not isinstance(ladder.look(self.endpoint, PROBED, SYSTEM, value), ladder.Absent):
                return

    def _stale(self, created: Stamp, value: str) -> None:
        changed = {**_scratch(value), "id": created.id, "gender": "unknown"}
        first = self.endpoint.update(changed, created.etag or '""')
        self.saw["update"] = _is(isinstance(first, Written), first)
        if not isinstance(first, Written):
            return
        again = self.endpoint.update({**changed, "gender": "other"}, created.etag or '""')
        self.saw["if-match"] = "yes" if isinstance(again, Stale | Clash) else _is(holds=False, reply=again)

    def _update_create(self, value: str) -> None:
        id_ = ladder.client_id(SYSTEM, value)
        reply = self.endpoint.update({**_scratch(value), "id": id_})
        if isinstance(reply, Written):
            self.made.append(id_)
            self.saw["update-create"] = _is(reply.stamp is None or reply.stamp.id == id_)
        else:
            self.saw["update-create"] = _is(holds=False, reply=reply)

    def _feed(self, created: Stamp | None) -> None:
        """Read the Patients since the first was made, one a page: all are there, in order, and no older one."""
        since = moments.at(created.last_updated) if created is not None else moments.NEVER
        if since == moments.NEVER:
            self.saw |= dict.fromkeys(("last-updated", "sort", "next-link"), "unsure")
            return
        start = moments.instant(since - timedelta(seconds=1))
        query = [("_lastUpdated", f"ge{start}"), ("_sort", "_lastUpdated"), ("_count", "1")]
        page = self.endpoint.search(PROBED, query)
        self.saw["last-updated"] = _is(isinstance(page, Listed), page)
        if not isinstance(page, Listed):
            return
        self._clock(page)
        self.saw["next-link"] = _is(bool(page.following)) if len(self.made) > 1 else "unsure"
        dates, pages = [], 0
        while isinstance(page, Listed) and pages < PAGES:
            dates += [moments.at(one.stamp.last_updated) for one in page.entries]
            pages += 1
            if not page.following:
                break
            page = self.endpoint.page(PROBED, page.following)
        if any(one < moments.at(start) for one in dates):
            self.saw["last-updated"] = "no"
        self.saw["sort"] = _is(dates == sorted(dates)) if len(dates) > 1 else "unsure"

    def _deleted(self) -> None:
        """Delete what was made; where that cannot be done, say so."""
        for value in self.values:  # an answer may have been lost
            found = ladder.look(self.endpoint, PROBED, SYSTEM, value)
            self.made += [found.entry.stamp.id] if isinstance(found, ladder.One) else []
            self.made += found.ids if isinstance(found, ladder.Several) else ()
        for id_ in dict.fromkeys(self.made):
            there = self.endpoint.read(PROBED, id_)
            if isinstance(there, Found) and not self._is_ours(there):
                continue  # an answer has named somebody's (hazard H10)
            reply = self.endpoint.delete(PROBED, id_)
            there = self.endpoint.read(PROBED, id_)
            is_gone = isinstance(there, Missing | Gone)
            self.saw["delete"] = "yes" if is_gone else _is(holds=False, reply=reply)
            if isinstance(there, Gone | Missing):
                self.saw["deleted-reads"] = "410" if isinstance(there, Gone) else "404"
            else:
                self.left.append(f"{PROBED}/{id_}")
        if self.saw.get("delete") == "yes":
            self._told_deleted(self.made[0])

    def _is_ours(self, there: Found) -> bool:
        """Say whether it is one that this trial made, whatever an answer says."""
        return any(has_identifier(there.resource, SYSTEM, value) for value in self.values)

    def _told_deleted(self, id_: str) -> None:
        page = self.endpoint.history(PROBED, [("_count", "50")])
        self.saw["history"] = _is(isinstance(page, Listed), page)
        if isinstance(page, Listed):
            told = set(page.deleted)
            self.saw["history-deletions"] = "yes" if id_ in told else "unsure" if page.following else "no"

    def _clock(self, page: Listed) -> None:
        date = moments.at(moments.of_header(page.date))
        with suppress(OverflowError):
            if date != moments.NEVER:
                self.saw["date-skew-seconds"] = round((date - self.now()).total_seconds())


def _scratch(value: str) -> Resource:
    """Return a Patient that is none, and holds a number whose last digit is lost on many servers."""
    text: Callable[[str], Any] = fhir_json.read
    exact = text('{"extension":[{"url":"urn:fhir-infusion:probe:exact","valueDecimal":1.50}]}')
    return {
        "resourceType": PROBED,
        "active": False,
        "identifier": [{"system": SYSTEM, "value": value}],
        "name": [{"text": "No person: a trial of what this server can do"}],
        **exact,
    }


def _is(holds: bool, reply: object = None) -> Is:  # noqa: FBT001  what is asked, not an option
    """Return what came of a trial; an answer that may be another the next time decides nothing."""
    if holds:
        return "yes"
    return "no" if reply is None or isinstance(reply, _DECIDING) else "unsure"


_DECIDING: Final = (
    *(Missing, Gone, Rejected, Forbidden, Stale, Clash, Written, Deleted, Listed, Found),
    *(ladder.Several, ladder.Absent),
)
