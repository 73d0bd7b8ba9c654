"""What is asked about one resource, or about the remotes, costs the same whatever else is linked or waits."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from fhir_infusion.store import links, open_store, outbox, standing, trace
from fhir_infusion.store.links import Link
from tests.store.helpers import TENANT, Clock, tamper
from tests.store.looking import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.store.tx import Tx

FEW, MANY = 20, 2000


def _filled(tx: Tx, rows: int) -> None:
    for endpoint in ("pharmacy", "ward"):
        for number in range(rows):
            links.put(tx, Link(endpoint, f"MedicationRequest/m-{number}", f"there-{number}"))
            outbox.enqueue(tx, endpoint, f"MedicationRequest/m-{number}", 1, "hash", stop=False)


def test_where_a_resource_is_and_which_remotes_wait_is_found_without_a_look_at_all(
    another_database: Callable[[], str],
):
    looked = []
    for rows in (FEW, MANY):
        url = another_database()
        with closing(open_store(url, Clock())) as store:
            store.transact(TENANT, partial(_filled, rows=rows))
            tamper(url, "ANALYZE")
            found, one = counted(store, lambda tx: trace.links_of(tx, "MedicationRequest/m-7"))
            assert [(link.endpoint, link.remote_id) for link in found] == [
                ("pharmacy", "there-7"),
                ("ward", "there-7"),
            ]
            waited, other = counted(store, standing.waited_for)
            assert waited == ((TENANT, "pharmacy"), (TENANT, "ward"))
            looked.append((one, other))
    few, many = looked
    assert all(more < less + FEW for less, more in zip(few, many, strict=True)), looked
