"""Threads share few heaps, so that the process does not keep what each of them once used."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

GROWTH = """
import ctypes, os, threading
from fhir_infusion.cli import arenas
if {few}:
    arenas.few()
gate = threading.Barrier(33)
def work():
    gate.wait()
    ctypes.CDLL(None).malloc(1)  # a thread gets its heap with the first piece that it asks for
    gate.wait()
threads = [threading.Thread(target=work) for _ in range(32)]
for one in threads: one.start()
gate.wait(); gate.wait()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library makes a heap for each thread")
@pytest.mark.parametrize(("few", "heaps"), [(True, range(1, 3)), (False, range(4, 99))])
def test_threads_share_two_heaps(few: object, heaps: range):
    command = [sys.executable, "-c", GROWTH.format(few=few)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert sum(line.startswith("Arena") for line in told.splitlines()) in heaps
