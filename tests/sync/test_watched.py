"""``sync.remote.watched``: each request is cut at its own deadline, none after its end, and one thread sees to it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.sync.remote.watched import watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT = 10.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two ends of a connection; whoever reads waits for a while at the most."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(WAIT)
        theirs.settimeout(WAIT)
        yield ours, theirs


def test_what_waits_is_cut_at_its_deadline_though_another_with_a_later_one_was_begun_before(
    pair: tuple[socket.socket, socket.socket],
):
    ours, _ = pair
    begun = time.monotonic()
    with watchdog(60), watchdog(0.1, [ours]):
        assert ours.recv(1) == b""
    assert 0.1 <= time.monotonic() - begun < WAIT


def test_what_has_ended_in_time_is_not_cut(pair: tuple[socket.socket, socket.socket]):
    ours, theirs = pair
    with watchdog(0.05, [ours]):
        pass
    with watchdog(0.1, sockets := [socket.socket()]):
        time.sleep(0.3)  # the thread has been awake since
    sockets[0].close()
    theirs.send(b"1")
    assert ours.recv(1) == b"1"


def test_one_thread_watches_over_all_requests():
    with ExitStack() as held:
        for _ in range(20):
            held.enter_context(watchdog(60))
        assert [one.name for one in threading.enumerate()].count("watchdog") == 1
