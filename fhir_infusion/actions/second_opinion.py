"""A second opinion: fhir.resources checks a share of what was accepted, and a disagreement is logged.

Our validators are generated; a library that others keep is asked besides, where its price does not matter.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from zlib import crc32

from fhir_infusion.fhir import json
from fhir_infusion.fhir.models import check_with_models

if TYPE_CHECKING:
    from fhir_infusion.service import Service

logger = logging.getLogger(__name__)

_PARTS = 1 << 32


def ask(service: Service, resource: dict[str, Any], release: str) -> None:
    """Let fhir.resources check a resource that was accepted, in the share that the settings name.

    The content decides which: the same resource is always asked of, or never.
    """
    if crc32(json.write(resource)) >= service.settings.strict_sample * _PARTS:
        return
    found = check_with_models(resource, release)
    if found:
        # Paths hold names of elements only, never a value.
        logger.warning(
            "fhir.resources disagrees with what was accepted",
            extra={"resource": resource.get("resourceType"), "code": ", ".join(issue.path for issue in found[:5])},
        )
