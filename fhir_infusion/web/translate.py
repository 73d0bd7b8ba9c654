"""Translate without storing: what the workbench asks, and what an engineer's own tools may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web.bodies import MOST_BYTES, read_object
from fhir_infusion.web.context import web
from fhir_infusion.web.negotiation import FHIR_VERSIONS, check_accept
from fhir_infusion.web.problems import finding
from fhir_infusion.web.refusals import refusal
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from flask import Response

MEMBERS: Final = ("to", "release", "overlay", "strict", "text", "trace", "input")
_WRAPPING: Final = 1024


def post() -> Response:
    """Translate ``input``; ``POST /api/translate``.

    The answer holds every result with its digits, the ledger line by line, and the findings. With ``text`` true the
    results stand in it once more as laid-out text, since a browser's own numbers would lose digits. With ``trace`` true
    each line names its pair, and where that stands.
    """
    check_accept(request, None)
    asked = read_object(request, None, MOST_BYTES + _WRAPPING, fhir_json.Limits(depth=fhir_json.LIMITS.depth + 1))
    for name in asked:
        if name not in MEMBERS:
            raise refusal(400, "structure", "a member is not known", accepted=", ".join(MEMBERS))
    to = _one_of(asked, "to", ("fhir", "internal"))
    release = _one_of(asked, "release", tuple(FHIR_VERSIONS), "R4")
    given = asked.get("input")
    if not isinstance(given, dict):
        raise refusal(400, "required", "there is nothing to translate", path="input", accepted="one JSON object")
    translator = web().service.translator
    overlay = _one_of(asked, "overlay", tuple(sorted(translator.overlays)), "") or None
    strict = _flag(asked, "strict")
    traced = _flag(asked, "trace")
    turn = translator.to_fhir if to == "fhir" else translator.to_internal
    done = turn(given, release, overlay=overlay, strict=strict)
    answer: dict[str, Any] = {
        "results": list(done.results),
        "findings": [finding(issue) for issue in done.findings],
        "ledger": [line.as_json(traced=traced) for line in done.lines],
    }
    if _flag(asked, "text"):
        answer["text"] = "\n".join(fhir_json.write_pretty(result).decode() for result in done.results)
    return json_reply(answer)


def _one_of(asked: dict[str, Any], name: str, accepted: tuple[str, ...], absent: str | None = None) -> str:
    value = asked.get(name, absent)
    if value is None:
        raise refusal(400, "required", "it is missing", path=name, accepted=" or ".join(accepted))
    if value != absent and value not in accepted:
        raise refusal(400, "value", "it is not known", path=name, accepted=", ".join(accepted) or "none is there")
    return str(value)


def _flag(asked: dict[str, Any], name: str) -> bool:
    value = asked.get(name, False)
    if not isinstance(value, bool):
        raise refusal(400, "value", "it is not a boolean", path=name, accepted="true or false")
    return value
