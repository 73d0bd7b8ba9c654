"""The network that breaks does break as it says, and passes everything on where it is calm."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.faults.cutter import Cutter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says back what it hears."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(one: socket.socket) -> None:
        try:
            while piece := one.recv(4096):
                one.sendall(piece)
        except OSError:
            pass
        finally:
            one.close()

    def accept() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(one,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def said(port: int, text: bytes, seconds: float = 5) -> bytes:
    """Return what comes back, as far as it comes."""
    heard = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as one:
            one.sendall(text)
            while len(heard) < len(text) and (piece := one.recv(4096)):
                heard += piece
    except OSError:
        pass
    return heard


def test_where_it_is_calm_everything_passes(echo: int):
    cutter = Cutter(echo, 1)
    text = bytes(range(256)) * 400
    assert [said(cutter.port, text) for _ in range(3)] == [text] * 3
    cutter.close()
    assert not cutter.done


def test_what_is_cut_passes_up_to_a_byte_and_never_beyond_it(echo: int):
    cutter = Cutter(echo, 1, {"cut": 1})
    cutter.storm()
    text = bytes(200_000)
    assert all(len(said(cutter.port, text)) < len(text) for _ in range(10))
    cutter.close()
    assert {*cutter.done} == {"cut up", "cut down"}
    assert sum(cutter.done.values()) == 10


def test_what_stalls_says_nothing_more_until_the_client_gives_up(echo: int):
    cutter = Cutter(echo, 1, {"stalled": 1})
    cutter.storm()
    assert len(said(cutter.port, bytes(200_000), seconds=0.5)) < 200_000
    cutter.close()
    assert sum(cutter.done.values()) == 1


def test_what_is_refused_hears_nothing_and_later_others_pass(echo: int):
    cutter = Cutter(echo, 1, {"refused": 1})
    cutter.storm()
    assert said(cutter.port, b"hello") == b""
    cutter.calm()
    for _ in range(100):
        if said(cutter.port, b"hello") == b"hello":
            break
        threading.Event().wait(0.02)
    else:
        pytest.fail("nobody listens any more")
    cutter.close()
    assert cutter.done["refused"] == 1


def test_the_same_seed_draws_the_same_fates(echo: int):
    drawn = []
    for _ in range(2):
        cutter = Cutter(echo, 7)
        cutter.storm()
        drawn.append([cutter.fate() for _ in range(50)])
        cutter.close()
    assert drawn[0] == drawn[1]
    assert len({fate.kind for fate in drawn[0]}) == 5
