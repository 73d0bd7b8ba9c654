"""What names the effect of a write, so that sending it twice has it once.

``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header), and FHIR's ``If-None-Exist`` (``fhir/criteria``). Where
neither is sent the business identifier is the key.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from fhir_infusion.web.refusals import header_refusal

if TYPE_CHECKING:
    from flask import Request

    from fhir_infusion.actions.caller import Caller

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def with_key(caller: Caller, request: Request) -> Caller:
    """Return the caller with the key that it chose for this request, if any. Raises ``Refused`` (400)."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return caller
    key = header.strip().strip('"')
    if not _KEY.fullmatch(key):
        accepted = "1 to 255 visible ASCII characters"
        raise header_refusal(400, "value", "Idempotency-Key", "it is not a key", accepted)
    return replace(caller, key=key)
