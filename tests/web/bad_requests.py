"""A right request for every route, and a service with something at every address to spoil it against."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import yaml
from sqlalchemy import func, select

from fhir_infusion.config import mappings_dir
from fhir_infusion.service import Service
from fhir_infusion.store import conflicts
from fhir_infusion.store.tables import EXPORTS, SUBSCRIPTIONS, VERSIONS
from fhir_infusion.web import paging
from tests.exact_json import dumps
from tests.fhir.kit import order
from tests.web import bad_routes
from tests.web.bad_ways import FORM, IF_MATCH, JSON_PATCH, RELEASES, STORED, USED, in_release, stored_ones
from tests.web.conftest import FHIR, JSON, Client, Json, exact
from tests.web.subscribing import plain, topical

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Executable
    from werkzeug.test import TestResponse

    from fhir_infusion.store import Tx


GONE: Final = "gone"
"""The id of an order, an administration and a patient that were deleted."""
OWNER: Final = "token-of-the-owner"
HOOK: Final = "http://127.0.0.1:9/hook"
Route = tuple[str, str]


@dataclass(frozen=True)
class Asked:
    """A request. ``names`` are what the placeholders of the rule stand for, ``query`` has no question mark."""

    method: str
    rule: str
    release: str
    names: dict[str, str]
    body: str | bytes | None = None
    media: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""

    @property
    def path(self) -> str:
        """The path of the address."""
        return re.sub(r"<(\w+)>", lambda found: self.names[found[1]], self.rule)

    def asking(self, more: str) -> Asked:
        """Return the same with one more parameter."""
        return replace(self, query="&".join(part for part in (self.query, more) if part))

    def named(self, **names: str) -> Asked:
        """Return the same of something else."""
        return replace(self, names={**self.names, **names})

    def with_headers(self, **headers: str) -> Asked:
        """Return the same with other headers."""
        stated = {name.replace("_", "-").title(): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **stated})

    def without(self, header: str) -> Asked:
        """Return the same without a header."""
        return replace(self, headers={name: value for name, value in self.headers.items() if name != header})


@dataclass(frozen=True)
class Place:
    """A service with an order, an administration, a patient, a subscription and an export in it."""

    service: Service
    client: Client
    names: dict[str, dict[str, str]]

    def send(self, asked: Asked, **environ: Any) -> TestResponse:
        """Send a request."""
        return self.client.flask.open(
            asked.path,
            method=asked.method,
            query_string=asked.query,
            data=asked.body,
            content_type=asked.media or None,
            headers=asked.headers,
            environ_overrides=environ,
        )

    def state(self) -> tuple[int, ...]:
        """What there is of versions, subscriptions and exports."""
        counted = (select(func.count()).select_from(table) for table in (VERSIONS, SUBSCRIPTIONS, EXPORTS))
        return tuple(self.service.store.read("default", partial(_number, counting=one)) for one in counted)


def _number(tx: Tx, counting: Executable) -> int:
    return int(tx.connection.execute(counting).scalar_one())


def _hold(tx: Tx) -> None:
    """Hold a conflict with a remote that is there no more."""
    text = '{"resourceType":"MedicationRequest"}'
    conflicts.open_conflict(tx, "peer", f"MedicationRequest/{STORED}", ("clinical",), "", text, text, "held")


def filled(service: Service, client: Client, records: dict[str, Json]) -> Place:
    """Put something at every address."""
    names: dict[str, dict[str, str]] = {}
    for one in [*stored_ones("r4"), {"resourceType": "Patient", "id": STORED}]:
        assert client.put(f"/fhir/r4/{one['resourceType']}/{STORED}", one, FHIR).status_code == 201
    for one in [*stored_ones("r4"), {"resourceType": "Patient", "id": STORED}]:
        path = f"/fhir/r4/{one['resourceType']}/{GONE}"
        ended = {"status": "stopped"} if "status" in one else {}
        sent = {**one, **ended, "id": GONE, "identifier": [{"system": "urn:x", "value": GONE}]}
        assert client.put(path, sent, FHIR).status_code == 201
        assert client.delete(path, if_match='W/"1"').status_code == 204
    names["orders"] = {"resource_id": exact(client.post("/api/orders", records["order"]))["id"]}
    names["administrations"] = {
        "resource_id": exact(client.post("/api/administrations", records["administration"]))["id"]
    }
    names["held"] = {"conflict_id": "held"}
    service.store.transact("default", _hold)
    for release in RELEASES:
        made = client.post(f"/fhir/{release}/Subscription", subscription(release), FHIR)
        assert made.status_code == 201, made.text
        begun = client.get(f"/fhir/{release}/$export", prefer="respond-async")
        names[release] = {
            "work": "resume",
            "release": release,
            "fhir_type": "MedicationRequest",
            "resource_id": STORED,
            "version": "1",
            "subscription_id": exact(made)["id"],
            "export_id": begun.headers["Content-Location"].rpartition("/")[2],
            "name": "MedicationRequest",
            "remote": "none",
            "row": "1",
            "their_type": "MedicationRequest",
            "their_id": "1",
            "topic_id": "order-changed",
            "definition_id": "v2-routes",
            "format_name": "ward-orders",
        }
        names[f"mappings of {release}"] = {**names[release], "definition_id": f"infusion-order-to-internal-{release}"}
    return Place(service, client, names)


def subscription(release: str) -> Json:
    return topical(HOOK) if release == "r5" else plain(HOOK)


def releases_of(route: Route) -> tuple[str, ...]:
    """Return the releases in which a route is there; one where it has none."""
    if "/Basic" in route[1] or not route[1].startswith("/fhir"):
        return ("r4",)
    return ("r4b", "r5") if "SubscriptionTopic" in route[1] else RELEASES


def right(place: Place, route: Route, release: str, records: dict[str, Json]) -> Asked:
    """Return a request that a route would take."""
    method, rule = route
    kind = (
        f"mappings of {release}"
        if "StructureMap" in rule
        else "held"
        if "<conflict_id>" in rule
        else "orders"
        if rule.startswith("/api/orders")
        else "administrations"
        if rule.startswith("/api/adm")
        else release
    )
    asked = Asked(method, rule, release, place.names[kind])
    fits = bad_routes.TABLE[route]
    if "$export" in rule and "export_id" not in rule:
        asked = asked.with_headers(prefer="respond-async")
    if rule.startswith("/internal"):
        asked = asked.with_headers(authorization=f"Bearer {OWNER}")
    if bad_routes.IF_MATCH in fits:
        asked = replace(asked, headers={**asked.headers, **IF_MATCH})
    if bad_routes.CRITERIA in fits and method in {"PUT", "PATCH", "DELETE"}:
        asked = replace(asked, query=USED)
    if query := _asking(rule):
        asked = replace(asked, query=query)
    if rule.endswith("StructureMap/$transform"):
        asked = replace(asked, query=f"source={MAPPINGS}infusion-order-to-internal-{release}")
    if rule.endswith("$translate") and method == "GET":
        name = "sourceCode" if release == "r5" else "code"
        asked = replace(asked, query=f"system={V2_ROUTES}&{name}=IV")
    if bad_routes.FORM in fits:
        asked = replace(asked, body=b"_id=some", media=FORM)
    if bad_routes.BODY in fits:
        body, media = right_body(asked, records)
        asked = replace(asked, body=body, media=media)
    return asked


def _merging(_: str) -> list[Json]:
    sides = ("source", "target")
    return [{"name": f"{side}-patient", "valueReference": {"reference": f"Patient/{STORED}"}} for side in sides]


MAPPINGS: Final = "https://w3id.org/fhir-infusion/StructureMap/"
V2_ROUTES: Final = "http://terminology.hl7.org/CodeSystem/v2-0162"
OPERATIONS: Final[dict[str, Callable[[str], list[Json]]]] = {
    "$merge": _merging,
    "$translate": lambda release: [
        {"name": "sourceCoding" if release == "r5" else "coding", "valueCoding": {"system": V2_ROUTES, "code": "IV"}}
    ],
    "$convert-data": lambda _: [
        {"name": name, "valueString": value}
        for name, value in (
            ("inputData", '{"order_id":"x"}'),
            ("inputDataType", "Json"),
            ("templateCollectionReference", "fhir-infusion/mappings:default"),
            ("rootTemplate", "InfusionOrder"),
        )
    ],
}
"""The parameters that an operation takes, by release."""
WARD_ORDER: Final = yaml.safe_load((mappings_dir() / "formats" / "ward-orders.yaml").read_text(encoding="utf-8"))[
    "samples"
][0]


def _asking(rule: str) -> str:
    if rule.endswith("$validate"):
        return "mode=update" if "resource_id" in rule else "mode=create"
    return f"order={STORED}" if rule.startswith("/api/") and rule.endswith("/trace") else ""


_DECIDED: Final[dict[str, Json]] = {
    "resolve": {"keep": "ours"},
    **{one: {"rows": [1]} for one in ("replay", "skip")},
    "quarantine": {"versions": ["a/b/_history/1"]},
}
HANDED_OVER: Final = {"client": "c", "remote": "there-is-none", "reason": "asked"}
"""What a command of this machine hands over, to resume a remote."""


def right_body(asked: Asked, records: dict[str, Json]) -> tuple[str, str]:  # noqa: C901, PLR0911  one for each kind of body
    """Return what a route takes as a body, and of which media type."""
    method, rule = asked.method, asked.rule
    if rule.startswith("/api/sync"):
        return dumps({**_DECIDED[rule.rpartition("/")[2]], "reason": "asked"}), JSON
    if rule.startswith("/api/formats"):
        return WARD_ORDER, JSON
    if rule.startswith("/api/translate"):
        return dumps({"to": "fhir", "input": records["order"]}), JSON
    if rule.startswith("/api"):
        return dumps(records["order" if "orders" in rule else "administration"]), JSON
    if rule.startswith("/internal"):
        return dumps(HANDED_OVER), JSON
    if method == "PATCH":
        return '[{"op":"add","path":"/language","value":"en"}]', JSON_PATCH
    if rule.rstrip("/") == bad_routes.FHIR:
        asking: Json = {"request": {"method": "GET", "url": "MedicationRequest"}}
        return dumps({"resourceType": "Bundle", "type": "transaction", "entry": [asking]}), FHIR
    if rule.rpartition("/")[2] in OPERATIONS:
        given = OPERATIONS[rule.rpartition("/")[2]](asked.release)
        return dumps({"resourceType": "Parameters", "parameter": given}), FHIR
    if rule.startswith(f"{bad_routes.FHIR}/$") or rule.endswith(("Subscription/$status", "$events", "$everything")):
        return dumps({"resourceType": "Parameters"}), FHIR
    if rule.startswith(bad_routes.SUB):
        made = subscription(asked.release)
        return dumps({**made, "id": asked.names["subscription_id"]} if method == "PUT" else made), FHIR
    # An order, which is what $transform takes, too.
    resource = {**order(), "id": STORED, "identifier": [{"system": "urn:x", "value": "stored"}]}
    return dumps(in_release(resource, asked.release)), FHIR


PAGE: Final = {"/fhir": ("_count", paging.PARAMETER), "/api/": ("limit", "page"), "/cons": ("limit", "page")}
"""The names of the number of entries and of the token, by where a path begins."""
