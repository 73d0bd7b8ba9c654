"""House rules that no linter knows, read from the syntax of the package."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fhir_infusion"
MODULES = sorted(PACKAGE.rglob("*.py"))
PURE = [
    path
    for path in MODULES
    if path.relative_to(PACKAGE).parts[0] in {"records", "mapping", "fhir"}
    or path.relative_to(PACKAGE).as_posix() == "sync/conflicts.py"
]
NEAR_QUANTITIES = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in {"records", "mapping", "fhir"}]
LIKELIHOODS = {"examples.py", "example_mends.py", "example_values.py", "laws.py"}
MOST_LINES = 400


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(tree: ast.AST) -> list[tuple[int, str]]:
    """Return line and name of every call: ``datetime.now(...)`` is ``now``, ``open(...)`` is ``open``."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            found.append((node.lineno, name))
    return found


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_is_short_enough_to_be_read(path: Path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, "look for the second noun that hides in it"


@pytest.mark.parametrize("path", PURE, ids=named)
def test_a_pure_module_asks_no_clock_mints_no_id_and_opens_no_file(path: Path):
    impure = {"now", "today", "utcnow", "open", "uuid1", "uuid4", "read_text", "write_text", "read_bytes", "print"}
    assert [call for call in calls(ast.parse(path.read_text(encoding="utf-8"))) if call[1] in impure] == []


@pytest.mark.parametrize("path", NEAR_QUANTITIES, ids=named)
def test_no_float_stands_near_a_quantity(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    is_float = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, float)]
    cutoffs = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "cutoff"]
    # How alike two names are, and how likely an example has a field, are no quantities of medicine.
    literals = [] if path.name in LIKELIHOODS else [node.lineno for node in is_float if node not in cutoffs]
    made = [line for line, name in calls(tree) if name == "float"]
    assert (literals, made) == ([], [])


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_peer_is_trusted_without_its_certificate_f23(path: Path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"verify\s*=\s*False|CERT_NONE|_create_unverified_context|check_hostname\s*=\s*False", text) == []


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_every_silenced_check_names_its_rule_and_its_reason(path: Path):
    silent = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:\s*ignore|pragma:\s*no (cover|branch))")
    reasoned = re.compile(
        r"#\s*(noqa: [A-Z0-9, ]+|type: ignore\[[\w, -]+\]|pyright: ignore\[\w+\]|pragma: no \w+)\s+(#\s*)?\S.{8,}"
    )
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    assert [number for number, line in lines if silent.search(line) and not reasoned.search(line)] == []


def test_every_rule_that_is_switched_off_has_its_reason_on_its_line():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    style = text.partition("[tool.ruff.lint]")[2].partition("[tool.mypy]")[0]
    rules = [line for line in style.splitlines() if re.match(r'\s+"[A-Z]+[0-9]*",', line)]
    assert rules
    assert [line for line in rules if not re.search(r"#\s*\S.{8,}", line)] == []
