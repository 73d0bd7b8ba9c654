"""A network that breaks: a TCP proxy on loopback that draws, for each connection, what happens to it.

    whole     nothing, until so many bytes have passed that a new connection is due
    delayed   each piece waits a little
    cut       after n bytes in one direction both ends see the connection reset
    stalled   after n bytes in one direction nothing more is said, until the client gives up
    refused   the connection is reset at once, and for a moment nobody listens

Where n falls is drawn, so that requests are cut before, within and after their head and their body, and so are answers.
The draws follow from the seed and from the number of the connection; which request meets which fate also depends on
the order in which the threads of a client connect.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

Kind = Literal["whole", "delayed", "cut", "stalled", "refused"]
PIECE = 16 * 1024
WHOLE_BYTES = 100_000
"""A connection that nothing happens to is reset after so many bytes, or the fates of the others would end with it."""
MOMENT = 0.2


@dataclass(frozen=True)
class Fate:
    """What happens to a connection: where (``up`` is what the client sends), and after how many bytes there."""

    kind: Kind
    up: bool = False
    after: int = WHOLE_BYTES
    delay: float = 0.0


class Cutter:
    """The proxy. It is ``calm`` until ``storm`` is called; ``done`` counts what happened, by kind and direction."""

    def __init__(self, port: int, seed: int, weights: dict[Kind, int] | None = None) -> None:
        """Listen on a free port in front of ``port``. ``weights`` say how often each fate is drawn."""
        self.target = port
        self.done: Counter[str] = Counter()
        self._weights = weights or {"whole": 8, "delayed": 4, "cut": 9, "stalled": 1, "refused": 2}
        self._draw = random.Random(seed)
        self._storm = False
        self._ending = False
        self._pairs: set[_Pair] = set()
        self._lock = threading.Lock()
        self._listener = self._listening(0)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def storm(self) -> None:
        """Let fates be drawn from now on, for connections that are open, too."""
        self._storm = True
        self._reset_all()

    def calm(self) -> None:
        """Let everything pass from now on; whatever still stalls is cut."""
        self._storm = False
        self._reset_all()

    def close(self) -> None:
        self._ending = True
        self._reset_all()
        self._thread.join()
        self._listener.close()

    def note(self, fate: Fate) -> None:
        """Count what a connection met with."""
        with self._lock:
            self.done[
                f"{fate.kind} {'up' if fate.up else 'down'}" if fate.kind in {"cut", "stalled"} else fate.kind
            ] += 1

    def forget(self, pair: _Pair) -> None:
        """Leave a connection out that has ended."""
        with self._lock:
            self._pairs.discard(pair)

    def _listening(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        listener.settimeout(0.1)
        return listener

    def _reset_all(self) -> None:
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            pair.reset()

    def _accept(self) -> None:
        while not self._ending:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            fate = self.fate()
            if fate.kind == "refused":
                self.note(fate)
                _reset(client)
                self._listener.close()  # what connects meanwhile is refused by the system itself
                time.sleep(MOMENT)
                self._listener = self._listening(self.port)
                continue
            if fate.kind == "delayed":
                self.note(fate)
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                _reset(client)
                continue
            for one in (server, client):
                one.settimeout(None)
                one.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
                )  # else each answer waits for an acknowledgement
            pair = _Pair(self, client, server, fate)
            with self._lock:
                self._pairs.add(pair)
            pair.start()

    def fate(self) -> Fate:
        """Draw what happens to the next connection."""
        if not self._storm:
            return Fate("whole", after=1 << 60)
        kind = self._draw.choices(list(self._weights), list(self._weights.values()))[0]
        up = self._draw.random() < 0.5
        after = int(2 ** self._draw.uniform(6, 17))  # a request is 0.3 to 6 KB, an answer as much, a page up to 1 MB
        if kind in {"cut", "stalled"}:
            return Fate(kind, up, after)
        return Fate(kind, delay=self._draw.uniform(0.01, 0.1) if kind == "delayed" else 0.0)


class _Pair:
    """One connection through the proxy, a thread for each direction."""

    def __init__(self, cutter: Cutter, client: socket.socket, server: socket.socket, fate: Fate) -> None:
        self._cutter = cutter
        self._client = client
        self._server = server
        self._fate = fate
        self._open = 2
        self._lock = threading.Lock()

    def start(self) -> None:
        for source, target, up in ((self._client, self._server, True), (self._server, self._client, False)):
            threading.Thread(target=self._pump, args=(source, target, up), daemon=True).start()

    def reset(self) -> None:
        """Break it off in both directions, as a router that forgets it."""
        for one in (self._client, self._server):
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _pump(self, source: socket.socket, target: socket.socket, up: bool) -> None:  # noqa: FBT001  a direction
        fate, passed = self._fate, 0
        with suppress(OSError):
            while piece := source.recv(PIECE):
                if fate.delay:
                    time.sleep(fate.delay)
                if fate.kind in {"cut", "stalled"} and fate.up is not up:
                    target.sendall(piece)
                    continue
                left = fate.after - passed
                target.sendall(piece[:left])
                passed += len(piece)
                if passed >= fate.after:
                    if fate.kind != "delayed":
                        self._cutter.note(fate)
                    if fate.kind == "stalled":
                        while source.recv(PIECE):  # swallowed; the client gives up at its deadline
                            pass
                    self.reset()
                    break
            else:
                with suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
        self._ended()

    def _ended(self) -> None:
        with self._lock:
            self._open -= 1
            last = self._open == 0
        if last:
            self._cutter.forget(self)
            self._client.close()
            self._server.close()


def _reset(one: socket.socket) -> None:
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
