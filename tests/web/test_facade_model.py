"""Orders through the FHIR interface against a small model: whatever is done in whatever order, both say the same (F27).

The model of an order is the list of its versions: status and priority, or None for a deletion.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fhir_infusion.config import Settings
from fhir_infusion.service import Service
from fhir_infusion.store import audit, open_store
from fhir_infusion.translator import Translator, open_translator
from fhir_infusion.web.app import create_app
from tests.actions.examples import ORDERS, request
from tests.counts import count
from tests.store.helpers import Clock
from tests.web.conftest import FHIR, Client, Json, exact

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

MR = "/fhir/r4/MedicationRequest"
State = tuple[str, str]
IfMatch = Literal["current", "stale", "none"]

BEGUN = {"active", "on-hold"}
ENDED = {"completed", "stopped", "cancelled"}
ERROR = "entered-in-error"

names = st.sampled_from(["A", "B", "C"])
statuses = st.sampled_from(["draft", *sorted(BEGUN), *sorted(ENDED), ERROR])
priorities = st.sampled_from(["routine", "stat"])
states = st.tuples(statuses, priorities)
if_matches = st.sampled_from(["current", "current", "current", "stale", "none"])


@dataclass
class Order:
    """What the model knows of an order; ``sent`` is what it was made of."""

    id: str
    sent: State
    versions: list[State | None] = field(default_factory=list)

    @property
    def now(self) -> State | None:
        return self.versions[-1]

    @property
    def before(self) -> State:
        """The last state that was no deletion."""
        return next(state for state in reversed(self.versions) if state is not None)


def may_become(before: str, after: str) -> bool:
    if before == after:
        return True
    if before == ERROR:
        return False
    if after == ERROR:
        return True
    return before not in ENDED and not (before in BEGUN and after == "draft")


def body(name: str, state: State) -> Json:
    status, priority = state
    made: Json = request(name, status=status, priority=priority)
    return made


@cache
def translator() -> Translator:
    return open_translator(Settings())


class Orders(RuleBasedStateMachine):
    """Does to the service what it does to the model."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        clock, numbers = Clock(), itertools.count(1)
        store = open_store(f"sqlite:///{self.folder}/store.db", clock)
        self.service = Service(store, translator(), clock, lambda: f"id-{next(numbers)}", Settings())
        self.client = Client(create_app(self.service).test_client(use_cookies=False))
        self.orders: dict[str, Order] = {}

    def teardown(self) -> None:
        if hasattr(self, "service"):
            assert self.service.store.read("default", audit.verify) == ()
            self.service.store.close()
            shutil.rmtree(self.folder)

    # -------------------------------------------------------------------------------------------------- what is done

    @rule(name=names, state=states)
    def create(self, name: str, state: State) -> None:
        reply = self.client.post(MR, body(name, state), FHIR)
        known = self.orders.get(name)
        if known is None:
            self.made(reply, name, state)
        elif known.now is None:
            assert reply.status_code == 409
        else:
            assert reply.status_code == (200 if state == known.sent else 422)

    @rule(name=names, state=states, named=if_matches)
    def update(self, name: str, state: State, named: IfMatch) -> None:
        known = self.orders.get(name)
        if known is None:
            return
        sent = {**body(name, state), "id": known.id}
        reply = self.client.put(f"{MR}/{known.id}", sent, FHIR, **self.header(known, named))
        if known.now is None and named == "none":
            assert reply.status_code == 410
        elif named != "current":
            assert reply.status_code == (400 if named == "none" else 412)
        else:
            self.changed(reply, known, state)

    @rule(name=names, state=states, named=if_matches)
    def update_by_criteria(self, name: str, state: State, named: IfMatch) -> None:
        known = self.orders.get(name)
        header = self.header(known, named) if known else self.header(Order("", state, [state]), named)
        reply = self.client.put(f"{MR}?identifier={ORDERS}|{name}", body(name, state), FHIR, **header)
        if (known is None or known.now is None) and named != "none":
            assert reply.status_code == 412
        elif known is None:
            self.made(reply, name, state)
        elif known.now is None:
            assert reply.status_code == 409
        elif named == "current" or (named == "none" and state == known.now):
            self.changed(reply, known, state)
        else:
            assert reply.status_code == (400 if named == "none" else 412)

    @rule(name=names, state=states, named=if_matches)
    def patch(self, name: str, state: State, named: IfMatch) -> None:
        known = self.orders.get(name)
        if known is None:
            return
        status, priority = state
        operations = (
            f'[{{"op":"replace","path":"/status","value":"{status}"}},'
            f'{{"op":"add","path":"/priority","value":"{priority}"}}]'
        )
        reply = self.client.patch(f"{MR}/{known.id}", operations, **self.header(known, named))
        if known.now is None:
            assert reply.status_code == 410
        elif named != "current":
            assert reply.status_code == (400 if named == "none" else 412)
        else:
            self.changed(reply, known, state)

    @rule(name=names, named=if_matches, by_criteria=st.booleans())
    def delete(self, name: str, named: IfMatch, by_criteria: bool) -> None:  # noqa: FBT001  hypothesis passes it so
        known = self.orders.get(name)
        header = self.header(known, named) if known else {}
        place = f"?identifier={ORDERS}|{name}" if by_criteria or known is None else f"/{known.id}"
        reply = self.client.delete(MR + place, **header)
        if known is None or known.now is None:
            assert reply.status_code == 204
        elif named != "current":
            assert reply.status_code == (400 if named == "none" else 412)
        elif known.now[0] in BEGUN:
            assert reply.status_code == 409
        else:
            assert reply.status_code == 204
            known.versions.append(None)

    def header(self, known: Order, named: IfMatch) -> dict[str, str]:
        number = len(known.versions) + (0 if named == "current" else -1 if len(known.versions) > 1 else 1)
        return {} if named == "none" else {"if_match": f'W/"{number}"'}

    def made(self, reply: TestResponse, name: str, state: State) -> None:
        assert (reply.status_code, reply.headers["ETag"]) == (201, 'W/"1"')
        self.orders[name] = Order(exact(reply)["id"], state, [state])

    def changed(self, reply: TestResponse, known: Order, state: State) -> None:
        """Compare with the model what an update from the newest version did, and do it to the model."""
        was_deleted, (before, _) = known.now is None, known.before
        right = state[0] in {before, ERROR} if was_deleted else may_become(before, state[0])
        if not right:
            assert reply.status_code == 422
            return
        if state != known.now:
            known.versions.append(state)
        expected = (201 if was_deleted else 200, f'W/"{len(known.versions)}"')
        assert (reply.status_code, reply.headers["ETag"]) == expected

    # -------------------------------------------------------------------------------------------------- what is seen

    @rule(name=names)
    def look_back(self, name: str) -> None:
        known = self.orders.get(name)
        if known is None:
            return
        entries = exact(self.client.get(f"{MR}/{known.id}/_history"))["entry"]
        assert [shown(entry.get("resource")) for entry in entries] == known.versions[::-1]
        for number, state in enumerate(known.versions, 1):
            reply = self.client.get(f"{MR}/{known.id}/_history/{number}")
            assert reply.status_code == (410 if state is None else 200)
            assert state is None or shown(exact(reply)) == state
            assert '"value":5.0,' in reply.text or state is None

    @rule()
    def look_back_at_all(self) -> None:
        entries = exact(self.client.get(f"{MR}/_history?_count=500")).get("entry", [])
        assert len(entries) == sum(len(known.versions) for known in self.orders.values())
        moments = [entry["response"]["lastModified"] for entry in entries]
        assert moments == sorted(set(moments), reverse=True)

    @invariant()
    def what_stands_is_found_and_nothing_else(self) -> None:
        if not hasattr(self, "orders"):
            return
        found = exact(self.client.get(MR)).get("entry", [])
        there = {entry["resource"]["id"]: shown(entry["resource"]) for entry in found}
        assert there == {known.id: known.now for known in self.orders.values() if known.now is not None}
        for known in self.orders.values():
            reply = self.client.get(f"{MR}/{known.id}")
            etag = f'W/"{len(known.versions)}"'
            assert (reply.status_code, reply.headers["ETag"]) == (200 if known.now else 410, etag)


def shown(resource: Json | None) -> State | None:
    return None if resource is None else (resource["status"], resource["priority"])


Orders.TestCase.settings = settings(
    max_examples=count(15, 300),
    stateful_step_count=count(20, 40),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestOrders = Orders.TestCase
