"""What names the effect of a change, so that sending it twice has it once.

``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header), and FHIR's ``If-None-Exist`` (``fhir/criteria``). Where
neither is sent the business identifier is the key. What is asked with a key is told by a hash of it: method, address,
conditions and body; not ``Prefer`` and ``Accept``, which only shape the answer.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fhir_infusion.store import text
from fhir_infusion.web.refusals import header_refusal

if TYPE_CHECKING:
    from flask import Request

    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.fhir.json import Json

PIECE: Final = "fhir_infusion.key"
"""Where an entry of a batch finds its key: that of the batch and its place in it. No client can choose such a one."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_CONDITIONS: Final = ("If-Match", "If-None-Match", "If-None-Exist")


def with_key(caller: Caller, request: Request, body: Json | bytes = b"") -> Caller:
    """Return the caller with the key that it chose for this request, if any, and the hash of what it asks with it.

    Args:
        caller: who asks.
        request: the running one.
        body: as it was read: of JSON the order of members does not matter.

    Raises:
        Refused: 400, it is no key.
    """
    key = _key(request)
    if not key:
        return caller
    conditions = [request.headers.get(name, "") for name in _CONDITIONS]
    sent = body.decode("latin-1") if isinstance(body, bytes) else body
    address = [request.method, request.path, request.query_string.decode("latin-1")]
    return replace(caller, key=key, asked=text.digest([*address, *conditions, sent]))


def _key(request: Request) -> str:
    piece: str = request.environ.get(PIECE, "")
    header = request.headers.get("Idempotency-Key")
    if piece or header is None:
        return piece
    key = header.strip().strip('"')
    if not _KEY.fullmatch(key):
        accepted = "1 to 255 visible ASCII characters"
        raise header_refusal(400, "value", "Idempotency-Key", "it is not a key", accepted)
    return key
