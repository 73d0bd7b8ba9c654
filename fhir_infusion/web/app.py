"""The Flask application.

A request: 1. gets a correlation id, 2. passes the gate, 3. runs its route, 4. has any failure turned into a reply by
the one table in ``problems``, 5. is counted and logged by its route template, without query string or values.
"""

from __future__ import annotations

import logging
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, g, request
from werkzeug.exceptions import MethodNotAllowed

from fhir_infusion.actions.mappings.live import Live
from fhir_infusion.actions.prove import SHORT, ensure_all_proven
from fhir_infusion.web import logs, pages, problems, replies
from fhir_infusion.web.context import EXTENSION, FAILURE, Company, Web, correlation_id, is_inner, web
from fhir_infusion.web.refusals import refusal
from fhir_infusion.web.routes import FHIR, ROUTES
from fhir_infusion.web.security import build_gate, refuse_unless_operator

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Request

    from fhir_infusion.mapping.library import Library
    from fhir_infusion.service import Service
    from fhir_infusion.sync.worker import Worker
    from fhir_infusion.translator import Translator

PUBLIC = frozenset(route.rule for route in ROUTES if route.is_public)
OPERATORS = frozenset(route.rule for route in ROUTES if route.for_operators)
PAGES = frozenset(route.rule for route in ROUTES if route.is_page)
HOMES = tuple(sorted({f"/{rule.split('/')[1]}/" for rule in PAGES} - {"//"}))
"""What the addresses of pages begin with: who mistypes one is a person, too."""
OPERATIONS = frozenset(last for route in ROUTES if (last := route.rule.rpartition("/")[2]).startswith("$"))


def create_app(
    service: Service,
    owner_token: str = "",
    worker: Worker | None = None,
    live: Live | None = None,
    company: Company | None = None,
) -> Flask:
    """Return the application over a service.

    ``owner_token`` is what other processes of this machine show to have their work done here, without it none is;
    ``worker`` is told of every write, so that it is sent at once. ``live`` are the mapping documents of the service;
    ``company`` are the other processes of this service.
    Raises ``SettingsError`` where the settings are not fit for the address that is to be served.
    """
    app = Flask("fhir_infusion.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = None  # bodies.py caps each body by its kind, and says so in our words
    app.url_map.merge_slashes = False
    gate = build_gate(service.settings)
    live = live or Live(service.translator, service.settings, service.clock, partial(_prove, service))
    app.extensions[EXTENSION] = Web(service, gate, owner_token, worker, live, company or Company())
    for route in ROUTES:
        endpoint = f"{route.method} {route.rule}"
        # Clients of FHIR add a slash to an address. It is taken as it comes: a redirect would lose the body.
        strict = not route.rule.startswith(FHIR)
        app.add_url_rule(
            *(route.rule, endpoint, route.view),
            methods=[route.method],
            provide_automatic_options=False,
            strict_slashes=strict,
        )
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(Exception, _fail)
    app.wsgi_app = partial(_with_one_mapping, service.translator, app.wsgi_app)  # type: ignore[method-assign]  # as Flask says
    return app


def _with_one_mapping(translator: Translator, answer: Callable[..., Any], environ: Any, start_response: Any) -> Any:
    """Answer a request with the mapping documents that it began with, whatever is exchanged meanwhile."""
    with translator.held():
        return answer(environ, start_response)


def _prove(service: Service, library: Library) -> None:
    ensure_all_proven(library, service.settings, None, SHORT)


def _begin() -> Response | None:
    asked, gate = request._get_current_object(), web().gate  # type: ignore[attr-defined]  # noqa: SLF001  Flask's own way past the proxy, which looks it up at each word
    g.started = time.perf_counter_ns()
    g.correlation_id = secrets.token_hex(8)
    if gate.is_preflight(asked):
        return gate.answer_preflight(Response())
    template = _template(asked)
    g.caller = gate.pass_through(asked, is_public=template in PUBLIC)
    if template in OPERATORS:
        refuse_unless_operator(g.caller)
    _demand_operation(asked, template)
    return None


def _demand_operation(asked: Request, template: str) -> None:
    """Refuse (404) an operation that there is not, which else were an id that is not here, or a method (405)."""
    last = asked.path.rstrip("/").rpartition("/")[2]
    if not asked.path.startswith("/fhir/") or not last.startswith("$") or "$" in template:
        return
    if isinstance(asked.routing_exception, MethodNotAllowed) and last in OPERATIONS:
        return
    accepted = "an operation of the CapabilityStatement (metadata), where it says"
    raise refusal(404, "not-supported", "there is no such operation here", accepted=accepted)


def _finish(response: Response) -> Response:
    asked, start, id_ = request._get_current_object(), web(), correlation_id()  # type: ignore[attr-defined]  # noqa: SLF001  as above
    headers = response.headers
    headers["X-Correlation-Id"] = id_
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cache-Control", "no-store")
    if is_inner():
        return response
    milliseconds = (time.perf_counter_ns() - g.started) // 1_000_000
    route, method, status = _template(asked), _method(asked), response.status_code
    start.company.metrics.count(method, route, status, milliseconds)
    logs.event("request", method=method, route=route, status=status, ms=milliseconds, correlation_id=id_)
    if start.worker is not None and method in {"POST", "PUT", "PATCH"} and status in {200, 201, 303}:
        start.worker.wake()
    return start.gate.add_cors(asked, response)


def _fail(error: Exception) -> Response:
    found = problems.problem(error, correlation_id())
    if is_inner():
        request.environ[FAILURE] = error  # for whoever has to undo what was done before it
    elif not problems.is_expected(error):
        logs.event("fault", logging.ERROR, failure=error, route=_template(request), correlation_id=correlation_id())
    if _template(request) in PAGES or (request.url_rule is None and f"{request.path}/".startswith(HOMES)):
        return pages.problem(found)
    return replies.problem_reply(found, is_fhir=request.path.startswith("/fhir"), correlation_id=correlation_id())


def _template(asked: Request) -> str:
    """Return the route template; addresses that no route has are one, for they hold what was sent."""
    return asked.url_rule.rule if asked.url_rule is not None else "none"


def _method(asked: Request) -> str:
    return asked.method if asked.method in _METHODS else "other"


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
