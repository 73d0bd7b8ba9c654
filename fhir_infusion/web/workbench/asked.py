"""What the workbench is asked: an example by its name, or what was pasted, and how it is to be looked at.

Everything that says no patient's data stands in the address, so that a state of the page is a link. What was pasted
stands in the body of a form only: an address is logged on its way, and kept by browsers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.web.bodies import read_bytes
from fhir_infusion.web.negotiation import FHIR_VERSIONS, check_form
from fhir_infusion.web.parameters import Parameters, stated
from fhir_infusion.web.refusals import parameter_refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flask import Request

    from fhir_infusion.mapping.trace import State

STATES: Final[tuple[State, ...]] = ("mapped", "carried", "dropped", "refused")
RELEASES: Final = tuple(FHIR_VERSIONS)
SIDES: Final = ("record", "fhir")

MOST_MAPPING: Final = 256 * 1024
"""Characters of an edited document; the longest that is shipped has a tenth of it."""

MOST_FORM: Final = 3 * fhir_json.LIMITS.bundle + 3 * MOST_MAPPING
"""Bytes of a form: the longest Bundle that is taken anywhere, each of its bytes escaped (``%7B``), and a document."""

_NUMBERS: Final = ("record", "lines", "to_lines", "page")
_IN_ADDRESS: Final = (
    "example",
    "side",
    "release",
    "overlay",
    "format",
    "strict",
    "state",
    "document",
    "find",
    *_NUMBERS,
)
_IN_BODY: Final = (*_IN_ADDRESS, "input", "mapping", "live", "turn", "open", "every")
_MOST_FIELDS: Final = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked. Numbers count from 0; ``states`` are those of the ledger's lines that are shown.

    ``format`` names the site's format that the input is in, empty for a record or FHIR. ``mapping`` is the edited text
    of the document ``document``; ``live`` asks for the outcome alone,
    ``turn`` for the result as the input, ``open`` for the document as it stands in its file, ``every`` for what
    the edited one does to all examples.
    """

    example: str = ""
    side: str = "record"
    release: str = "R4"
    overlay: str = ""
    format: str = ""
    strict: bool = False
    states: tuple[str, ...] = STATES
    document: str = ""
    find: str = ""
    record: int = 0
    lines: int = 0
    to_lines: int = 0
    page: int = 0
    input: str = ""
    mapping: str = ""
    live: bool = False
    turn: bool = False
    open: bool = False
    every: bool = False

    def query(self, **changes: object) -> str:
        """Return the address of this state without what was pasted, with some things changed; defaults left out."""
        states = self.states if self.states != STATES else ()
        named: list[tuple[str, object]] = [
            (name, changes.pop(name, getattr(self, name))) for name in _IN_ADDRESS if name != "state"
        ]
        named += [("state", state) for state in states]
        told = [
            (name, "yes" if value is True else value) for name, value in named if value and _DEFAULTS.get(name) != value
        ]
        return f"?{urlencode(told)}" if told else "?"


_DEFAULTS: Final[Mapping[str, object]] = {"release": "R4", "side": "record"}


def from_address(request: Request, overlays: Collection[str]) -> Asked:
    """Return what is asked by GET.

    Raises:
        Refused: 400, a parameter is not known or has no such value.
    """
    return _asked(stated(request), _IN_ADDRESS, overlays)


def from_form(request: Request, overlays: Collection[str]) -> Asked:
    """Return what is asked by POST.

    Raises:
        Refused: 400 as above, 413 a form too large, 415 no form.
    """
    check_form(request)
    body = read_bytes(request, MOST_FORM)
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:  # UnicodeDecodeError is one
        raise parameter_refusal("", "the form holds what is no text", "URL-encoded UTF-8") from None
    return _asked(fields, _IN_BODY, overlays)


def _asked(fields: Parameters, known: Collection[str], overlays: Collection[str]) -> Asked:
    if any(name not in known for name, _ in fields):
        raise parameter_refusal("", "there is no such parameter", ", ".join(known), "not-supported")
    given = dict(fields)
    states = tuple(state for state in STATES if ("state", state) in fields) or STATES
    if any(name == "state" and value not in STATES for name, value in fields):
        raise parameter_refusal("state", "it is not known", ", ".join(STATES))
    if len(given.get("mapping", "")) > MOST_MAPPING:
        raise parameter_refusal("mapping", "the document is too long", f"at most {MOST_MAPPING} characters", "too-long")
    return Asked(
        example=given.get("example", ""),
        side=_one_of(given, "side", SIDES, "record"),
        release=_one_of(given, "release", RELEASES, "R4"),
        overlay=_one_of(given, "overlay", ("", *overlays), ""),
        format=given.get("format", ""),
        strict=bool(given.get("strict")),
        states=states,
        document=given.get("document", ""),
        find=given.get("find", ""),
        input=given.get("input", "").replace("\r\n", "\n"),
        mapping=given.get("mapping", "").replace("\r\n", "\n"),
        live=bool(given.get("live")),
        turn=bool(given.get("turn")),
        open=bool(given.get("open")),
        every=bool(given.get("every")),
        **{name: _number(given, name) for name in _NUMBERS},
    )


def _one_of(given: Mapping[str, str], name: str, accepted: Collection[str], absent: str) -> str:
    value = given.get(name, absent)
    if value not in accepted:
        raise parameter_refusal(name, "it is not known", ", ".join(filter(None, accepted)))
    return value


def _number(given: Mapping[str, str], name: str) -> int:
    text = given.get(name) or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise parameter_refusal(name, "it is no number", "a number from 0")
    return int(text)
