"""F23: TLS that is not right is refused with a code that says why, nothing is sent, and no order is put aside for it."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fhir_infusion.config import Remote
from fhir_infusion.errors import SettingsError
from fhir_infusion.store import endpoints
from fhir_infusion.sync.remote import Endpoint, streaming
from fhir_infusion.sync.replies import Listed, Unsent
from fhir_infusion.sync.status import status
from tests.faults.authority import DAY, Authority, server
from tests.faults.invariants import demanded
from tests.faults.peer import Peer
from tests.faults.rig import TENANT, Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextmanager
def _world(context: ssl.SSLContext, database: str, **options: Any) -> Iterator[tuple[Rig, Peer]]:
    """Give both sides; once the test has put right what was wrong, the eight invariants are demanded (S3)."""
    there = Peer(tls=context)
    try:
        with demanded(open_rig(there, database, Clock(), **options), asked=database.startswith("sqlite")) as rig:
            yield rig, there
    finally:
        there.close()


def _arrives(rig: Rig, there: Peer) -> None:
    """Demand that what waited goes out now."""
    assert rig.settle(step=600) == ["acked"]
    assert status(rig.service)[0]["trouble"] == ""
    assert len(there.all("MedicationRequest")) == 1


def _refused(rig: Rig, there: Peer, code: str) -> None:
    """Demand that an order waits, that all places name the code, and that the peer has seen nothing."""
    rig.place(order("A-1"))
    rig.settle(rounds=3, step=60)
    assert rig.states() == ["pending"]
    assert rig.rows()[0].last_error_code == code
    assert (rig.peer.circuit.why, rig.alerts(), there.asked) == (code, [code], [])
    (line,) = status(rig.service)
    assert line["trouble"] == code
    assert next(one.trouble for one in rig.pull()) in {"left alone for now", f"TLS: {code}"}


def test_f23_a_certificate_of_our_own_authority_is_taken(authority: Authority, database: str):
    context = server(authority.sign("right"))
    with _world(context, database, ca_file=authority.pair.certificate) as (rig, there):
        rig.place(order("A-1"))
        assert rig.settle() == ["acked"]
        assert len(there.all("MedicationRequest")) == 1
        assert status(rig.service)[0]["trouble"] == ""


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"ends": -DAY}, "certificate-expired"),
        ({"host": "fhir.example"}, "certificate-wrong-host"),
        ({"host": "127.0.0.2"}, "certificate-wrong-host"),
        ({"own": True}, "certificate-self-signed"),
    ],
)
def test_f23_a_wrong_certificate_is_refused_and_what_waits_goes_once_it_is_renewed(
    authority: Authority, database: str, made: dict[str, Any], code: str
):
    context = server(authority.sign("wrong", **made))
    with _world(context, database, ca_file=authority.pair.certificate) as (rig, there):
        _refused(rig, there, code)
        authority.sign("right").loaded(context)
        _arrives(rig, there)


def test_f23_another_authority_is_not_trusted(authority: Authority, tmp_path: Path, database: str):
    other = Authority(tmp_path, "other")
    context = server(other.sign("theirs"))
    with _world(context, database, ca_file=authority.pair.certificate) as (rig, there):
        _refused(rig, there, "certificate-untrusted")
        authority.sign("right").loaded(context)
        _arrives(rig, there)


def test_f23_without_an_authority_of_its_own_only_the_public_ones_are_trusted(authority: Authority, database: str):
    with _world(server(authority.sign("right")), database) as (rig, there):
        _refused(rig, there, "certificate-untrusted")
        rig.peer.remote = replace(rig.peer.remote, ca_file=authority.pair.certificate)
        rig.restart(database)
        _arrives(rig, there)


def test_f23_tls_1_1_is_not_spoken(authority: Authority, database: str):
    context = server(authority.sign("right"), old=True)
    with _world(context, database, ca_file=authority.pair.certificate) as (rig, there):
        _refused(rig, there, "tls-version")
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        _arrives(rig, there)


def test_f23_a_server_that_asks_who_we_are_is_shown_our_certificate(authority: Authority, database: str):
    context, client = server(authority.sign("right"), clients=authority.pair.certificate), authority.sign("client")
    options = {"ca_file": authority.pair.certificate, "cert_file": client.certificate, "cert_key_file": client.key}
    with _world(context, database, **options) as (rig, _):
        rig.place(order("A-1"))
        assert rig.settle() == ["acked"]


@pytest.mark.parametrize("shown", [False, True], ids=["none", "of another authority"])
def test_f23_where_the_server_does_not_take_our_certificate_nothing_is_put_aside(
    authority: Authority, tmp_path: Path, database: str, shown: object
):
    context, client = server(authority.sign("right"), clients=authority.pair.certificate), None
    options: dict[str, Any] = {"ca_file": authority.pair.certificate}
    if shown:
        client = Authority(tmp_path, "other").sign("foreign")
        options |= {"cert_file": client.certificate, "cert_key_file": client.key}
    with _world(context, database, **options) as (rig, there):
        rig.place(order("A-1"))
        rig.settle(rounds=6, step=60)
        assert rig.states() == ["pending"]
        assert there.asked == []
        assert rig.peer.circuit.why in {"client-certificate-refused", "failing"}  # the reset may overtake the reason
        right = authority.sign("client")
        if client is not None:
            client.certificate.write_bytes(right.certificate.read_bytes())
            client.key.write_bytes(right.key.read_bytes())
        else:
            rig.peer.remote = replace(rig.peer.remote, cert_file=right.certificate, cert_key_file=right.key)
            rig.restart(database)
        _arrives(rig, there)


def test_the_reason_is_told_where_it_arrives(authority: Authority):
    there = Peer(tls=server(authority.sign("right"), clients=authority.pair.certificate))
    endpoint = Endpoint(Remote("peer", there.base, ca_file=authority.pair.certificate))
    replies = [endpoint.search("Patient", []) for _ in range(20)]
    assert Unsent("TLS: client-certificate-refused", "client-certificate-refused") in replies
    assert not any(isinstance(one, Listed) for one in replies)
    endpoint.close()
    there.close()


def test_files_that_cannot_be_used_are_refused_at_the_start(authority: Authority, tmp_path: Path):
    empty, base = tmp_path / "empty", "https://fhir.example"
    empty.write_text("")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"ca_file": empty}, "ca_file"),
        ({"ca_file": tmp_path / "absent"}, "ca_file"),
        ({"cert_file": authority.pair.certificate, "cert_key_file": empty}, "cert_file, cert_key_file"),
    ]
    for options, name in wrong:
        with pytest.raises(SettingsError, match=name):
            Endpoint(Remote("peer", base, **options))


def test_a_trouble_is_told_once_and_again_after_it_had_ended(authority: Authority, database: str):
    context = server(authority.sign("right"))
    with _world(context, database, ca_file=authority.pair.certificate) as (rig, _):
        for _ in range(2):
            authority.sign("wrong", ends=-DAY).loaded(context)
            rig.restart(database)  # connections that stand need no handshake
            rig.pull()
            rig.clock.move(3600)
            rig.pull()
            authority.sign("right").loaded(context)
            rig.clock.move(3600)
            assert not any(one.trouble for one in rig.pull())
        assert rig.alerts() == ["certificate-expired"] * 2
        assert rig.service.store.read(TENANT, lambda tx: endpoints.known(tx, "peer")).trouble == ""


def test_f23_a_file_behind_a_wrong_certificate_is_told_by_its_code(authority: Authority):
    there = Peer(tls=server(authority.sign("expired", ends=-DAY)))
    endpoint = Endpoint(Remote("peer", there.base, ca_file=authority.pair.certificate, deadline_seconds=30))
    try:
        told = list(streaming.lines(endpoint, there.base + "/file/1", 5, 1000))
        assert told == [Unsent("TLS: certificate-expired", "certificate-expired")]
        assert there.asked == []
    finally:
        endpoint.close()
        there.close()
