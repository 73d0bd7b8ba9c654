"""A page of one of our own listings: its parameters read strictly, and the address of the next page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from flask import request

from fhir_infusion.web import paging
from fhir_infusion.web.context import caller, home_url, web
from fhir_infusion.web.parameters import page_size, stated
from fhir_infusion.web.refusals import parameter_refusal
from fhir_infusion.web.replies import json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Response

PARAMETERS: Final[Mapping[str, str]] = {
    "limit": "Entries on a page, 1 to 500; 50 where it is not stated.",
    "page": "The token of a page, from `next`.",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: of the listing at ``path``, what meets ``filters``, ``count`` entries behind ``after``."""

    path: str
    filters: list[tuple[str, str]]
    count: int
    after: list[str]


def asked(path: str, known: Mapping[str, str]) -> Asked:
    """Return what the running request asks for; ``known`` are the filters of this listing.

    Raises:
        Refused: 400, a parameter is not known, is empty, or is not right.
    """
    given = checked({**known, **PARAMETERS})
    for name, value in given:
        if not value:
            raise parameter_refusal(name, "it has no value", {**known, **PARAMETERS}[name])
    return within(path, [(name, value) for name, value in given if name not in PARAMETERS])


def within(path: str, filters: list[tuple[str, str]]) -> Asked:
    """Return the page that the running request asks for of what meets ``filters``, which were read already.

    Raises:
        Refused: 400, the number of entries is none, or the token is not of this listing.
    """
    count = page_size("limit", request.args.getlist("limit"))
    pages = request.args.getlist("page")
    secret, tenant = web().service.store.secret, caller().tenant
    after = paging.open_token(secret, tenant, [("", path), *filters], pages[-1], "page") if pages else []
    return Asked(path, filters, count, after)


def checked(known: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the parameters of the running request; ``known`` are those that it may have.

    Raises:
        Refused: 400, a parameter is not known, or no text.
    """
    given = stated(request)
    if any(name not in known for name, _ in given):
        raise parameter_refusal("", "a parameter is not known", ", ".join(known), "not-supported")
    return given


def next_of(of: Asked, after: Sequence[str]) -> str:
    """Return the path and query of the page that begins behind ``after``."""
    token = paging.sign(web().service.store.secret, caller().tenant, [("", of.path), *of.filters], after)
    return f"{of.path}?{urlencode([*of.filters, ('limit', str(of.count)), ('page', token)])}"


def reply(of: Asked, items: Sequence[dict[str, Any]], after: Sequence[str] | None) -> Response:
    """Return a page; ``after`` is where the next one begins, None after the last."""
    body: dict[str, Any] = {"items": list(items)}
    if after is not None:
        body["next"] = home_url() + next_of(of, after)
    return json_reply(body)
