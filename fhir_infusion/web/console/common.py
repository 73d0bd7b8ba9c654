"""What the pages of the console share: their parameters, their forms, and what is said after a form was done.

A form that was done answers 303 with the page to go on with, so that loading that page again does nothing again. What
is to be said there goes along as a token that only we can make: no link of somebody else's can make a page say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from flask import Response, request

from fhir_infusion.errors import FhirInfusionError
from fhir_infusion.web import listing, pages, paging, problems
from fhir_infusion.web.bodies import read_bytes
from fhir_infusion.web.console import words
from fhir_infusion.web.context import caller, correlation_id, web
from fhir_infusion.web.negotiation import check_form
from fhir_infusion.web.parameters import decoded
from fhir_infusion.web.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fhir_infusion.web.listing import Asked
    from fhir_infusion.web.problems import Problem

HOME: Final = "/console"
TOLD: Final = "told"


def asked(path: str, filters: Mapping[str, str]) -> Asked:
    """Return what a page with entries is asked for, as ``listing.asked`` does; filters that are empty are none."""
    known = {**filters, **listing.PARAMETERS, TOLD: "What the page before says."}
    given = [(name, value) for name, value in listing.checked(known) if value]
    return listing.within(path, [(name, value) for name, value in given if name in filters])


def stated(filters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a page without entries; those that are empty are left out.

    Raises:
        Refused: 400, a parameter is not known, or no text.
    """
    given = listing.checked({**filters, TOLD: "What the page before says."})
    return {name: value for name, value in given if value and name != TOLD}


def fields() -> dict[str, list[str]]:
    """Return the form of the running request: each name with its values.

    Raises:
        Refused: 415 it is no form; 413 it is too large; 400 it is cut short, or no text.
    """
    check_form(request)
    found: dict[str, list[str]] = {}
    for name, value in decoded(read_bytes(request)):
        found.setdefault(name, []).append(value)
    return found


def field(form: Mapping[str, Sequence[str]], name: str) -> str:
    """Return the one value of a field.

    Raises:
        Refused: 400, it is missing, or there more than once.
    """
    values = form.get(name, ())
    if len(values) != 1:
        raise refusal(400, "required", "it is missing", path=name, accepted="one text")
    return values[0]


def render(template: str, here: str, found: Problem | None = None, **values: Any) -> Response:
    """Return a page of the console; ``found`` is what was refused of a form, said above the page that it was on."""
    reply = pages.page(
        f"console/{template}",
        found.status if found is not None else 200,
        here=here,
        issues=found.issues if found is not None else (),
        told=_told(),
        words=words,
        **values,
    )
    if found is not None:
        reply.headers.extend(found.headers)
    return reply


def act(work: Callable[[], str], then: str, again: Callable[[Problem], Response]) -> Response:
    """Do what a form asks for, and go on at ``then`` with what ``work`` says; if it is refused show the page again."""
    try:
        said = work()
    except FhirInfusionError as error:
        return again(problems.problem(error, correlation_id()))
    token = paging.sign(web().service.store.secret, caller().tenant, [("", then)], [said])
    return Response(status=303, headers={"Location": f"{quote(then)}?{urlencode({TOLD: token})}"})


def _told() -> str:
    """Return what the form before has to say, empty where none has."""
    tokens = request.args.getlist(TOLD)
    if not tokens:
        return ""
    secret, tenant = web().service.store.secret, caller().tenant
    return paging.open_token(secret, tenant, [("", request.path)], tokens[-1], TOLD)[0]
