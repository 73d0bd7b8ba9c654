"""Remotes that no section of the settings names any more, and what still waits for them.

Nobody sends that, and nobody is told that it is not sent: a stop among it is a stop that the ward over there never
hears of (hazards H6, H18). So they are counted as if they were set, until the section is put back, or until a person
gives up what waits (``replaying.skip``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fhir_infusion.store import standing

if TYPE_CHECKING:
    from fhir_infusion.service import Service

UNSET: Final = "none"
"""The ``direction`` of such a remote."""
ANYBODY: Final = "default"
"""Whatever is counted of all tenants is read as this one."""


def unset(service: Service, tenant: str | None = None) -> tuple[tuple[str, str], ...]:
    """Return tenant and name of each such remote, of one tenant where it is given.

    Raises:
        Unavailable: the store cannot serve now.
    """
    named = {(one.tenant, one.name) for one in service.settings.remotes}
    found = service.store.read(ANYBODY, standing.waited_for)
    return tuple(one for one in found if one not in named and tenant in {None, one[0]})
