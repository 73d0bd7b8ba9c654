"""A change under an ``Idempotency-Key`` happens once: sent again, it is answered as it was answered first.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/. The key, a hash of what was asked with it
and what came of it are kept in the transaction of the change, so that neither a lost answer nor a restart parts them.

1. What is known under the key is answered with, before anything of the request is compared with the state of now, which
   it has changed itself. 2. Else it is done, and the key is looked up again in its transaction: of many at once one has
   its effect, and the others get its answer. 3. What was refused changed nothing and is not kept: with the same key it
   may be sent anew, put right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from fhir_infusion.actions import transact
from fhir_infusion.actions.transact import Made
from fhir_infusion.errors import Issue, Refused
from fhir_infusion.store import Tx, idempotency, text, versions

if TYPE_CHECKING:
    from fhir_infusion.actions.caller import Caller
    from fhir_infusion.service import Service
    from fhir_infusion.store.versions import Stored

T = TypeVar("T")
Json = dict[str, Any]
Work = Callable[[Tx], T]
Run = Callable[[Work[T]], T]
"""Does a piece of work in a transaction."""


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """How what a change did is kept: ``said`` as JSON, without what can be read again, and ``read`` back from it."""

    said: Callable[[T], Json]
    read: Callable[[Tx, Json], T]


class _Done(Exception):
    """The request was done by another one of the same key, meanwhile."""


def once(service: Service, caller: Caller, form: Form[T], attempt: Callable[[Run[T]], T]) -> T:
    """Return what ``attempt`` returns, or what it returned when this request came first.

    Args:
        service: what to work with.
        caller: who asks, with the key and the hash of the request; without a key nothing is kept.
        form: of what is returned.
        attempt: is given what does its work in a transaction, and may do so again where somebody was faster.

    Raises:
        Refused: 422, the key came with another request; what ``attempt`` raises.
        Unavailable: nothing is stored.
    """

    def kept(work: Work[T]) -> T:
        def whole(tx: Tx) -> T:
            if _find(tx, caller) is not None:
                raise _Done
            result = work(tx)
            keep(tx, caller, form.said(result))
            return result

        return service.store.transact(caller.tenant, whole if caller.key else work)

    def earlier(tx: Tx) -> tuple[T, ...]:
        found = _find(tx, caller)
        return () if found is None else (form.read(tx, found),)

    if not caller.key:
        return attempt(kept)
    for done in service.store.read(caller.tenant, earlier):
        return done
    try:
        return attempt(kept)
    except (_Done, Refused):
        # What it was refused for may be what the same request did, a moment before.
        for done in service.store.read(caller.tenant, earlier):
            return done
        raise


def begin(service: Service, caller: Caller) -> None:
    """Note what is asked with a key in several pieces, each of which is kept by itself.

    Raises:
        Refused: 422, the key came with another request.
        Unavailable: nothing is stored.
    """

    def work(tx: Tx) -> None:
        if _find(tx, caller) is None:
            keep(tx, caller, {})

    if caller.key:
        service.store.transact(caller.tenant, work)


def keep(tx: Tx, caller: Caller, answer: Json) -> None:
    """Keep what a request with a key did."""
    effect = idempotency.Effect(caller.asked, answer=text.write(answer))
    idempotency.keep(tx, caller.client, f"key|{caller.key}", effect)


def _find(tx: Tx, caller: Caller) -> Json | None:
    found = idempotency.find(tx, caller.client, f"key|{caller.key}")
    if found is None:
        return None
    if found.body_hash != caller.asked:
        raise Refused(transact.key_taken())
    return text.read(found.answer)


def _said(made: Made) -> Json:
    return {
        "type": made.stored.type,
        "created": made.created,
        "versions": [[one.id, one.version] for one in (made.stored, *made.segments)],
        "findings": [asdict(one) for one in made.findings],
    }


def _made(tx: Tx, said: Json) -> Made:
    first, *segments = [_version(tx, said["type"], id_, number) for id_, number in said["versions"]]
    return Made(first, said["created"], findings_of(said), tuple(segments))


def _version(tx: Tx, type: str, id: str, number: int) -> Stored:
    found = versions.version(tx, type, id, number)
    if found is None:
        raise Refused(transact.not_found(type))
    return found


def findings_of(said: Json) -> tuple[Issue, ...]:
    """Return the findings that were kept with an answer."""
    return tuple(Issue(**one) for one in said["findings"])


MADE: Final = Form(_said, _made)
"""A version that was written, or was there: the same version is answered with again, whatever became of it since."""
NOTHING: Final[Form[None]] = Form(lambda _: {}, lambda _, __: None)
"""What has no answer but that it is done."""
