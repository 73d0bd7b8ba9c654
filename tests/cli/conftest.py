"""Running commands in this process, over one translator for the whole session: loading the mappings takes seconds."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fhir_infusion import config
from fhir_infusion import translator as translator_module
from fhir_infusion.cli import root
from fhir_infusion.cli import translator as cli_translator
from fhir_infusion.cli.run import run
from fhir_infusion.translator import Translator, open_translator
from fhir_infusion.web.examples import texts


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def translator() -> Translator:
    return open_translator(config.Settings())


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], translator: Translator) -> Run:
    """Run a command line; ``stdin`` is what stands on standard input."""
    monkeypatch.setattr(cli_translator, "build_translator", lambda _=None: translator)
    monkeypatch.setattr(translator_module, "open_translator", lambda _, **_others: translator)

    def called(*arguments: object, stdin: str | bytes = b"") -> Ran:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        code = run(root, [str(one) for one in arguments])
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return called


@pytest.fixture(scope="session")
def examples() -> dict[str, str]:
    """The invented examples by kind, as text."""
    names = ("infliximab", "dobutamine", "administration", "resource")
    return dict(zip(names, texts().values(), strict=True))


@pytest.fixture(scope="session")
def one_line(examples: dict[str, str]) -> dict[str, str]:
    """The same on one line each, every digit kept."""
    return {name: " ".join(text.split()) for name, text in examples.items()}
