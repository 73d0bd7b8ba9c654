"""A process that dies at one of the steps of the sync, and another one that goes on with what is on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_infusion.store import outbox
from fhir_infusion.sync import feed, pull, push, sending, stopping
from fhir_infusion.sync import peer as sync_peer
from tests.faults.rig import TENANT

if TYPE_CHECKING:
    from types import ModuleType

    from tests.faults.rig import Rig


class Killed(BaseException):
    """The process died here."""


POINTS = (
    (push, "push.claimed"),
    (stopping, "push.sending"),
    *((push, f"push.{name}") for name in ("answered", "before-commit", "committed")),
    *((feed, "pull.page"), (feed, "pull.move"), (pull, "pull.applied")),
)


def kill(rig: Rig, module: ModuleType, point: str) -> None:
    """Let the process die where it comes to one of its steps, and another one go on."""
    reach = vars(module)["reach"]

    def die(name: str) -> None:
        if name == point:
            raise Killed

    vars(module)["reach"] = die
    try:
        _die(rig)
    except Killed:
        pass
    finally:
        vars(module)["reach"] = reach
    rig.peer.close()
    rig.peer = sync_peer.Peer(rig.service, rig.peer.remote, draw=lambda: 1.0)


def _die(rig: Rig) -> None:
    """Do by one thread what the worker does: a kill ends it in the middle."""
    claimed = rig.service.store.transact(TENANT, lambda tx: outbox.claim(tx, "peer", "dying", 1, 10))
    for row in claimed:
        push.deliver(rig.peer, TENANT, row)
    rig.pull()


def dies_of(rig: Rig, poisoned: str, *, is_worker: bool = False) -> bool:
    """Claim as senders do, then die if the poisoned resource is among it, else deliver it; say whether it died."""
    senders = sending.Senders(rig.peer, TENANT, lambda: None, is_worker=is_worker)
    rows = rig.service.store.transact(TENANT, lambda tx: senders._claimed(tx, rig.peer.remote.senders, 1))
    if any(row.aggregate == poisoned for row in rows):
        rig.clock.move(sending.LEASE_SECONDS + 1)
        return True
    for row in rows:
        push.deliver(rig.peer, TENANT, row)
    return False
