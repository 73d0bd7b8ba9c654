"""The text of a stored version in the release that is asked for.

In the release in which it was written that is the text itself. Its translation into another one is kept at the first
read: whatever becomes of the mapping later, an equal ETag goes with an equal body.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fhir_infusion.actions import whole
from fhir_infusion.errors import Unavailable
from fhir_infusion.store import text, versions
from fhir_infusion.store.tx import instant, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fhir_infusion.service import Service
    from fhir_infusion.store import Tx
    from fhir_infusion.store.versions import Stored


def texts(service: Service, tenant: str, found: Sequence[Stored], release: str) -> list[str]:
    """Return the JSON text of each version in a release.

    Raises:
        Refused: one of them cannot be said in that release.
    """
    foreign = [stored for stored in found if stored.release != release]
    if not foreign:
        return [stored.text for stored in found]

    def kept(tx: Tx) -> dict[str, str]:
        known = ((stored, versions.translation(tx, *_key(stored), release)) for stored in foreign)
        return {stored.aggregate: body for stored, body in known if body is not None}

    bodies = service.store.read(tenant, kept)
    new = {
        stored.aggregate: _translated(service, stored, release) for stored in foreign if stored.aggregate not in bodies
    }

    def keep(tx: Tx) -> dict[str, str]:
        return {
            stored.aggregate: versions.keep_translation(tx, *_key(stored), release, new[stored.aggregate])
            for stored in foreign
            if stored.aggregate in new
        }

    if new:
        bodies |= new
        # Reads are served even where nothing can be written.
        with suppress(Unavailable):
            bodies |= service.store.transact(tenant, keep)
    return [stored.text if stored.release == release else bodies[stored.aggregate] for stored in found]


def _key(stored: Stored) -> tuple[str, str, int]:
    return stored.type, stored.id, stored.version


def _translated(service: Service, stored: Stored, release: str) -> str:
    record = whole.single(whole.part_of(stored))
    (resource,) = service.translator.to_fhir(record, release, as_sent=True).results
    moment = instant(to_ms(stored.last_updated))
    return text.write(text.with_meta(resource, stored.id, stored.version, moment))
