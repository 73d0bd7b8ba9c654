"""The administrations that the database lays down by itself are those that the store would have written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select

from fhir_infusion.fhir.search import entries
from fhir_infusion.store import open_store, versions
from fhir_infusion.store.tables import METADATA
from fhir_infusion.store.tx import from_ms
from tests.bench import million
from tests.store.helpers import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.store import Store

ROWS = 301


def everything(store: Store) -> dict[str, set[tuple[object, ...]]]:
    """Every row of every table, but for the secrets and the number of the last migration."""
    tables = [table for table in METADATA.sorted_tables if table.name != "secrets"]
    return store.read(
        million.TENANT,
        lambda tx: {one.name: {tuple(row) for row in tx.connection.execute(select(one))} for one in tables},
    )


def test_what_is_laid_down_is_what_the_store_would_have_written(database: str, another_database: Callable[[], str]):
    open_store(database, Clock()).close()
    million.fill(database, ROWS)
    clock = Clock()
    laid_down, written = open_store(database, clock), open_store(another_database(), clock)
    for number in range(ROWS):
        clock.moment = from_ms(million.moment(number))
        body = million.body(number)
        draft = versions.Draft(million.MA, body["id"], "R4", body, {}, "", entries(body, "R4"))
        written.transact(million.TENANT, partial(versions.put, draft=draft))
    found, expected = everything(laid_down), everything(written)
    laid_down.close()
    written.close()
    assert len(expected["index_rows"]) == 5 * ROWS
    assert found == expected
