"""F22 and SMART Backend Services: tokens are asked for, kept, renewed and refused, and no order suffers for it."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from fhir_infusion.config import Remote
from fhir_infusion.errors import SettingsError
from fhir_infusion.sync import bulk, smart
from fhir_infusion.sync.remote import Endpoint
from fhir_infusion.sync.replies import Listed, Throttled, Unauthorized, Unsent
from fhir_infusion.sync.status import status
from tests.faults.exporting import Exporting
from tests.faults.invariants import demanded
from tests.faults.issuer import CLIENT, SCOPE, Answer, Issuer
from tests.faults.peer import Act, Peer, once
from tests.faults.rig import Clock, Rig, open_rig, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.peer import Asked


def _pem(private: Any) -> bytes:
    pem: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def _ec(path: Path) -> Path:
    path.write_bytes(_pem(ec.generate_private_key(ec.SECP384R1())))
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return _ec(tmp_path / "client.key")


@pytest.fixture
def issuer(there: Peer, key: Path) -> Iterator[Issuer]:
    one = Issuer(smart.public_keys(_remote(key)))
    there.lies.append(one.guard)
    there.smart = {"token_endpoint": one.url}
    yield one
    one.close()


@pytest.fixture
def rig(there: Peer, issuer: Issuer, key: Path, database: str) -> Iterator[Rig]:
    assert issuer.asked == 0
    opened = open_rig(there, database, Clock(), auth="smart", client_id=CLIENT, key_file=key, scope=SCOPE)
    with demanded(opened, asked=database.startswith("sqlite")) as one:
        yield one


def _remote(key: Path, base: str = "https://fhir.example", **options: Any) -> Remote:
    return Remote("peer", base, auth="smart", client_id=CLIENT, key_file=key, scope=SCOPE, **options)


@pytest.fixture
def endpoint(there: Peer, key: Path) -> Iterator[Endpoint]:
    one = Endpoint(_remote(key, there.base, deadline_seconds=30))
    yield one
    one.close()


# --------------------------------------------------------------------------------------------------- asking for one


def test_a_token_is_asked_for_once_and_used_until_shortly_before_it_ends(endpoint: Endpoint, issuer: Issuer):
    for _ in range(5):
        assert isinstance(endpoint.search("Patient", []), Listed)
    assert issuer.asked == 1
    (claims,), (head,) = issuer.claims, issuer.headers
    assert claims["exp"] - time.time() <= 300
    assert (head["alg"], sorted(claims)) == ("ES384", ["aud", "exp", "iss", "jti", "sub"])


def test_a_token_of_a_short_life_is_renewed_and_every_assertion_is_another(endpoint: Endpoint, issuer: Issuer):
    issuer.life = 1
    for _ in range(3):
        assert isinstance(endpoint.search("Patient", []), Listed)
        time.sleep(0.6)
    assert issuer.asked == 3
    assert len({one["jti"] for one in issuer.claims}) == 3


def test_the_token_endpoint_of_the_settings_is_not_asked_for(there: Peer, issuer: Issuer, key: Path):
    endpoint = Endpoint(_remote(key, there.base, token_url=issuer.url))
    assert isinstance(endpoint.search("Patient", []), Listed)
    assert {one.type for one in there.asked} == {"Patient"}
    endpoint.close()


def _rsa_jwk(path: Path) -> None:
    jwk = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    path.write_text(json.dumps({"keys": [{"kty": "oct", "k": "x"}, {**jwk, "kid": "mine"}]}))


def _ec_jwk(path: Path) -> None:
    path.write_text(json.dumps(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()), as_dict=True)))


def _rsa_pem(path: Path) -> None:
    path.write_bytes(_pem(rsa.generate_private_key(65537, 3072)))


@pytest.mark.parametrize(("write", "algorithm"), [(_rsa_jwk, "RS384"), (_ec_jwk, "ES384"), (_rsa_pem, "RS384")])
def test_every_kind_of_key_signs_and_only_its_public_half_is_to_be_registered(
    endpoint: Endpoint, issuer: Issuer, key: Path, write: Any, algorithm: str
):
    write(key)
    keys = smart.public_keys(_remote(key))
    assert not {"d", "p", "q", "dp", "dq", "qi"} & keys["keys"][0].keys()
    issuer.register(keys)
    assert isinstance(endpoint.search("Patient", []), Listed)
    assert issuer.headers[0]["alg"] == algorithm
    assert issuer.headers[0]["kid"] == (
        "mine" if write is _rsa_jwk else smart.thumbprint(smart.read_key(_remote(key)).private)
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-----BEGIN %b-----\nAAAA\n-----END %b-----\n" % (b"PRIVATE KEY", b"PRIVATE KEY"),
        b"{}",
        b'{"kty":"RSA","d":"x"}',
        b'{"keys":[{"kty":"EC"}]}',
        b'{"keys":3}',
        b"[" * 100_000,
        _pem(ec.generate_private_key(ec.SECP256R1())),
        _pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505  the weak key is the point
    ],
)
def test_a_key_that_does_not_sign_as_smart_wants_it_is_refused_at_the_start(key: Path, text: bytes):
    key.write_bytes(text)
    with pytest.raises(SettingsError, match="key_file: accepted is an RSA key of 2048 bits"):
        Endpoint(_remote(key))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "token-endpoint"),
        ({"token_endpoint": 3}, "token-endpoint"),
        ({"token_endpoint": "http://fhir.example/token"}, "token-endpoint"),
        ({"token_endpoint": "https://user:secret@fhir.example/token"}, "token-endpoint"),
        ({"token_endpoint": "https://[bad/token"}, "token-endpoint"),
        ({"token_endpoint": "file:///etc/passwd"}, "token-endpoint"),
        (
            {"token_endpoint": "https://a.example", "token_endpoint_auth_signing_alg_values_supported": ["RS384"]},
            "token-algorithm",
        ),
    ],
)
def test_a_token_endpoint_that_is_not_safe_gets_no_assertion(
    endpoint: Endpoint, issuer: Issuer, there: Peer, document: dict[str, Any], code: str
):
    there.smart = document
    reply = endpoint.search("Patient", [])
    assert isinstance(reply, Unsent)
    assert (reply.code, issuer.asked, {one.type for one in there.asked}) == (code, 0, {".well-known"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b"[" * 100_000,
        b'{"access_token":"x","token_type":"mac"}',
        b'{"access_token":"","token_type":"bearer"}',
        b'{"access_token":"a\\r\\nX-Evil: 1","token_type":"bearer"}',
        b'{"access_token":3,"token_type":"bearer"}',
    ],
)
def test_what_is_no_token_is_never_sent(endpoint: Endpoint, issuer: Issuer, there: Peer, body: bytes):
    issuer.lies.append(lambda: Answer(200, body))
    assert endpoint.search("Patient", []) == Unsent("the token endpoint gives no bearer token", "token-unreadable")
    assert {one.type for one in there.asked} == {".well-known"}


@pytest.mark.parametrize("life", [None, "300", True, -1, 10**12])
def test_an_odd_life_is_no_reason_to_ask_for_each_request(endpoint: Endpoint, issuer: Issuer, life: object):
    issuer.life = life
    for _ in range(4):
        assert isinstance(endpoint.search("Patient", []), Listed)
    assert issuer.asked == 1


# --------------------------------------------------------------------------------------------------------- F22


def test_f22_a_token_that_ends_in_the_middle_of_a_batch_is_renewed_once_and_every_order_arrives(
    rig: Rig, there: Peer, issuer: Issuer
):
    for number in range(12):
        rig.place(order(f"A-{number}"))
    done = [0]

    def ends(_: Any) -> None:
        done[0] += 1
        if done[0] == 25:
            issuer.valid.clear()

    there.lies.insert(0, ends)
    assert set(rig.settle()) == {"acked"}
    assert len(there.all("MedicationRequest")) == 12
    assert (issuer.asked, rig.alerts()) == (2, [])


def _at_once(endpoint: Endpoint, number: int) -> list[object]:
    """Search in so many threads that begin together; return every reply."""
    start = threading.Barrier(number)

    def ask(_: int) -> object:
        start.wait()
        return endpoint.search("Patient", [])

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(ask, range(number)))


def test_f22_eight_threads_that_are_refused_at_once_ask_for_one_token(endpoint: Endpoint, issuer: Issuer):
    assert isinstance(endpoint.search("Patient", []), Listed)
    issuer.valid.clear()
    issuer.slow = 0.3
    replies = _at_once(endpoint, 8)
    assert all(isinstance(one, Listed) for one in replies)
    assert issuer.asked == 2


def test_f22_threads_that_wait_for_a_token_share_its_failure(endpoint: Endpoint, issuer: Issuer):
    issuer.lies.append(Answer)
    issuer.slow = 0.3
    replies = _at_once(endpoint, 8)
    assert {one.code for one in replies if isinstance(one, Unsent)} == {"token-refused"}
    assert (len(replies), issuer.asked) == (8, 1)


def test_f22_tokens_that_are_all_refused_open_the_circuit_after_one_refresh(rig: Rig, there: Peer, issuer: Issuer):
    there.lies.insert(0, lambda asked: Act(effect=False, status=401) if asked.type != ".well-known" else None)
    rig.place(order("A-1"))
    rig.push()
    assert (issuer.asked, rig.states(), rig.peer.circuit.why) == (2, ["pending"], "unauthorized")
    rig.push()
    assert issuer.asked == 2
    assert rig.alerts() == ["unauthorized"]
    there.lies.pop(0)
    assert rig.settle(step=600) == ["acked"]


def test_f22_a_key_that_was_changed_on_disk_is_used_at_the_next_assertion(rig: Rig, issuer: Issuer, key: Path):
    rig.place(order("A-1"))
    assert rig.settle() == ["acked"]
    _ec(key)
    issuer.register(smart.public_keys(rig.peer.remote))
    issuer.valid.clear()
    rig.place(order("A-2"))
    assert rig.settle() == ["acked", "acked"]
    assert len({one["kid"] for one in issuer.headers}) == 2


def test_f22_a_key_that_the_server_knows_no_more_stops_everything_and_loses_nothing(
    rig: Rig, there: Peer, issuer: Issuer
):
    known = issuer.keys
    issuer.keys = {}
    for number in range(5):
        rig.place(order(f"A-{number}"))
    rig.settle(rounds=4, step=30)
    assert set(rig.states()) == {"pending"}
    assert (rig.peer.circuit.why, rig.alerts()) == ("token-refused", ["token-refused"])
    (line,) = status(rig.service)
    assert (line["trouble"], line["outbox"]) == ("token-refused", {"pending": 5})
    assert issuer.asked < 5
    issuer.keys = known
    assert set(rig.settle(step=600)) == {"acked"}
    assert len(there.all("MedicationRequest")) == 5
    assert status(rig.service)[0]["trouble"] == ""


@pytest.mark.parametrize("how", ["closed", "500", "throttled", "unreadable"])
def test_f22_a_token_endpoint_that_is_down_is_waited_for(
    rig: Rig, there: Peer, issuer: Issuer, how: str, caplog: pytest.LogCaptureFixture
):
    answers = {
        "500": Answer(500, b"<html>CANARY"),
        "throttled": Answer(503, b"CANARY", {"Retry-After": "120"}),
        "unreadable": Answer(200, b"CANARY"),
    }
    if how == "closed":
        there.smart = {"token_endpoint": "http://127.0.0.1:9/token"}
    else:
        issuer.lies.append(lambda: answers[how])
    for number in range(3):
        rig.place(order(f"A-{number}"))
    rig.settle(rounds=5, step=20)
    assert set(rig.states()) == {"pending"}
    wanted = {"500": "token-unreachable", "closed": "token-unreachable", "throttled": "throttled"}
    assert rig.peer.circuit.why == wanted.get(how, "token-unreadable")
    assert issuer.asked <= 12
    issuer.lies.clear()
    there.smart = {"token_endpoint": issuer.url}
    assert set(rig.settle(step=600)) == {"acked"}
    assert len(there.all("MedicationRequest")) == 3
    assert "CANARY" not in caplog.text


def test_f22_a_window_that_the_token_endpoint_asks_for_is_kept(endpoint: Endpoint, issuer: Issuer):
    issuer.lies.append(lambda: Answer(429, b"", {"Retry-After": "77", "Set-Cookie": "x=1"}))
    assert endpoint.search("Patient", []) == Throttled("77")


def test_f22_a_403_is_no_matter_of_the_token(rig: Rig, there: Peer, issuer: Issuer):
    there.lies.append(once(Act(effect=False, status=403)))
    rig.place(order("A-1"))
    rig.push()
    assert (rig.states(), rig.peer.circuit.why, rig.alerts()) == (["pending"], "forbidden", ["forbidden"])
    assert issuer.asked == 1
    assert rig.settle(step=600) == ["acked"]


def test_a_key_that_went_away_while_running_is_told_and_waited_for(rig: Rig, key: Path):
    text = key.read_bytes()
    key.unlink()
    rig.place(order("A-1"))
    rig.push()
    assert (rig.states(), rig.peer.circuit.why, rig.alerts()) == (["pending"], "token-key", ["token-key"])
    key.write_bytes(text)
    assert rig.settle(step=600) == ["acked"]


def test_credentials_are_in_no_text_of_ours(endpoint: Endpoint, there: Peer, issuer: Issuer, caplog: Any):
    issuer.lies.append(once_(Answer()))
    replies = [endpoint.search("Patient", []), endpoint.search("Patient", [])]
    there.lies.insert(0, lambda _: Act(effect=False, status=401))
    replies.append(endpoint.search("Patient", []))
    assert isinstance(replies[-1], Unauthorized)
    said = repr(replies) + repr(endpoint) + caplog.text + repr(replace(endpoint._remote))
    assert not any(one in said for one in ("token-1", "eyJ", "CANARY", "BEGIN"))
    assert "no token" in caplog.text


def once_(answer: Answer) -> Any:
    left = [answer]
    return lambda: left.pop() if left else None


# ------------------------------------------------------------------------------------------------------------- loads


@pytest.mark.parametrize("refused", [False, True])
def test_s7_f22_the_calls_of_a_load_share_one_token_and_one_that_is_refused_in_a_file_is_renewed_once(
    key: Path, database: str, *, refused: bool
):
    there = Exporting()
    issuer = Issuer(smart.public_keys(_remote(key)))
    there.lies.append(issuer.guard)
    there.smart = {"token_endpoint": issuer.url}
    rig = open_rig(there, database, Clock(), auth="smart", client_id=CLIENT, key_file=key, scope=SCOPE)
    try:
        there.fill(25)
        there.running, there.per_file = 3, 10
        if refused:

            def forgets(asked: Asked) -> None:
                if asked.type == "file":
                    issuer.valid.clear()
                    there.lies.remove(forgets)

            there.lies.insert(0, forgets)
        state, calls = "", 0
        while state != "done":
            told = bulk.load(rig.service, "peer", "")
            assert told["trouble"] == ""
            state, calls = told["state"], calls + 1
            rig.clock.move(told["wait_seconds"])
        assert calls > 3
        assert issuer.asked == 1 + refused
        assert len(rig.ids()) == 25
    finally:
        rig.close()
        there.close()
        issuer.close()
