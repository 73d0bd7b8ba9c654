"""What the tests of the store share: a clock that can be set, and one whole effect as an action writes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fhir_infusion.fhir.search import Entry
from fhir_infusion.store import audit, dialect, idempotency, outbox, postgresql, text, versions

SYSTEM = "https://hospital.example/orders"
TENANT = "default"
MR = "MedicationRequest"
MA = "MedicationAdministration"


@dataclass
class Clock:
    """Stands still until it is moved."""

    moment: datetime = field(default_factory=lambda: datetime(2025, 5, 1, 8, tzinfo=UTC))

    def __call__(self):
        return self.moment

    def move(self, **amount):
        self.moment += timedelta(**amount)


def resource(status="active", patient="Patient/7", type=MR, dose="1.50"):
    number = text.read('{"value":' + dose + "}")["value"]
    return {
        "resourceType": type,
        "status": status,
        "intent": "order",
        "subject": {"reference": patient},
        "dispenseRequest": {"quantity": {"value": number}},
    }


def rows_of(body, value):
    return (
        Entry("identifier", "token", SYSTEM, value),
        Entry("status", "token", "", body["status"]),
        Entry("patient", "reference", "", body["subject"]["reference"]),
    )


def draft(id, value, body=None, previous=None, type=MR, parent="", extra=()):
    body = body or resource(type=type)
    bound = versions.Bound(SYSTEM, value) if previous is None else None
    entries = (*rows_of(body, value), *extra)
    return versions.Draft(type, id, "R4", body, {"record": "InfusionOrder"}, "digest", entries, previous, parent, bound)


def put(store, id, value=None, body=None, type=MR, tenant=TENANT, parent="", extra=()):
    """Write the next version of a resource, whatever there is."""

    def work(tx):
        previous = versions.current(tx, type, id)
        return versions.put(tx, draft(id, value or id, body, previous, type, parent, extra))

    return store.transact(tenant, work)


def tamper(url, *statements):
    """Run statements past the store, as somebody with access to the database can."""
    engine = postgresql.writing_engine(url) if postgresql.is_url(url) else dialect.writing_engine(dialect.path_of(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def effect(value, id=None, endpoint="pharmacy"):
    """Return the work of one post: found by its key, or version 1 with its outbox row, audit row and key."""

    def work(tx):
        key = f"{MR}|{value}"
        before = idempotency.find(tx, "", key)
        if before is not None:
            return versions.current(tx, MR, before.id), False
        stored = versions.put(tx, draft(id or f"id-{value}", value))
        outbox.enqueue(tx, endpoint, stored.aggregate, 1, "hash", stop=False)
        audit.write(tx, "create", "client", MR, stored.id, 1)
        idempotency.keep(tx, "", key, idempotency.Effect("hash", MR, stored.id, 1))
        return stored, True

    return work
