"""A second opinion: fhir.resources checks a share of what was accepted, and a disagreement is logged.

Our validators are generated; a library that others keep is asked besides, where its price does not matter.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir.models import check_with_models

if TYPE_CHECKING:
    from fhir_infusion.service import Service

logger = logging.getLogger(__name__)

_DIGITS: Final = 8
_PARTS: Final = 16**_DIGITS


def ask(service: Service, resource: dict[str, Any], release: str, digest: str) -> None:
    """Let fhir.resources check a resource that was accepted, in the share that the settings name.

    ``digest`` is that of its content (``store.text.digest``), which decides: the same resource is always asked of, or
    never.
    """
    if int(digest[:_DIGITS], 16) >= service.settings.strict_sample * _PARTS:
        return
    found = check_with_models(resource, release)
    if found:
        # Paths hold names of elements only, never a value.
        logger.warning(
            "fhir.resources disagrees with what was accepted",
            extra={"resource": resource.get("resourceType"), "code": ", ".join(issue.path for issue in found[:5])},
        )
