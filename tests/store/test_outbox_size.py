"""What a stop needs of the outbox costs the same whatever waits beside it, with and without the database's statistics."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.store import aside, open_store, outbox, standing, suspects
from tests.store.helpers import TENANT, Clock, tamper
from tests.store.looking import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_infusion.store import Store
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.store.tx import Tx

PEER = "pharmacy"
FEW, MANY = 50, 10_000
"""Orders, each with an administration."""
TOLD = "UPDATE outbox SET state = 'acked' WHERE seq <= (SELECT max(seq) - 60 FROM outbox)"
"""All but some arrived long ago: averages over all states say that whatever is asked for is nearly everything."""


def _pieces(store: Store, rows: int) -> Iterator[tuple[str, int]]:
    """Yield what is done from a stop to its acknowledgement, and beside it, each with how much it looked at."""

    def fill(tx: Tx) -> None:
        for number in range(rows):
            outbox.enqueue(tx, PEER, f"MedicationRequest/m-{number}", 1, "hash", stop=False)
            outbox.enqueue(
                tx,
                PEER,
                f"MedicationAdministration/m-{number}",
                1,
                "hash",
                stop=False,
                depends_on="MedicationRequest/x",
            )

    store.transact(TENANT, fill)
    last = f"m-{rows - 1}"

    def stop(type_: str, depends_on: str = "") -> Callable[[Tx], int]:
        return lambda tx: outbox.enqueue(tx, PEER, f"{type_}/{last}", 2, "hash", stop=True, depends_on=depends_on)

    yield "a stop", counted(store, stop("MedicationRequest"))[1]
    given = counted(store, stop("MedicationAdministration", f"MedicationRequest/m-{rows - 2}"))
    yield "a stop of what depends on another", given[1]
    claimed, looked = counted(store, lambda tx: outbox.claim(tx, PEER, "me", 0, 9, 2))
    assert [row.lane for row in claimed] == ["stop", "normal"]  # the other stop waits for the latter
    yield "the claim of stops", looked
    _, looked = counted(store, lambda tx: outbox.claim(tx, PEER, "me", 8, 9, 1))
    yield "the claim of others", looked
    sent, looked = counted(store, lambda tx: outbox.sending(tx, claimed[0]))
    yield "noting that it is sent", looked
    yield "noting that it arrived", counted(store, lambda tx: outbox.settle(tx, sent, "acked"))[1]
    yield "whether anything waits", counted(store, lambda tx: outbox.waiting(tx, PEER))[1]
    asked: tuple[tuple[outbox.State, ...], ...] = (("pending",), ("leased", "sent"))
    for states in asked:
        has = partial(outbox.has_any, endpoint=PEER, aggregate=f"MedicationRequest/{last}", states=states)
        yield f"whether it is {states}", counted(store, has)[1]
    yield "stops that are late", counted(store, lambda tx: suspects.late_stops(tx, PEER, 60))[1]
    yield "since when a stop waits", counted(store, lambda tx: standing.oldest(tx, PEER, "stop"))[1]
    yield "since when anything waits", counted(store, lambda tx: standing.oldest(tx, PEER))[1]
    yield "what was put aside", counted(store, lambda tx: _put_aside(tx, claimed[1]))[1]
    yield "a decision", counted(store, lambda tx: aside.replay(tx, claimed[1].seq, "seen", "somebody"))[1]
    yield "what one waits for", counted(store, lambda tx: suspects.poisoned(tx, PEER, 5, 24))[1]


def _put_aside(tx: Tx, row: Row) -> Row:
    return outbox.settle(tx, outbox.sending(tx, row), "dead", error_code="422")


def _costs(url: str, rows: int, statements: tuple[str, ...]) -> list[tuple[str, int]]:
    clock = Clock()
    with closing(open_store(url, clock)) as store:
        pieces = _pieces(store, rows)
        costs = [next(pieces)]
        for one in statements:
            tamper(url, one)
        costs += pieces
        clock.move(minutes=1)
        # Leases that ran out: rows under suspicion beside all that waits.
        costs += [
            ("rows under suspicion", counted(store, lambda tx: suspects.poisoned(tx, PEER, 5, 24))[1]),
            ("their claim", counted(store, lambda tx: outbox.claim(tx, PEER, "me", 8, 9, 1))[1]),
        ]
    return costs


@pytest.mark.parametrize(
    "statements",
    [(), ("ANALYZE",), (TOLD, "ANALYZE")],
    ids=["no statistics", "statistics", "statistics of what was told"],
)
def test_what_a_stop_needs_looks_at_nothing_that_waits_beside_it_h6_l3(
    another_database: Callable[[], str], statements: tuple[str, ...]
):
    urls = another_database(), another_database()
    few, many = (_costs(url, rows, statements) for url, rows in zip(urls, (FEW, MANY), strict=True))
    assert not [(name, least, cost) for (name, least), (_, cost) in zip(few, many, strict=True) if cost > least + FEW]


def test_nothing_is_compiled_for_a_statement_of_postgresql(store: Store, url: str):
    if url.startswith("postgresql"):
        for ask in (store.transact, store.read):
            assert ask(TENANT, lambda tx: tx.connection.exec_driver_sql("SHOW jit").scalar()) == "off"
