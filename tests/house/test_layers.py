"""The contracts of pyproject.toml catch what they are there for: each planted import breaks the one it should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLANTED = [
    ("records/__init__.py", "import fhir_infusion.mapping", "Layers"),
    ("mapping/__init__.py", "import fhir_infusion.fhir", "Layers"),
    ("fhir/__init__.py", "import fhir_infusion.mapping", "Layers"),
    ("store/__init__.py", "import fhir_infusion.actions", "Layers"),
    ("actions/__init__.py", "import fhir_infusion.sync", "Layers"),
    ("sync/__init__.py", "import fhir_infusion.web", "Layers"),
    ("web/__init__.py", "import fhir_infusion.cli", "Layers"),
    ("config.py", "import fhir_infusion.records", "Layers"),
    ("errors.py", "import fhir_infusion.config", "Layers"),
    ("records/__init__.py", "import time", "records, mapping and fhir are pure"),
    ("mapping/__init__.py", "import uuid", "records, mapping and fhir are pure"),
    ("fhir/__init__.py", "import os", "records, mapping and fhir are pure"),
    ("fhir/__init__.py", "import fhir_infusion.config", "records, mapping and fhir are pure"),
    ("web/__init__.py", "import fhir_infusion.simulated", "Layers"),
    ("sync/__init__.py", "import fhir_infusion.simulated", "Layers"),
    ("simulated/__init__.py", "import fhir_infusion.sync", "simulated is a witness"),
    ("sync/conflicts.py", "import time", "sync.conflicts is pure"),
    ("actions/__init__.py", "import sqlalchemy", "SQL only in store"),
    ("service.py", "import sqlite3", "SQL only in store"),
    ("cli/__init__.py", "import flask", "Flask only in web"),
    ("sync/worker.py", "import requests", "requests only in sync.remote and sync.hook"),
    ("web/__init__.py", "import urllib3", "requests only in sync.remote and sync.hook"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what import-linter reads."""
    directory = tmp_path_factory.mktemp("layers")
    shutil.copy(ROOT / "pyproject.toml", directory)
    shutil.copytree(ROOT / "fhir_infusion", directory / "fhir_infusion", ignore=shutil.ignore_patterns("__pycache__"))
    return directory


def broken_contracts(directory: Path) -> tuple[int, str]:
    """Run the linter as ``make lint`` does; return its exit code and what it says."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), "COLUMNS": "400", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_package_as_it_is_keeps_every_contract(copy: Path):
    code, said = broken_contracts(copy)
    assert code == 0, said


@pytest.mark.parametrize(("file", "line", "contract"), PLANTED, ids=[f"{row[0]}-{row[1]}" for row in PLANTED])
def test_a_planted_import_breaks_its_contract(copy: Path, file: str, line: str, contract: str):
    path = copy / "fhir_infusion" / file
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"{before}\n{line}\n", encoding="utf-8")
        code, said = broken_contracts(copy)
    finally:
        path.write_text(before, encoding="utf-8")
    assert code == 1
    assert any(each.startswith(contract) and " BROKEN" in each for each in said.splitlines()), said


def test_a_new_top_level_module_must_be_given_a_layer(copy: Path):
    path = copy / "fhir_infusion" / "helpers.py"
    try:
        path.write_text('"""Anything."""\n', encoding="utf-8")
        code, said = broken_contracts(copy)
    finally:
        path.unlink()
    assert code == 1
    assert "helpers" in said
