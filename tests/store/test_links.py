"""Links of what is gone there: counting those that have not ended here reads none of the others."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import insert

from fhir_infusion.store import links, open_store
from fhir_infusion.store.links import Link
from fhir_infusion.store.tables import INDEX_ROWS, LINKS, RESOURCES
from tests.store.helpers import MR, TENANT, Clock, put, resource, tamper
from tests.store.looking import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.store import Store
    from fhir_infusion.store.tx import Tx

PEER = "pharmacy"


def _kept(store: Store, id_: str, status: str, link: Link) -> None:
    put(store, id_, body=resource(status))
    store.transact(TENANT, lambda tx: links.put(tx, link))


def _fill(tx: Tx, count: int) -> None:
    """Lay down so many links of orders that are there, and so many of orders that ended before they were gone."""
    ids = [f"{ladder}-{number}" for number in range(count) for ladder in ("B", "gone")]
    mine = [{"tenant": TENANT, "type": MR, "id": id_, "created": 1} for id_ in ids]
    whole = {"version": 1, "last_updated": 1, "deleted": False, "parent": ""}
    tx.connection.execute(insert(RESOURCES), [{**one, **whole} for one in mine])
    status = {"parameter": "status", "system": "", "value": "completed"}
    tx.connection.execute(insert(INDEX_ROWS), [{**one, **status} for one in mine])
    there = {"tenant": TENANT, "remote_type": MR, "seen": "", "deleted_active": 0}
    rows = [Link(PEER, f"{MR}/{id_}", id_, ladder=id_.partition("-")[0]) for id_ in ids]
    tx.connection.execute(insert(LINKS), [{**there, **asdict(link)} for link in rows])


def _cost(url: str, others: int, statements: tuple[str, ...] = ()) -> int:
    """Return what it costs to count three, beside so many others."""
    with closing(open_store(url, Clock())) as store:
        store.transact(TENANT, lambda tx: _fill(tx, others))
        _kept(store, "ended", "completed", Link(PEER, f"{MR}/ended", "e").as_gone())
        _kept(store, "elsewhere", "active", Link("ward", f"{MR}/elsewhere", "w").as_gone())
        for number, status in enumerate(("active", "on-hold", "unknown")):
            gone = Link(PEER, f"{MR}/a-{number}", f"a-{number}").as_gone(is_lost=number == 0)
            _kept(store, f"a-{number}", status, gone)
        tamper(url, *statements)
        counted(store, lambda tx: links.deleted_active(tx, PEER))  # SQLite reads new statistics before the next one
        found, cost = counted(store, lambda tx: links.deleted_active(tx, PEER))
        assert found == 3
        return cost


def test_counting_what_is_gone_there_and_active_here_reads_nothing_else(another_database: Callable[[], str]):
    few, many, analysed = (
        _cost(another_database(), others, statements)
        for others, statements in ((5, ()), (5000, ()), (5000, ("ANALYZE",)))
    )
    assert max(many, analysed) <= few + 10


def test_one_that_is_linked_anew_is_not_counted_any_more(store: Store):
    gone = Link(PEER, f"{MR}/a", "1").as_gone()
    _kept(store, "a", "active", gone)
    assert store.read(TENANT, lambda tx: links.deleted_active(tx, PEER)) == 1
    assert store.read(TENANT, lambda tx: links.deleted_active(tx, PEER, f"{MR}/a")) == 1
    assert store.read(TENANT, lambda tx: links.deleted_active(tx, PEER, f"{MR}/b")) == 0
    store.transact(TENANT, lambda tx: links.put(tx, Link(PEER, f"{MR}/a", "2", ladder="found")))
    assert store.read(TENANT, lambda tx: links.deleted_active(tx, PEER)) == 0
