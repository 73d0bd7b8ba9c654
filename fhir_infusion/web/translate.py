"""Translate without storing: what the workbench asks, and what an engineer's own tools may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from flask import request

from fhir_infusion.actions.formats import Asked, by_format
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web.bodies import MOST_BYTES, read_wrapped
from fhir_infusion.web.context import web
from fhir_infusion.web.negotiation import FHIR_VERSIONS, check_accept
from fhir_infusion.web.problems import finding
from fhir_infusion.web.refusals import refusal
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from flask import Response

MEMBERS: Final = ("from", "to", "release", "overlay", "strict", "text", "trace", "input")
_WRAPPING: Final = 1024


def post() -> Response:
    """Translate ``input``; ``POST /api/translate``.

    The answer holds every result with its digits, the ledger line by line, and the findings. With ``text`` true the
    results stand in it once more as laid-out text, since a browser's own numbers would lose digits. With ``trace`` true
    each line names its pair, and where that stands. ``from`` and ``to`` may name a site's format; the ledger then has
    the lines of both steps.
    """
    check_accept(request, None)
    asked = read_wrapped(request, MOST_BYTES + _WRAPPING, fhir_json.Limits(depth=fhir_json.LIMITS.depth + 1))
    for name in asked:
        if name not in MEMBERS:
            raise refusal(400, "structure", "a member is not known", accepted=", ".join(MEMBERS))
    translator = web().service.translator
    formats = tuple(sorted(translator.library.formats))
    to = _one_of(asked, "to", ("fhir", "internal", *formats))
    source = _one_of(asked, "from", formats, "")
    release = _one_of(asked, "release", tuple(FHIR_VERSIONS), "R4")
    given = asked.get("input")
    if not isinstance(given, dict) and not (source and isinstance(given, list)):
        accepted = "one JSON object; with `from`, or an array of them"
        raise refusal(400, "required", "there is nothing to translate", path="input", accepted=accepted)
    overlay = _one_of(asked, "overlay", tuple(sorted(translator.overlays)), "") or None
    strict = _flag(asked, "strict")
    traced = _flag(asked, "trace")
    if source or to in formats:
        results, steps = by_format(translator, Asked(source, to, release, overlay, strict=strict), given)
    else:
        turn = translator.to_fhir if to == "fhir" else translator.to_internal
        done = turn(cast("dict[str, Any]", given), release, overlay=overlay, strict=strict)
        results, steps = done.results, [done]
    findings = dict.fromkeys(issue for one in steps for issue in one.findings)
    answer: dict[str, Any] = {
        "results": list(results),
        "findings": [finding(issue) for issue in findings],
        "ledger": [line.as_json(traced=traced) for one in steps for line in one.lines],
    }
    if _flag(asked, "text"):
        answer["text"] = "\n".join(fhir_json.write_pretty(result).decode() for result in results)
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
