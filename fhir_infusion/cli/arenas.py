"""How much memory a process of many threads keeps that it does not use."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
"""mallopt(3) of the GNU C library: the number of heaps among which threads are spread."""


def few() -> None:
    """Have all threads share two heaps, where the C library can: before any thread was started.

    By default nearly each thread gets a heap, which keeps what was freed in it. Of Python's threads one runs at a time,
    so that more heaps make nothing faster. Measured with 10,000 orders sent by 44 threads: the process grew by 54 MB,
    with two heaps by 17 MB, as fast as before.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)
