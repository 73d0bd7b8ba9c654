"""Work in forked children: a few at a time, each with a limit of time and memory, none left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MEMORY: Final = 6 << 30
"""Bytes of address space of a child."""

OUT_OF_TIME: Final = 124
"""The answer of a child that was ended, as ``timeout`` gives it."""

_BROKEN: Final = 70
"""The answer of a child that raised (EX_SOFTWARE)."""

_PR_SET_PDEATHSIG: Final = 1
"""Of prctl(2): the signal that a process gets when its parent dies."""


@dataclass(slots=True)
class Job:
    """What a child does with a directory of its own, in at most ``seconds`` of processor time; returns its answer."""

    work: Callable[[Path], int]
    seconds: int
    scratch: Path = Path()
    deadline: float = 0.0
    answer: int = -1


class Children:
    """Runs jobs in children. Leaving the context ends those that still run and removes what they wrote."""

    def __init__(self, at_once: int) -> None:
        """Take how many may run at once."""
        self._at_once = at_once
        self._running: dict[int, Job] = {}
        self._scratch = Path()

    def __enter__(self) -> Self:
        """Make the directory that the children write into."""
        self._scratch = Path(tempfile.mkdtemp(prefix="mutants-"))
        return self

    def __exit__(self, *_: object) -> None:
        """End and remove everything."""
        for process in self._running:
            _end(process)
            os.waitpid(process, 0)
        shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def is_full(self) -> bool:
        """Whether one must end before another can begin."""
        return len(self._running) >= self._at_once

    def start(self, job: Job) -> None:
        """Begin a job in a child of its own process group."""
        job.scratch = Path(tempfile.mkdtemp(dir=self._scratch))
        job.deadline = time.monotonic() + 60 + 10 * job.seconds  # one that sleeps takes no processor time
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            _be_child(job)
        self._running[process] = job

    def ended(self) -> Iterator[Job]:
        """Wait for one child or more; give their jobs with the answers."""
        while self._running:
            done = list(self._look())
            if done:
                for job in done:
                    yield job
                    shutil.rmtree(job.scratch, ignore_errors=True)
                return
            time.sleep(0.02)

    def _look(self) -> Iterator[Job]:
        for process, job in list(self._running.items()):
            late = time.monotonic() > job.deadline
            if late:
                _end(process)
            found, status = os.waitpid(process, 0 if late else os.WNOHANG)
            if found:
                _end(process)  # what the child itself started
                del self._running[process]
                code = os.waitstatus_to_exitcode(status)
                job.answer = OUT_OF_TIME if late or code in {-signal.SIGXCPU, -signal.SIGKILL} else code
                yield job


def run(jobs: Sequence[Job], at_once: int) -> Iterator[Job]:
    """Run jobs; give each when it has its answer, before its directory goes."""
    waiting = list(reversed(jobs))
    with Children(at_once) as children:
        while waiting:
            while waiting and not children.is_full:
                children.start(waiting.pop())
            yield from children.ended()
        while children._running:
            yield from children.ended()


def _end(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


def _be_child(job: Job) -> None:
    code = _BROKEN
    try:
        os.setpgid(0, 0)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a parent that is killed leaves no orphan
        resource.setrlimit(resource.RLIMIT_CPU, (job.seconds, job.seconds + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nowhere = os.open(os.devnull, os.O_RDWR)
        log = os.open(job.scratch / "log", os.O_WRONLY | os.O_CREAT)
        for number, kept in enumerate((nowhere, log, log)):
            os.dup2(kept, number)
        os.environ["TMPDIR"] = str(job.scratch)
        tempfile.tempdir = None
        code = job.work(job.scratch)
    except BaseException as error:  # noqa: BLE001  whatever it is, the child ends here and never goes on as the parent
        os.write(2, repr(error).encode())
    finally:
        os._exit(code)
