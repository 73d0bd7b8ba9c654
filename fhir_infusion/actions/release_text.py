"""The text of a stored version in the release that is asked for.

In the release in which it was written that is the text itself. Its translation into another one is kept at the first
read: whatever becomes of the mapping later, an equal ETag goes with an equal body. The same holds for each dialect of
another server (``Service.dialect``), which has translations of its own, also in the release of the text.

What one release can say another may have no words for (R4 knows no order that ``ended``). That is a result of its own
beside the texts of the others: one such version must neither hide them nor be passed over. A text from which something
was left out says so by the tag SUBSETTED.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fhir_infusion.actions import whole
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused, Unavailable
from fhir_infusion.fhir import subset, targets
from fhir_infusion.fhir.served import MAPPED
from fhir_infusion.fhir.validate import demand_valid
from fhir_infusion.store import text, versions
from fhir_infusion.store.tx import instant, to_ms
from fhir_infusion.translator import RELEASES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unsaid:
    """Why a version has no text in the release asked for. ``fault`` is there where we failed at it ourselves."""

    issues: tuple[Issue, ...]
    fault: Exception | None = None


def texts(service: Service, tenant: str, found: Sequence[Stored], release: str) -> list[str | Unsaid]:
    """Return the JSON text of each version in a release, or why that release cannot say it."""
    foreign = [stored for stored in found if _is_foreign(service, stored, release)]
    name = f"{release} {service.dialect}" if service.dialect else release
    if not foreign:
        return [stored.text for stored in found]

    def kept(tx: Tx) -> dict[_Key, str]:
        known = ((key, versions.translation(tx, *key, name)) for key in map(_key, foreign))
        return {key: body for key, body in known if body is not None}

    bodies: dict[_Key, str | Unsaid] = {**service.store.read(tenant, kept)}
    made = {_key(stored): _translated(service, stored, release) for stored in foreign if _key(stored) not in bodies}
    new = {key: body for key, body in made.items() if isinstance(body, str)}

    def keep(tx: Tx) -> dict[_Key, str]:
        return {key: versions.keep_translation(tx, *key, name, body) for key, body in new.items()}

    bodies |= made
    if new:
        # Reads are served even where nothing can be written.
        with suppress(Unavailable):
            bodies |= service.store.transact(tenant, keep)
    return [bodies[_key(stored)] if _is_foreign(service, stored, release) else stored.text for stored in found]


def refuse_a_piece(service: Service, tenant: str, stored: Stored, release: str) -> None:
    """Refuse what was read with ``_elements`` or ``_summary`` as the whole of this version: it may be without the dose.

    Where the whole carries the tag as well, since this release cannot say all of it, the two are not told apart.

    Raises:
        Refused: 422.
    """
    (body,) = texts(service, tenant, [stored], release)
    if not isinstance(body, str) or not body:
        return
    as_read = text.read(body)
    if subset.unmarked(as_read) is as_read:
        reason = "this is a part of the resource, as its tag SUBSETTED says: the rest would be lost"
        accepted = "the whole resource, read without _elements and _summary"
        raise Refused(Issue("error", "business-rule", "meta.tag", reason, accepted, "subsetted", BREAKS_RULE))


def _is_foreign(service: Service, stored: Stored, release: str) -> bool:
    return stored.release != release or (bool(service.dialect) and stored.type in MAPPED)


_Key = tuple[str, str, int]


def _key(stored: Stored) -> _Key:
    return stored.type, stored.id, stored.version


def _translated(service: Service, stored: Stored, release: str) -> str | Unsaid:
    try:
        return _in_release(service, stored, release)
    except Refused as refused:
        return _unsaid(service, stored, release, refused.issues)
    except Exception as fault:
        code = type(fault).__name__
        logger.exception("a version could not be translated", extra={"resource": stored.aggregate, "code": code})
        told = Issue("error", "exception", "", "the service failed at it")
        return Unsaid(_unsaid(service, stored, release, (told,)).issues, fault)


def _unsaid(service: Service, stored: Stored, release: str, causes: Sequence[Issue]) -> Unsaid:
    """Return what is told of each cause: which version it is, what of it this release cannot say, and which can."""
    can = [one for one in RELEASES if one == stored.release or (one != release and _can_say(service, stored, one))]
    named = f"{stored.aggregate} version {stored.version} cannot be said in {release}"
    return Unsaid(
        tuple(
            Issue(
                "error",
                cause.code if cause.code == "exception" else "not-supported",
                cause.path,
                f"{named}: {cause.reason}",
                f"reading it in {' or '.join(can)}",
                "release",
                HTTPStatus.NOT_ACCEPTABLE,
            )
            for cause in causes
        )
    )


def _can_say(service: Service, stored: Stored, release: str) -> bool:
    try:
        return bool(_in_release(service, stored, release))
    except Exception:  # noqa: BLE001  whatever fails, it is no release to send a reader to
        return False


def _in_release(service: Service, stored: Stored, release: str) -> str:
    if stored.type not in MAPPED:
        # Without a record there is no translation: it is said as it stands, where that is right in this release.
        demand_valid(text.read(stored.text), release)
        return stored.text
    record = whole.single(whole.part_of(stored))
    translated = service.translator.to_fhir(record, release, service.dialect or None, as_sent=True)
    (resource,) = translated.results
    lost = {line.path for line in translated.exceptions if line.state == "dropped"}
    if not {stored.release, release} <= {"R4", "R4B"}:
        resource, out = targets.without_wrong_targets(resource, release, translated.findings)
        lost |= set(out)
    meta = text.read(stored.text).get("meta", {})
    # Labels of confidentiality and tags hold in every release; the profile is one of that release.
    kept = {name: meta[name] for name in _LABELS if name in meta}
    if kept:
        resource = {**resource, "meta": {**resource.get("meta", {}), **kept}}
    if lost - ({"meta"} if meta.keys() <= {*_LABELS, "versionId", "lastUpdated"} else set()):
        resource = subset.marked(resource)
    moment = instant(to_ms(stored.last_updated))
    return text.write(text.with_meta(resource, stored.id, stored.version, moment))


_LABELS: Final = ("source", "security", "tag")
