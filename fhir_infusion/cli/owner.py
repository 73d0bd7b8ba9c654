"""Handing work over to the process that writes the database, where there is one."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from fhir_infusion.cli.http import ask
from fhir_infusion.errors import Issue, Refused, Unavailable
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.config import Settings
    from fhir_infusion.store import Owner


def hand_over(settings: Settings, path: str, work: dict[str, Any]) -> dict[str, Any] | None:
    """Have work done by the process that writes the database; None where none does, so that we may.

    Raises ``Refused`` where that process refuses, with its reasons; ``Unavailable`` where it takes no work now, or does
    not answer.
    """
    found = owner(settings.database)
    if found is None:
        return None
    if not found.address:
        raise Unavailable(f"process {found.pid} writes this database and takes no work; wait for it, or stop it")
    return _asked(found, path, work)


def _asked(found: Owner, path: str, work: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = ask(found.address, "POST", path, fhir_json.write(work), token=found.token)
    except Unavailable:
        reason = f"process {found.pid} writes this database and does not answer; stop it, or wait"
        raise Unavailable(reason) from None
    if answer.status == 200:
        return answer.body
    issues = [_issue(one) for one in answer.body.get("issues", ()) if isinstance(one, dict)]
    if answer.status < 500 and issues:
        raise Refused(*issues)  # in the words that are told where no other process writes
    raise Unavailable(str(answer.body.get("detail", "the process that writes this database refused the work")))


def _issue(told: dict[str, Any]) -> Issue:
    path, reason, accepted = (str(told.get(name, "")) for name in ("path", "reason", "accepted"))
    return Issue("error", str(told.get("code", "")), path, reason, accepted)


def do(settings: Settings, name: str, **texts: str) -> dict[str, Any]:
    """Have a work of ``sync.works`` done by the process that writes the database, or do it here where none does.

    Raises ``Refused``, ``SettingsError`` or ``Unavailable``.
    """
    with doing(settings) as done:
        return done(name, **texts)


@contextmanager
def doing(settings: Settings) -> Iterator[Callable[..., dict[str, Any]]]:
    """Give a function that does as ``do`` does, for works of many steps: here all of them are done by one service.

    Raises as ``do``.
    """
    if owner(settings.database) is not None:
        yield partial(_handed_over, settings)
        return
    from fhir_infusion.cli.build import writing_service  # noqa: PLC0415  brings the store's writer
    from fhir_infusion.sync.works import do as done  # noqa: PLC0415  brings requests

    with writing_service(settings) as service:
        yield lambda name, **texts: done(service, name, texts)


def _handed_over(settings: Settings, name: str, **texts: str) -> dict[str, Any]:
    answer = hand_over(settings, f"/internal/{name}", texts)
    if answer is None:
        raise Unavailable("the process that wrote this database has ended; what was done is kept, so ask again")
    return answer
