"""What a person does next about a remote, in words, from the numbers of ``sync.status``. Pure.

The numbers say how it stands; these sentences say who has to act, and by what: a page or a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from fhir_infusion.sync.unset import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.sync.status import Status

Place = Literal["", "resume", "dead", "duplicate", "conflict", "identity", "quarantine"]


@dataclass(frozen=True, slots=True)
class Advice:
    """A sentence. ``is_urgent``: what is to reach a patient's bed does not.

    ``place`` is where a person acts, ``command`` what looks into it or ends it, each empty where there is none.
    """

    text: str
    is_urgent: bool = False
    place: Place = ""
    command: str = ""


STOP_LATE: Final = 120
"""So many seconds a stop may be on its way before somebody is to be told by another way."""
LATE: Final = 900
"""So many seconds behind, and what is to be told or read is late."""

TROUBLES: Final = {
    "certificate-expired": "its certificate has expired: its operators renew it",
    "certificate-not-yet-valid": "its certificate is not valid yet: compare the clocks of both machines",
    "certificate-wrong-host": "its certificate is of another host: check base_url, then ask its operators",
    "certificate-self-signed": "its certificate is signed by itself: name the authority in ca_file",
    "certificate-untrusted": "its certificate is of an authority that is not trusted: name it in ca_file",
    "tls-version": "it speaks a version of TLS that is too old",
    "client-certificate-refused": "it does not take our certificate: cert_file and cert_key_file",
    "token-refused": "its token endpoint does not take us: register the key that `fhir-infusion sync keys` prints",
    "token-endpoint": "it names no safe token endpoint: set token_url",
    "token-key": "our key cannot be read: key_file",
    "unauthorized": "it does not take our token: token_file, or ask its operators",
    "forbidden": "it does not let us do this: ask its operators for the right",
}
PAUSES: Final = {
    "restored": "it was restored from a backup, as it seems: versions went back there",
    "moved": "base_url names another address than the one at which ours are known: is it the same server?",
    "vanished": "several of ours are not known there any more",
}


def advice(status: Status) -> tuple[Advice, ...]:
    """Return what is to be done about a remote, the most urgent first; nothing where it is in step."""
    return tuple(sorted(_all(status), key=lambda one: not one.is_urgent))


def _all(status: Status) -> Iterator[Advice]:
    name = status["endpoint"]
    if (status["oldest_stop_seconds"] or 0) > STOP_LATE:
        text = "A stop has not arrived there: tell the ward by another way until it has."
        yield Advice(text, is_urgent=True)
    if status["direction"] == UNSET:
        count = sum(count for state, count in status["outbox"].items() if state not in {"acked", "superseded"})
        text = f"No section of the settings names it, and {count} wait for it: nothing is sent there. Put the"
        text = f"{text} section back; or tell the ward by another way, then give up what waits with"
        text = f"{text} `fhir-infusion sync skip --unset {name} --reason TEXT`."
        yield Advice(text, is_urgent=True, command=f"sync dead list {name}")
        return
    if status["paused"]:
        why = PAUSES.get(status["paused"], status["paused"])
        text = f"Paused, since {why}. Nothing is sent or read. Ask its operators, then go on with it."
        yield Advice(text, is_urgent=True, place="resume", command=f"sync resume {name} --reason TEXT")
    elif status["trouble"]:
        text = f"Something is wrong with it: {TROUBLES.get(status['trouble'], status['trouble'])}."
        yield Advice(f"{text} What is to be told waits; nothing is put aside for it.", is_urgent=True)
    yield from _aside(status)
    yield from _late(status)
    if status["can"] is None:
        yield Advice(f"What it can do was never tried: `fhir-infusion sync probe {name}`.")
    elif status["can"].get("needs"):
        needs = ", ".join(status["can"]["needs"])
        yield Advice(f"A probe saw that it lacks what is needed: {needs}.")


def _aside(status: Status) -> Iterator[Advice]:
    name = status["endpoint"]
    if status["conflicts"]:
        text = f"Decide what changed on both sides ({status['conflicts']})."
        yield Advice(text, place="conflict", command="sync conflicts")
    if status["identities"]:
        yield Advice(f"Say who a patient is ({status['identities']}).", place="identity", command="sync conflicts")
    if duplicates := status["outbox"].get("duplicate", 0):
        text = f"Several there carry one identifier of ours ({duplicates}): say which one stays."
        yield Advice(text, is_urgent=True, place="duplicate", command=f"sync duplicates {name}")
    if status["dead"]:
        text = f"Put aside on the way out ({status['dead']}): mend what the code names, then replay, or give it up."
        yield Advice(text, is_urgent=True, place="dead", command=f"sync dead list {name}")
    if status["quarantined"]:
        text = f"Received and not taken ({status['quarantined']}): look at the code, then have it tried again."
        yield Advice(text, place="quarantine", command=f"sync quarantine list {name}")
    reconcile = f"sync reconcile {name}"
    if status["deleted_active"]:
        text = f"Gone there, and not ended here ({status['deleted_active']}): ask the ward, then end them here, or have"
        text = f"{text} them restored there. `fhir-infusion {reconcile}` names them."
        yield Advice(text, is_urgent=True, command=reconcile)
    if status["lost"]:
        text = f"Of ours {status['lost']} are not known there any more: a replay tells them again."
        yield Advice(f"{text} `fhir-infusion {reconcile}` names them.", command=reconcile)


def _late(status: Status) -> Iterator[Advice]:
    if (status["oldest_pending_seconds"] or 0) > LATE and not status["paused"] and not status["trouble"]:
        yield Advice("What is to be told is late: look at the attempts below for the answers of the remote.")
    for type_, feed in status["feeds"].items():
        if status["paused"] or status["trouble"]:
            continue
        if feed["last_success_seconds"] is None:
            yield Advice(f"Its feed of {type_} was never read to its end.")
        elif feed["last_success_seconds"] > LATE:
            yield Advice(f"Its feed of {type_} was not read to its end for long: {feed['last_success_seconds']} s.")
