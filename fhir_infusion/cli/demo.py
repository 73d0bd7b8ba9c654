"""``fhir-infusion demo``: invented orders, posted to a running service, or to one that lives as long as the command."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.cli import load_settings
from fhir_infusion.cli.demo_serve import invite, open_ward, until_told
from fhir_infusion.cli.http import Answer, ask
from fhir_infusion.cli.run import DONE, REFUSED, tell
from fhir_infusion.config import read_secret
from fhir_infusion.errors import Unavailable
from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.config import Settings

    Send = Callable[[str, str, bytes | None, str], Answer]

JSON = "application/json"
FHIR_JSON = "application/fhir+json"


@click.command("demo")
@click.option("--host", help="Where the service runs. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(1, 65535), help="Its port. [default: 8080]")
@click.option("--serve", "is_served", is_flag=True, help="Serve it all, beside a server that misbehaves.")
@click.option("--token-file", type=click.Path(exists=True, path_type=Path), help="A file with a bearer token.")
def command(host: str | None, port: int | None, token_file: Path | None, *, is_served: bool) -> int:
    """Post invented orders and administrations of all therapies, and show what happens; 1 if anything went wrong."""
    settings = load_settings(host=host, port=port)
    if is_served:
        went_well = False
        with until_told() as wait, open_ward(f"{settings.host}:{settings.port}") as ward:
            went_well = show(ward.send)
            ward.trouble()
            invite(ward)
            wait()
        return DONE if went_well else REFUSED
    token = read_secret(token_file) if token_file is not None else ""
    with _service(settings, token) as send:
        return DONE if show(send) else REFUSED


def show(send: Send) -> bool:
    """Post the examples, read them back, and try what must be refused; say whether all went as it should."""
    from fhir_infusion.web.examples import texts  # noqa: PLC0415  beside its one use

    went_well = True
    for name, text in texts().items():
        path, media = _place(text)
        answer = send("POST", path, text.encode(), media)
        went_well = went_well and answer.status in {200, 201}
        click.echo(f"{name}: {_told(answer)}")
        for finding in answer.body.get("findings", ()):
            click.echo(f"  finding: {finding['reason']}")
    first = next(iter(texts().values())).encode()
    again = send("POST", "/api/orders", first, JSON)
    click.echo(f"the first order once more: {_told(again)}")
    changed = send("POST", "/api/orders", first.replace(b'"priority": "routine"', b'"priority": "stat"'), JSON)
    click.echo(f"its identifier with another body: {_told(changed)}")
    negative = first.replace(b'"value": 400,', b'"value": -400,').replace(b"DEMO-1", b"DEMO-9")
    refused = send("POST", "/api/orders", negative, JSON)
    click.echo(f"a negative dose: {_told(refused)}")
    for release in ("r4", "r5"):
        _show_fhir(send, release)
    went_well = _fill(send) and went_well
    return went_well and (again.status, changed.status, refused.status) == (200, 422, 422)


def _fill(send: Send) -> bool:
    """Post the orders and administrations of all therapies; say whether each was stored, now or before."""
    from fhir_infusion.web.examples import therapies  # noqa: PLC0415  beside its one use

    went_well = True
    for therapy, group in groupby(therapies().values(), lambda one: one.therapy):
        counts: Counter[str] = Counter()
        for one in group:
            answer = send("POST", f"/api/{one.kind}s", fhir_json.write(one.record), JSON)
            counts[one.kind] += answer.status in {200, 201}
            counts["finding"] += len(answer.body.get("findings", ()))
            if answer.status not in {200, 201}:
                went_well = False
                click.echo(f"{one.name}: {_told(answer)}")
        click.echo(f"{therapy}: {', '.join(_count(count, what) for what, count in counts.items() if count)}")
    return went_well


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _show_fhir(send: Send, release: str) -> None:
    system = "https://example.org/fhir-infusion/patients"
    for fhir_type in ("MedicationRequest", "MedicationAdministration"):
        found = send("GET", f"/fhir/{release}/{fhir_type}?patient:identifier={system}|DEMO-P2", None, FHIR_JSON)
        entries = found.body.get("entry", ())
        click.echo(f"GET /fhir/{release}/{fhir_type} of one patient: {found.status}, {len(entries)} resources")
        for entry in entries:
            click.echo(f"  {fhir_type}/{entry['resource']['id']} {entry['resource']['status']}")


def _place(text: str) -> tuple[str, str]:
    if '"resourceType": "MedicationRequest"' in text:
        return "/fhir/r4/MedicationRequest", FHIR_JSON
    return ("/api/orders" if '"record": "InfusionOrder"' in text else "/api/administrations"), JSON


def _told(answer: Answer) -> str:
    """Return an answer in a few words."""
    words = {200: "200, there already", 201: "201, stored"}.get(answer.status, str(answer.status))
    if answer.status in {200, 201}:
        return f"{words} as {answer.headers.get('location', '')}"
    issues: list[dict[str, Any]] = answer.body.get("issues") or answer.body.get("issue") or []
    reasons = [f"{one.get('path', '')} {one.get('reason') or one.get('diagnostics', '')}".strip() for one in issues]
    return f"{words}, refused: {'; '.join(reasons)}"


@contextmanager
def _service(settings: Settings, token: str) -> Iterator[Send]:
    """Give a way to send requests: to the service that runs, or to one made for this command."""
    address = f"{settings.host}:{settings.port}"
    try:
        ask(address, "GET", "/health/live", seconds=2)
    except Unavailable:
        tell(f"nothing answers at {address}: a service is made for this demonstration, and forgotten after it")
        with tempfile.TemporaryDirectory() as folder, _embedded(settings, Path(folder)) as send:
            yield send
        return
    tell(f"a service runs at {address}")

    def over_network(method: str, path: str, body: bytes | None, media: str) -> Answer:
        return ask(address, method, path, body, token=token, media=media)

    yield over_network


@contextmanager
def _embedded(settings: Settings, folder: Path) -> Iterator[Send]:
    from fhir_infusion.cli.build import writing_service  # noqa: PLC0415  brings SQLAlchemy and the mappings
    from fhir_infusion.web.embedded import sender  # noqa: PLC0415  brings Flask

    alone = replace(settings, database=f"sqlite:///{folder}/demo.db", tokens=None, host="127.0.0.1", remotes=())
    with writing_service(alone) as service:
        send = sender(service)
        yield lambda method, path, body, media: Answer(*send(method, path, body, media))
