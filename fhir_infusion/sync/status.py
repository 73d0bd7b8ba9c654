"""How far each remote is in step, as data: for ``sync status``, the metrics and the readiness page.

An age that grows is the alarm (hazard H18: a sync that stopped is silent). Nothing here names a patient or an order.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from fhir_infusion.actions import follow
from fhir_infusion.remotes import PATIENT, TYPES
from fhir_infusion.store import endpoints, inbox, links, standing
from fhir_infusion.sync.unset import ANYBODY, UNSET, unset

if TYPE_CHECKING:
    from fhir_infusion.config import Remote
    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import State

Status = dict[str, Any]

Sample: TypeAlias = int | Literal["+Inf"]
"""A value as Prometheus writes it."""
NEVER: Final = "+Inf"
_AGES_OF_FEEDS: Final = frozenset({"watermark_age_seconds", "last_success_seconds"})
_COUNTED: Final[tuple[State, ...]] = ("pending", "unknown", "conflict", "duplicate", "dead")


def status(service: Service, tenant: str | None = None) -> list[Status]:
    """Return one JSON-ready entry for each remote of the settings, or of those of one tenant.

    Ages are whole seconds, None where there is nothing to be old: ``oldest_pending_seconds`` is the oldest row that is
    neither done nor put aside, ``oldest_stop_seconds`` the oldest such stop, ``watermark_age_seconds`` how far
    behind the peer's feed is known to be read, ``last_success_seconds`` since when it was read to its end. ``paused``
    says why it is left alone until a person says otherwise, ``trouble`` is the code of what is wrong, each empty where
    it is not so. ``can`` is what the last probe reported, None where there was none. ``identities`` are conflicts about
    who a patient of the tenant is, ``patients_aside`` outbox rows that wait for such a reason. ``lost`` counts what
    was there of ours and is not known there any more, until it is told again; ``deleted_active`` what is gone there,
    also by a deletion, and has not ended here. After them stand those that the settings do not name any more and for
    which something waits: of ``direction`` ``none``.
    """
    remotes = [one for one in service.settings.remotes if tenant in {None, one.tenant}]
    set_ones = [service.store.read(remote.tenant, partial(_of, remote=remote)) for remote in remotes]
    others = unset(service, tenant)
    return set_ones + [service.store.read(owner, partial(_of_unset, endpoint=name)) for owner, name in others]


def gauges(service: Service) -> dict[str, tuple[str, Sample]]:
    """Return the same numbers as samples of the metrics: a name with its labels, to its help and its value.

    Labels are the names of remotes and types: ours. What is not old has the age 0; a feed that was never read is of an
    infinite one, so that an alarm on its age is raised. A remote that no section names has its tenant as a label, too:
    one of another tenant may have its name.
    """
    identities = service.store.read(ANYBODY, standing.held_identities)
    found: dict[str, tuple[str, Sample]] = {"fhir_infusion_identities": (_IDENTITIES, identities)}
    for remote in service.settings.remotes:
        numbers = service.store.read(remote.tenant, partial(_numbers, remote=remote))
        known = service.store.read(remote.tenant, partial(_known, endpoint=remote.name))
        numbers |= {name: known[name] for name in ("paused_seconds", "trouble_seconds")}
        feeds = numbers.pop("feeds")
        for name, value in numbers.items():
            found[f'fhir_infusion_sync_{name}{{endpoint="{remote.name}"}}'] = (HELP[name], value or 0)
        for type_, feed in feeds.items():
            for name in ("watermark_age_seconds", "last_success_seconds", "unapplied"):
                labels = f'endpoint="{remote.name}",type="{type_}"'
                never: Sample = NEVER if name in _AGES_OF_FEEDS else 0
                age = feed[name]
                found[f"fhir_infusion_sync_{name}{{{labels}}}"] = (HELP[name], never if age is None else age)
    for tenant, name in unset(service):
        waiting = service.store.read(tenant, partial(_outgoing, endpoint=name))
        labels = f'endpoint="{name}",tenant="{tenant}"'
        found |= {f"fhir_infusion_sync_{what}{{{labels}}}": (HELP[what], age or 0) for what, age in waiting.items()}
    return found


_IDENTITIES: Final = "Patients of whom a person has to say who they are."
HELP: Final = {
    "paused_seconds": "For how many seconds it has been left alone until a person says otherwise.",
    "trouble_seconds": "For how many seconds something has been wrong with it, such as its certificate.",
    "oldest_pending_seconds": "Age of the oldest version that is still to be told.",
    "oldest_stop_seconds": "Age of the oldest stop that is not acknowledged.",
    "pending": "Versions that are still to be told.",
    "unknown": "Versions of which it is not known whether they arrived.",
    "dead": "Versions that were put aside.",
    "duplicate": "Versions that wait because several there carry the identifier.",
    "lost": "Resources of ours that were there and are not known there any more.",
    "deleted_active": "Resources of ours that are gone there and have not ended here.",
    "conflicts": "Changes on both sides that wait for a person.",
    "identities": "Patients of its tenant of whom a person has to say who they are.",
    "patients_aside": "Versions that were put aside because it is not certain who their patient is.",
    "quarantined": "Received versions that could not be taken.",
    "watermark_age_seconds": "How many seconds behind the feed of a type is known to be read; +Inf where it never was.",
    "last_success_seconds": "Seconds since the feed of a type was read to its end; +Inf where it never was.",
    "unapplied": "Received versions that are not applied yet.",
}


def _of(tx: Tx, remote: Remote) -> Status:
    named = {"endpoint": remote.name, "tenant": remote.tenant, "direction": remote.direction}
    return {**named, **_known(tx, remote.name), **_counted(tx, remote.name, _numbers(tx, remote))}


def _of_unset(tx: Tx, endpoint: str) -> Status:
    numbers = {**_outgoing(tx, endpoint), **_held(tx, endpoint), "feeds": {}}
    named = {"endpoint": endpoint, "tenant": tx.tenant, "direction": UNSET}
    return {**named, **_known(tx, endpoint), **_counted(tx, endpoint, numbers)}


def _counted(tx: Tx, endpoint: str, numbers: Status) -> Status:
    """Return the numbers with the whole outbox in place of what they say of it."""
    counts = {"outbox": standing.outgoing(tx, endpoint)}
    return {**counts, **{name: value for name, value in numbers.items() if name not in {"pending", "duplicate"}}}


def _known(tx: Tx, endpoint: str) -> Status:
    known = endpoints.known(tx, endpoint)
    return {
        "paused": known.why,
        "paused_seconds": _age(tx.now, known.paused),
        "trouble": known.trouble,
        "trouble_seconds": _age(tx.now, known.troubled),
        "can": known.can,
        "probed_seconds": _age(tx.now, known.probed),
    }


def _numbers(tx: Tx, remote: Remote) -> Status:
    """Return what is read by an index, whatever was acknowledged in all the years before."""
    feeds = {one: _feed(tx, remote, one) for one in remote.feeds} if remote.direction != "push" else {}
    return {**_outgoing(tx, remote.name), **_held(tx, remote.name), "feeds": feeds}


def _outgoing(tx: Tx, endpoint: str) -> Status:
    counts = standing.outgoing(tx, endpoint, _COUNTED)
    return {
        "pending": counts.get("pending", 0),
        "unknown": counts.get("unknown", 0),
        "dead": counts.get("dead", 0),
        "duplicate": counts.get("duplicate", 0),
        "oldest_pending_seconds": _age(tx.now, standing.oldest(tx, endpoint)),
        "oldest_stop_seconds": _age(tx.now, standing.oldest(tx, endpoint, "stop")),
    }


def _held(tx: Tx, endpoint: str) -> Status:
    return {
        "conflicts": standing.held(tx, endpoint),
        "identities": standing.held(tx, follow.HERE),
        "patients_aside": standing.held_for_patient(tx, endpoint),
        "lost": links.lost(tx, endpoint),
        "deleted_active": links.deleted_active(tx, endpoint),
        "quarantined": standing.incoming(tx, endpoint, (*TYPES, PATIENT), "quarantined"),
    }


def _feed(tx: Tx, remote: Remote, type_: str) -> Status:
    cursor = inbox.cursor(tx, remote.name, type_, remote.filter_of(type_))
    return {
        "watermark": cursor.watermark,
        "watermark_age_seconds": _age(tx.now, _moment(cursor.watermark)),
        "last_success_seconds": _age(tx.now, cursor.last_success),
        "unapplied": standing.incoming(tx, remote.name, (type_,), "new"),
    }


def _age(now: datetime, since: datetime | None) -> int | None:
    return None if since is None else max(0, int((now - since).total_seconds()))


def _moment(instant: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(instant)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
