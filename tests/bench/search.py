"""``python -m tests.bench.search``: what a page of a search costs, the first one and the thousandth, over many orders.

100,000 orders by default; ``--rows 1000000`` takes some minutes to fill. It prints the median time of a page, and how
the thousandth compares with the first, in time and in the work of the database: on SQLite steps of its machine, on
PostgreSQL blocks that are looked at, which is the same however busy the machine is.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import click
from sqlalchemy import event
from tqdm import tqdm

from fhir_infusion.fhir.search import entries, parse
from fhir_infusion.store import open_store, search, versions
from tests import postgresql
from tests.bench import million

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fhir_infusion.fhir.search import Query
    from fhir_infusion.store import Store

MR: Final = "MedicationRequest"
TENANT: Final = "default"
LISTED: Final = (
    "",
    "status=active",
    "patient=Patient/often",
    "status=active&authoredon=ge2020",
    "_sort=-authoredon",
    "_sort=status",
    "_sort=-_lastUpdated",
)
"""Each matches enough for a thousand pages of fifty."""

GIVEN: Final = tuple(
    f"{million.MA}?{asked}"
    for asked in (
        "",
        "patient=Patient/often",
        "status=completed",
        "_lastUpdated=ge2022",
        "_sort=-_lastUpdated",
        "_sort=status",
        "_sort=-effective-time",
        "effective-time=ge2022",
        "effective-time=ge2025-01-01",
        "effective-time=ge2022-03-01&effective-time=lt2023-06-01",
        "status=completed&_sort=-effective-time",
    )
)
"""The usual listings of what was given, with ``--given``."""

ASKED: Final = (
    "identifier=http://s|7",
    "patient=Patient/77",
    "patient=Patient/77&_sort=-authoredon",
    "patient.identifier=http://mrn|77",
    "patient.name=family77",
    "code:text=dobu&patient=Patient/77",
    "_has:MedicationAdministration:request:status=completed",
    # A second key is sorted among all that are equal in the first.
    "_sort=status,authoredon",
)
"""Timed once, at their first page."""


def fill(store: Store, rows: int, begin: int = 0, order: Callable[[int], dict[str, Any]] | None = None) -> None:
    """Write orders from ``begin`` to ``rows``, as ``order`` makes them or every second of one patient, and patients."""
    for first in tqdm(range(begin, rows, 1000), unit="thousand orders", leave=False):
        numbers = range(first, min(first + 1000, rows))

        def work(tx: Any, numbers: range = numbers) -> None:
            for one in (body for number in numbers for body in _bodies(number, order)):
                rows_ = entries(one, "R4")
                versions.put(tx, versions.Draft(one["resourceType"], one["id"], "R4", one, {}, "", rows_))

        store.transact(TENANT, work)


def _bodies(number: int, order: Callable[[int], dict[str, Any]] | None) -> Iterator[dict[str, Any]]:
    """Give an order, and before each hundred of them a patient and what was given."""
    who = number // 100
    yield order(number) if order is not None else _order(number)
    if number % 100 == 0:
        name, identifier = [{"family": f"family{who}"}], [{"system": "http://mrn", "value": str(who)}]
        yield {"resourceType": "Patient", "id": str(who), "name": name, "identifier": identifier}
        request = {"reference": f"{MR}/o{number}"}
        yield {
            "resourceType": "MedicationAdministration",
            "id": f"m{number}",
            "status": "completed",
            "request": request,
        }


def _order(number: int) -> dict[str, Any]:
    patient = "often" if number % 2 else str(number // 100)
    return {
        "resourceType": MR,
        "id": f"o{number}",
        "status": "active" if number % 10 else "stopped",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": f"{2020 + number % 5}-{number % 12 + 1:02}-{number % 28 + 1:02}",
        "identifier": [{"system": "http://s", "value": str(number)}],
        "medicationCodeableConcept": {"text": "dobutamine", "coding": [{"system": "http://rx", "code": "3616"}]},
    }


def page(store: Store, asked: str, size: int, after: Sequence[str] = ()) -> search.Page:
    """Return one page; ``asked`` is a query for orders, or begins with another type and a question mark."""
    fhir_type, query = _read(asked)
    return store.read(TENANT, lambda tx: search.page(tx, fhir_type, query, size, after))


def _read(asked: str) -> tuple[str, Query]:
    named, mark, text = asked.partition("?")
    fhir_type, text = (named, text) if mark else (MR, asked)
    return fhir_type, parse(fhir_type, "R4", parse_qsl(text))


def blocks(store: Store, asked: str, size: int, after: Sequence[str] = ()) -> int:
    """Return how many blocks PostgreSQL looks at for a page, in memory or not."""
    fhir_type, query = _read(asked)
    ran: list[Any] = []

    def note(*arguments: Any) -> None:
        ran.append(arguments[2:4])

    def work(tx: Any) -> int:
        event.listen(tx.connection, "before_cursor_execute", note)
        search.page(tx, fhir_type, query, size, after)
        event.remove(tx.connection, "before_cursor_execute", note)
        looked_at = 0
        for statement, values in ran:
            asked_for = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}"
            (plan,) = tx.connection.exec_driver_sql(asked_for, values).scalar_one()
            looked_at += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        return looked_at

    return store.read(TENANT, work)


def steps(store: Store, asked: str, size: int, after: Sequence[str] = ()) -> int:
    """Return how many steps SQLite's machine takes for a page: the same on every machine, however busy."""
    fhir_type, query = _read(asked)
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    def work(tx: Any) -> None:
        driver = tx.connection.connection.driver_connection
        driver.set_progress_handler(count, 10)
        try:
            search.page(tx, fhir_type, query, size, after)
        finally:
            driver.set_progress_handler(None, 0)

    store.read(TENANT, work)
    return taken * 10


def after_pages(store: Store, asked: str, size: int, number: int) -> tuple[str, ...]:
    """Return where the page ``number`` begins. Raises ``ValueError`` where there are not so many."""
    after: tuple[str, ...] = ()
    for _ in range(number - 1):
        found = page(store, asked, size, after).after
        if found is None:
            raise ValueError(asked)
        after = found
    return after


def seconds(store: Store, asked: str, size: int, after: Sequence[str] = ()) -> float:
    """Return the median time of a page."""
    taken = []
    for _ in range(15):
        begun = time.perf_counter()
        page(store, asked, size, after)
        taken.append(time.perf_counter() - begun)
    return median(taken)


@click.command()
@click.option("--rows", default=100_000, show_default=True, type=click.IntRange(1), help="So many orders are stored.")
@click.option("--size", default=50, show_default=True, type=click.IntRange(1), help="Entries of a page.")
@click.option("--number", default=1000, show_default=True, type=click.IntRange(2), help="Which page is compared.")
@click.option("--given", is_flag=True, help="Administrations instead, laid down by the database.")
@click.option("--database", default="sqlite", show_default=True, type=click.Choice(["sqlite", "postgresql"]))
def main(rows: int, size: int, number: int, database: str, *, given: bool) -> None:
    """Fill a database, measure, print a table."""
    with _database(database) as url:
        begun = time.perf_counter()
        store = open_store(url, lambda: datetime.now(UTC))
        if given:
            store.close()
            million.fill(url, rows)
            store = open_store(url, lambda: datetime.now(UTC))
        else:
            fill(store, rows)
        click.echo(f"{rows} {'administrations' if given else 'orders'} in {time.perf_counter() - begun:.0f} s")
        work, unit = (steps, "steps") if database == "sqlite" else (blocks, "blocks")
        for asked in GIVEN if given else LISTED:
            try:
                after = after_pages(store, asked, size, number)
            except ValueError:
                click.echo(f"{asked or 'all'}: fewer than {number} pages")
                continue
            first, later = seconds(store, asked, size), seconds(store, asked, size, after)
            at_first, at_last = work(store, asked, size), work(store, asked, size, after)
            click.echo(f"{asked or 'all'}:")
            told = f"  page 1 {first * 1000:.2f} ms, page {number} {later * 1000:.2f} ms ({later / first:.2f})"
            click.echo(f"{told}, {unit} {at_first} and {at_last} ({at_last / at_first:.2f})")
        for asked in () if given else ASKED:
            click.echo(f"{asked}: {seconds(store, asked, size) * 1000:.2f} ms")
        store.close()


@contextmanager
def _database(kind: str) -> Iterator[str]:
    """Give the URL of an empty database, which is gone afterwards."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/store.db"
        return
    server = postgresql.Server()
    server.start()
    try:
        yield server.database()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
