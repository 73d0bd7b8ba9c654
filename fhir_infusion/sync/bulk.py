"""The first load of a peer by its bulk export, step by step, each kept before the next: what is cut off goes on.

1. Note that a load is under way; ordinary pulls stand aside meanwhile.
2. Kick off, and keep the address of the status before it is asked.
3. Ask how far it is, never before the peer said; an export that it lost or let expire is begun anew.
4. Keep the manifest; files that lie elsewhere are not fetched: credentials and trust end at the endpoint.
5. Store the files line by line (``files``): what is there, what was deleted, what the peer could not give.
6. Move the watermark to the peer's transactionTime, or to the newest that came where that is earlier; the next pull
   reaches back from there by its overlap. Where something was left out that may come later, it stays.
7. Tell the peer that its export is needed no more, and apply what came, as any pull does.

A call does what it can in some seconds and says whether, and when, to come again. So whoever asks can be cut off as
well, and no thread waits for the peer.

https://hl7.org/fhir/uv/bulkdata/export.html
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fhir_infusion.errors import Issue, Refused, SettingsError
from fhir_infusion.store import inbox, loads
from fhir_infusion.store.failpoint import reach
from fhir_infusion.store.loads import Load
from fhir_infusion.store.tx import to_ms
from fhir_infusion.sync import files, manifest, moments, places, retry
from fhir_infusion.sync.feed import PASSING
from fhir_infusion.sync.files import SEEN, Time
from fhir_infusion.sync.manifest import Begun, NotOffered, Ready, Running, Unusable
from fhir_infusion.sync.peer import Peer
from fhir_infusion.sync.pull import apply_new, turn_of
from fhir_infusion.sync.replies import Gone, Missing, Rejected, Throttled, Trouble
from fhir_infusion.sync.word import word

if TYPE_CHECKING:
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx

SECONDS: Final = 5.0
"""For so long a call goes on; a line that is being stored, and what had to be passed over, come on top."""
STARTS: Final = 5
"""An export that was lost so often is not begun again."""
POLL: Final = timedelta(seconds=5)
"""Between two questions, where the peer does not say."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Come again then; ``trouble`` is empty where nothing went wrong."""

    until: timedelta
    trouble: str = ""
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The load is at its end. ``refused``: not by us, and it says why."""

    refused: str = ""


Outcome: TypeAlias = Load | Wait | Done


def load(service: Service, remote: str, types: str) -> dict[str, Any]:
    """Go on with the load of a remote for some seconds, or begin it; ``types`` are those wanted, by commas.

    Returns:
        ``state`` (``waiting``, ``going-on``, ``done``, ``refused``), ``wait_seconds`` until to come again, how many
        ``files`` there are and are stored, how many versions were ``received`` and are ``applied`` by this call,
        ``percent`` of what the peer prepares, and ``trouble``.

    Raises:
        Refused: 422 a type is not one that is kept in step.
        SettingsError: there is no such remote, it is not pulled from, or only in part.
        Unavailable: the store cannot serve now.
    """
    section = service.settings.remote(remote)
    if section.direction == "push":
        raise SettingsError(f"[remotes.{remote}] direction: push; this needs pull or both")
    if section.pull_filter:
        raise SettingsError(f"[remotes.{remote}] pull_filter: an export takes all; use `sync pull`")
    named = types.split(",") if types else section.types
    wanted = [one for one in section.types if one in named]
    if set(wanted) != set(named):
        accepted = ", ".join(section.types)
        raise Refused(Issue("error", "value", "types", "this type is not kept in step", accepted, status=422))
    peer = Peer(service, section)
    try:
        return _Steps(peer, section.tenant).go(",".join(wanted))
    finally:
        peer.close()


class _Steps:
    """The steps of one call."""

    def __init__(self, peer: Peer, tenant: str) -> None:
        self._peer, self._tenant = peer, tenant
        self._store = peer.service.store
        self._time = Time(SECONDS)
        self._applied = 0

    def go(self, types: str) -> dict[str, Any]:
        """Take steps until it is time to wait, or to end."""
        begun = self._begun(types)
        with self._store.alone(turn_of(self._tenant, self._peer.name)) as alone:
            if not alone:
                return self._told(begun, Wait(timedelta(seconds=1)))
            current = begun
            while True:
                if why := places.paused(self._peer, self._tenant):
                    return self._told(current, Wait(POLL, f"paused: {why}; see `fhir-infusion sync resume`"))
                outcome = self._step(current)
                if not isinstance(outcome, Load):
                    return self._told(self._found() or current, outcome)
                current = outcome
                if self._time.is_over:
                    return self._told(current, None)

    def _begun(self, types: str) -> Load:
        """Return the load that is under way, or note that one is; another choice of types is another load."""

        def work(tx: Tx) -> Load:
            found = loads.find(tx, self._peer.name)
            if found is None or found.types != types:
                found = Load(self._peer.name, types)
                for type_ in types.split(","):
                    inbox.keep_cursor(tx, inbox.Cursor(self._peer.name, type_, SEEN))
            loads.keep(tx, found)
            return found

        return self._store.transact(self._tenant, work)

    def _step(self, current: Load) -> Outcome:
        left = current.not_before - to_ms(self._peer.now())
        if left > 0:
            return Wait(timedelta(milliseconds=left))
        match current.state:
            case "begun":
                return self._kick_off(current)
            case "asked":
                return self._look(current)
            case "ready":
                return self._files(current)
            case "stored":
                return self._apply(current)

    def _kick_off(self, current: Load) -> Outcome:
        if current.starts >= STARTS:
            return self._refused("it loses its exports; `fhir-infusion sync pull` reads it page by page")
        answer = manifest.kick_off(self._peer.endpoint, current.types.split(","))
        match answer:
            case Begun(url):
                reach("load.begun")
                asked = replace(current, state="asked", status_url=url, starts=current.starts + 1, failures=0)
                return self._kept(asked)
            case NotOffered():
                return self._refused("it offers no bulk export; `fhir-infusion sync pull` reads it page by page")
            case _:
                return self._failed(current, answer)

    def _look(self, current: Load) -> Outcome:
        reach("load.asked")
        answer = manifest.look(self._peer.endpoint, current.status_url)
        match answer:
            case Running(retry_after, percent):
                pause = retry.asked(retry_after, self._peer.now())
                pause = POLL if pause is None else max(pause, retry.FIRST)
                self._kept(replace(current, failures=0, not_before=self._in(pause)))
                return Wait(pause, percent=percent)
            case Ready(moment, found):
                texts = files.texts_of(found)
                ready = replace(current, state="ready", transaction_time=moment, files=texts, failures=0)
                return self._kept(ready)
            case Unusable(why):
                manifest.end(self._peer.endpoint, current.status_url)
                return self._refused(why)
            case _:
                return self._failed(current, answer)

    def _files(self, current: Load) -> Outcome:
        if current.file >= len(files.files_of(current)):
            return self._stored(current)
        after, trouble = files.store(self._peer, self._tenant, current, self._time)
        return after if trouble is None else self._failed(after, trouble)

    def _stored(self, current: Load) -> Outcome:
        """Move the watermark: what the files hold is on disk by now."""
        reach("load.move")
        peer = self._peer
        left_out = set(current.codes.split(",")) & PASSING

        def work(tx: Tx) -> Load:
            for type_ in current.types.split(","):
                before, seen = inbox.cursor(tx, peer.name, type_), inbox.cursor(tx, peer.name, type_, SEEN)
                reached = moments.least([seen.max_seen, current.transaction_time])
                if not left_out and not current.skipped:
                    inbox.keep_cursor(tx, replace(before, watermark=moments.greatest([before.watermark, reached])))
            if current.skipped:
                peer.alert(tx, "load-line-too-long", "")
            stored = replace(current, state="stored")
            loads.keep(tx, stored)
            return stored

        return self._store.transact(self._tenant, work)

    def _apply(self, current: Load) -> Outcome:
        if current.status_url:
            manifest.end(self._peer.endpoint, current.status_url)
            current = self._kept(replace(current, status_url=""))
        ending = threading.Event()
        timer = threading.Timer(SECONDS, ending.set)
        timer.daemon = True
        timer.start()
        try:
            for type_ in current.types.split(","):
                self._applied += apply_new(self._peer, self._tenant, type_, ending)
        finally:
            timer.cancel()
        if ending.is_set():
            self._time.seconds = 0
            return self._kept(current)
        self._forget()
        return Done()

    # --------------------------------------------------------------------------------------------------- keeping

    def _failed(self, current: Load, trouble: Trouble) -> Outcome:
        """Wait, and longer each time; begin anew where what was asked for is not there any more."""
        if isinstance(trouble, Missing | Gone | Rejected) and current.status_url:
            if isinstance(trouble, Rejected):
                manifest.end(self._peer.endpoint, current.status_url)
            return self._kept(Load(current.endpoint, current.types, starts=current.starts, received=current.received))
        failures = current.failures + 1
        pause = retry.asked(trouble.retry_after, self._peer.now()) if isinstance(trouble, Throttled) else None
        if pause is None:
            pause = retry.wait(failures, lambda: 0.5 + self._peer.draw() / 2)
        self._kept(replace(current, failures=failures, not_before=self._in(pause)))
        return Wait(pause, word(trouble))

    def _refused(self, why: str) -> Done:
        self._forget()
        return Done(why)

    def _in(self, pause: timedelta) -> int:
        return to_ms(self._peer.now() + pause)

    def _kept(self, current: Load) -> Load:
        self._store.transact(self._tenant, lambda tx: loads.keep(tx, current))
        return current

    def _forget(self) -> None:
        self._store.transact(self._tenant, lambda tx: loads.forget(tx, self._peer.name))

    def _found(self) -> Load | None:
        return self._store.read(self._tenant, lambda tx: loads.find(tx, self._peer.name))

    def _told(self, current: Load, outcome: Wait | Done | None) -> dict[str, Any]:
        refused = outcome.refused if isinstance(outcome, Done) else ""
        wait = outcome if isinstance(outcome, Wait) else None
        ended = "refused" if refused else "done"
        left_out = [f"left out by the peer: {current.codes}"] if current.codes else []
        if current.skipped:
            left_out.append(f"lines above max_bytes: {current.skipped}; the next pull asks for all again")
        done = isinstance(outcome, Done)
        return {
            "remote": self._peer.name,
            "state": ended if done else "waiting" if wait is not None else "going-on",
            "wait_seconds": round(wait.until.total_seconds(), 3) if wait is not None else 0,
            "percent": wait.percent if wait is not None else None,
            "files": len(files.files_of(current)),
            "files_stored": current.file,
            "received": current.received,
            "applied": self._applied,
            "trouble": refused or (wait.trouble if wait is not None else "") or ("; ".join(left_out) if done else ""),
        }
