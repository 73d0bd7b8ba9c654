"""Several pieces of work as one: a store whose every transaction is part of a transaction that is open already."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from fhir_infusion.store.database import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.store.tx import Tx

T = TypeVar("T")


class Joined(Store):
    """The store of one piece of work of another store. What is read is what was written before it in the same piece."""

    def __init__(self, store: Store, tx: Tx) -> None:
        """Join an open transaction; whoever opened it commits it."""
        self._store = store
        self._tx = tx
        self.secret = store.secret

    def transact(self, tenant: str, work: Callable[[Tx], T]) -> T:
        """Run ``work`` in the transaction that is open."""
        return self._of(tenant, work)

    def read(self, tenant: str, work: Callable[[Tx], T]) -> T:
        """Run ``work`` on what the transaction has made of what was there."""
        return self._of(tenant, work)

    def announce(self, address: str) -> str:  # noqa: ARG002  as the store has it
        """Raise: nobody is told of a transaction."""
        raise RuntimeError("a piece of work announces nothing")

    def healthy(self) -> bool:
        """Say whether changes are taken now."""
        return self._store.healthy()

    def close(self) -> None:
        """Do nothing: the store stays open."""

    def _of(self, tenant: str, work: Callable[[Tx], T]) -> T:
        if tenant != self._tx.tenant:
            raise RuntimeError("a transaction belongs to one tenant")
        return work(self._tx)
