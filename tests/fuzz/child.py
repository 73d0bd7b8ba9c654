"""``python -m tests.fuzz.child TARGET FOLDER [libFuzzer's options]``: fuzz one target in this process, which it ends.

A target is a module of ``tests.fuzz.targets``: ``run`` raises only where there is a fault of ours, ``corpus`` gives the
inputs to begin with, and ``change`` changes one whose form mere bytes would break. The exit code is 0 where nothing was
found. Else the trace of what was raised stands on standard error, and the input in ``FOLDER/last``: it is written before
it is tried, so that it is there whatever ends the process.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import sys
import time
from pathlib import Path
from typing import Final

import atheris

MOST_SECONDS: Final = 1
"""Of processor time that one input may take; not of the clock's, for others use this machine, too."""


class TooSlow(Exception):
    """One input took too long."""


def main(name: str, folder: str, *options: str) -> None:
    """Fill the corpus and fuzz; libFuzzer ends the process."""
    with atheris.instrument_imports(include=["fhir_infusion"]):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    corpus = Path(folder, "corpus")
    corpus.mkdir()
    for at, text in enumerate(target.corpus()):
        (corpus / f"{at:05}").write_bytes(text)
        if at % 50 == 0:
            target.run(text)  # what is made once, at the first use, is no input's time
    last = os.open(Path(folder, "last"), os.O_WRONLY | os.O_CREAT, 0o600)

    gc.disable()
    tried = itertools.count(1)

    def run(data: bytes) -> None:
        os.pwrite(last, data, 0)
        os.ftruncate(last, len(data))
        if next(tried) % 1000 == 0:
            gc.collect()  # of what a thousand inputs left, and so no time of one of them
        begun = time.thread_time()
        target.run(data)
        if time.thread_time() - begun > MOST_SECONDS:
            raise TooSlow(f"more than {MOST_SECONDS} s of processor time")

    def changed(data: bytes, most_bytes: int, seed: int) -> bytes:
        made: bytes = target.change(data, most_bytes, seed, atheris.Mutate)
        return made

    arguments = [sys.argv[0], f"-max_len={target.MOST_BYTES}", f"-artifact_prefix={folder}/", *options, str(corpus)]
    if hasattr(target, "change"):
        atheris.Setup(arguments, run, custom_mutator=changed)
    else:
        atheris.Setup(arguments, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
