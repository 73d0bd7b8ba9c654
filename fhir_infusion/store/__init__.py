"""What we keep: the only SQL of the project.

Versions are append-only and carry their tenant in every key. Whatever belongs to one effect (the version, its index
rows, the idempotency key, the outbox rows, the audit row) is written in one transaction, by one writer thread.

What may never happen here: a translation, a decision about the content of an order, a call to another server, the
acknowledgement of something that is not on disk.
"""

from fhir_infusion.store.database import Store, open_reader, open_shared, open_store, share
from fhir_infusion.store.lock import Owner, Shared
from fhir_infusion.store.lock import owner_of_url as owner
from fhir_infusion.store.tx import Tx

__all__ = ["Owner", "Shared", "Store", "Tx", "open_reader", "open_shared", "open_store", "owner", "share"]
