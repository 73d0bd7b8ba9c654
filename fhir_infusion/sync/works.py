"""What is done to remotes by hand: each work by its name, with the texts that it takes.

It is done by the process that writes the database (``POST /internal/<work>``), or by the command where none does. A new
work is a row here, and a command that asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions.mappings.replay import note_shown
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.remotes import TYPES
from fhir_infusion.store import conflicts, standing
from fhir_infusion.sync import shown
from fhir_infusion.sync.bulk import load
from fhir_infusion.sync.duplicates import undouble
from fhir_infusion.sync.inspecting import retry_quarantined, rewind, show_quarantined, show_row
from fhir_infusion.sync.mending import mend
from fhir_infusion.sync.probe import WAYS, probe
from fhir_infusion.sync.replaying import replay, skip
from fhir_infusion.sync.resolve import KEEP, resolve
from fhir_infusion.sync.restored import resume
from fhir_infusion.sync.subscribing import WAYS as SUBSCRIBING
from fhir_infusion.sync.subscribing import subscribe
from fhir_infusion.sync.worker import sync_now

if TYPE_CHECKING:
    from fhir_infusion.service import Service

BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True)
class Work:
    """A function of a service and texts that answers in JSON; each text by its name, with what it may be if not all."""

    run: Callable[..., dict[str, Any]]
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def sync(service: Service, remote: str, direction: str) -> dict[str, Any]:
    """Push or pull one remote once, and return what was done, and how many versions wait to be told now.

    Raises:
        SettingsError: there is no such remote, or it does not go in this direction.
        Unavailable: the store cannot serve now.
    """
    taken, pulled = sync_now(service, remote, direction)
    tenant = service.settings.remote(remote).tenant
    return {
        "remote": remote,
        "direction": direction,
        "taken": taken,
        "waiting": service.store.read(tenant, lambda tx: standing.waiting(tx, remote)),
        "pulled": [
            {"type": one.type, "received": one.received, "applied": one.applied, "trouble": one.trouble}
            for one in pulled
        ],
    }


def show(service: Service, client: str, conflict_id: str) -> dict[str, Any]:
    """Return a conflict of any tenant with its values; audited as a read.

    Raises:
        Refused: 404 there is no such open conflict.
        Unavailable: the store cannot serve now.
    """
    tenants = service.store.read("default", conflicts.tenants)
    for tenant in tenants:
        if service.store.read(tenant, partial(conflicts.get, conflict_id=conflict_id)) is not None:
            return {"tenant": tenant, **shown.show(service, tenant, client, conflict_id)[1]}
    raise Refused(Issue("error", "not-found", "", "there is no such open conflict", shown.ACCEPTED, status=404))


WORKS: Final[Mapping[str, Work]] = {
    "sync": Work(sync, {"remote": (), "direction": ("push", "pull", "both")}),
    "resolve": Work(resolve, {"client": (), "conflict_id": (), "keep": KEEP, "reason": ()}),
    "show-conflict": Work(show, {"client": (), "conflict_id": ()}),
    "subscribe": Work(subscribe, {"client": (), "remote": (), "way": SUBSCRIBING}),
    "load": Work(load, {"remote": (), "types": ()}),
    "probe": Work(probe, {"remote": (), "way": WAYS}),
    "resume": Work(resume, {"client": (), "remote": (), "reason": ()}),
    "replay": Work(replay, {"client": (), "remote": (), "rows": (), "reason": ()}),
    "skip": Work(skip, {"client": (), "rows": (), "reason": ()}),
    "show-row": Work(show_row, {"client": (), "row": ()}),
    "show-quarantined": Work(show_quarantined, {"client": (), "remote": (), "version": ()}),
    "retry-quarantined": Work(retry_quarantined, {"client": (), "remote": (), "listed": (), "reason": ()}),
    "rewind": Work(rewind, {"client": (), "remote": (), "fhir_type": TYPES, "to": (), "reason": ()}),
    "note-shown": Work(note_shown, {"client": (), "tenant": (), "shown": ()}),
    "undouble": Work(undouble, {"client": (), "remote": (), "resource": (), "reason": ()}),
    "mend": Work(mend, {"client": (), "remote": (), "resources": (), "reason": ()}),
}


def do(service: Service, name: str, given: Mapping[str, object]) -> dict[str, Any]:
    """Do a work and return its answer.

    Raises:
        Refused: 404 there is no such work; 400 the texts are not those that it takes; and what the work refuses.
        SettingsError: there is no such remote.
        Unavailable: the store cannot serve now.
    """
    work = WORKS.get(name)
    if work is None:
        raise Refused(Issue("error", "not-found", "", "there is no such work", ", ".join(WORKS), status=404))
    texts = {key: value for key, value in given.items() if isinstance(value, str)}
    if set(texts) != set(work.texts) or len(given) != len(texts):
        accepted = ", ".join(work.texts)
        raise Refused(Issue("error", "structure", "", "the request is not complete", accepted, status=BAD_REQUEST))
    for key, value in texts.items():
        if work.texts[key] and value not in work.texts[key]:
            accepted = ", ".join(work.texts[key])
            raise Refused(Issue("error", "value", key, "this value is not known", accepted, status=BAD_REQUEST))
    return work.run(service, **texts)
