from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.counts import chosen
from tests.mutants.__main__ import ROOT, SOURCES, _found, sampled
from tests.mutants.operators import mutants, mutated
from tests.mutants.report import equivalents, interval

if TYPE_CHECKING:
    from pathlib import Path

DEMAND = 85
SAMPLE = 400

DOSES = """
from __future__ import annotations

def is_high(rate: int, limit: int = 100) -> bool:
    return rate > limit


def unused(rate: int) -> int:
    return rate


def total(rates: list[int]) -> int:
    found = 0
    while rates:
        found += rates.pop()
    return found
"""

CHECKS = """
from doses.rate import is_high, total, unused


def test_high():
    assert is_high(101)
    assert not is_high(99)


def test_total():
    assert total([1, 2]) == 3


def test_wrong():
    assert unused(1) == 2
"""


CHANGES = {
    "a comparison": ("x = a < b", ["x = a <= b"]),
    "each of a chain of comparisons": ("x = a < b == c", ["x = a <= b == c", "x = a < b != c"]),
    "and": ("x = a and b", ["x = a or b"]),
    "not": ("x = not a", ["x = a"]),
    "a sum": ("x = a + b", ["x = a - b"]),
    "a sum in place": ("x += a", ["x -= a", "pass"]),
    "a whole number": ("x = 1", ["x = 2"]),
    "a truth": ("x = True", ["x = False"]),
    "a number in text": ("x = '0.9'", ["x = '0.0'"]),
    "a code": ("x = 'mg'", ["x = 'mgX'"]),
    "a condition": ("if a: x", ["if not a: x", "if a: pass"]),
    "a condition that another operator changes": ("if not a: x", ["if a: x", "if not a: pass"]),
    "a filter": ("x = [a for a in b if a]", ["x = [a for a in b if not a]"]),
    "what is returned": ("def f(): return a", ["def f(): return None"]),
    "what is raised": ("raise a", ["pass"]),
    "a call": ("a()", ["pass"]),
    "a member": ("a.b = c", ["pass"]),
    "the smaller of two": ("x = min(b)", ["x = max(b)"]),
    "the beginning": ("x = a.startswith(b)", ["x = a.endswith(b)"]),
    "joined text is not subtracted": ("x = a + 'b'", ["x = a + 'bX'"]),
    "what a name is bound to is not left out": ("x = a", []),
    "the wording of a message": ("x = 'the dose'", []),
    "a sentence of one word": ("x = 'Remarks.'", []),
    "a place in a path": ("x = 'dosage.'", ["x = 'dosage.X'"]),
    "an annotation": ("x: 'b' = c", []),
    "a decorator": ("@a(1)\ndef f(): x = a", []),
    "a docstring": ("def f():\n 'b'\n x = a", []),
    "what only a type checker reads": ("if TYPE_CHECKING:\n x = 1", []),
    "the fixed part of an f-string": ("x = f'b{a}'", []),
    "the type of a cast": ("x = cast('b', c)", []),
    "what a variable of compiled text is called": (
        "x = a.name(b, 'c') + a.variable('h')",
        ["x = a.name(b, 'c') - a.variable('h')"],
    ),
    "the strictness of a zip": ("x = zip(a, b, strict=True)", []),
    "a pattern's name": ("match a:\n case b: x = a", []),
}


@pytest.mark.parametrize(("text", "changed"), CHANGES.values(), ids=CHANGES)
def test_each_mutant_is_the_text_with_one_change(text, changed):
    found = [ast.unparse(mutated(text, mutant)) for mutant in mutants(text, "a.py")]
    assert found == [_same(one) for one in changed]


def _same(text: str) -> str:
    return ast.unparse(ast.parse(text))


def test_every_mutant_of_the_package_is_python_and_another_program():
    by_file: dict[str, list] = {}
    for mutant in _found(ROOT, SOURCES):
        by_file.setdefault(mutant.file, []).append(mutant)
    assert len(by_file) > 50
    for file, found in by_file.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        for mutant in found[:: max(1, len(found) // 3)]:
            tree = mutated(text, mutant)
            compile(tree, file, "exec", dont_inherit=True)
            assert ast.unparse(tree) != _same(text), str(mutant)


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the mutants of the small package below ``root``."""
    fixed = [
        "--root",
        str(root),
        "--package",
        "doses",
        "--source",
        "doses",
        "--tests",
        "checks",
        "--count",
        "0",
        "--patience",
        "2",
    ]
    return subprocess.run(
        [sys.executable, "-m", "tests.mutants", *fixed, *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(root / "tmp")},
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def root(tmp_path):
    """A package of one module with its tests; one of these fails anyhow, and none stands at the limit of ``is_high``."""
    files = {
        "doses/__init__.py": "",
        "doses/rate.py": DOSES,
        "checks/test_rate.py": CHECKS,
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib"]\npythonpath = ["."]\n',
        "equivalents.csv": "file,where,operator,before,after,reason\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def test_what_no_test_sees_survives_and_is_named_all_else_is_killed_and_nothing_stays_behind(root):
    texts = {path: path.read_bytes() for path in root.rglob("*.py")}
    ran = run(root, "--equivalents", str(root / "equivalents.csv"), "--demand", "85", "--processes", "2")
    assert sorted(line for line in ran.stdout.splitlines() if " -> " in line) == [
        "survived: doses/rate.py:5 comparison in is_high: rate > limit -> rate >= limit",
        "survived: doses/rate.py:9 nothing returned in unused: return rate -> return None",
    ], ran.stdout + ran.stderr
    assert "fails without any mutant, so it is left out: checks/test_rate.py::test_wrong" in ran.stdout
    assert "7 of 9 killed (1 by the limit of time), sampled from 9 with seed 1: 77.8 %" in ran.stdout
    assert ran.stderr.endswith("fewer than 85 % of the mutants were killed\n")
    assert ran.returncode == 1
    assert {path: path.read_bytes() for path in root.rglob("*.py")} == texts
    assert list((root / "tmp").iterdir()) == []


def listed(root: Path, line: str) -> tuple[Path, list]:
    """Write one line into the file of equivalents; return it and all mutants."""
    file = root / "equivalents.csv"
    file.write_text(f"file,where,operator,before,after,reason\n{line}\n", encoding="utf-8")
    return file, mutants(DOSES, "doses/rate.py")


def test_a_mutant_that_is_listed_with_a_reason_is_not_counted(root):
    file, found = listed(root, "doses/rate.py,is_high,comparison,rate > limit,rate >= limit,no rate is the limit")
    assert equivalents(file, found) == {("doses/rate.py", "is_high", "comparison", "rate > limit", "rate >= limit")}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("doses/rate.py,is_high,comparison,rate > limit,rate >= limit,", "no reason is given"),
        ("doses/rate.py,is_high,comparison,rate < limit,rate <= limit,gone", "there is no such mutant any more"),
    ],
)
def test_a_listed_mutant_without_a_reason_or_that_is_gone_is_an_error(root, line, told):
    with pytest.raises(ValueError, match=told):
        equivalents(*listed(root, line))


def test_a_change_of_the_code_exchanges_only_what_it_touches_of_the_sample():
    before = mutants(DOSES, "doses.py")
    after = mutants("LOW = 1\nHIGH = 2\n" + DOSES, "doses.py")
    one, other = (sampled(found, 6, 1) for found in (before, after))
    kept = {mutant.key for mutant in one} & {mutant.key for mutant in other}
    assert len(one) == len(other) == 6
    assert len(kept) + sum(mutant.where == "the module" for mutant in other) >= 6
    assert [mutant.key for mutant in other if mutant.key in kept] == [m.key for m in one if m.key in kept]
    assert sampled(before, 6, 2) != one
    assert sorted(map(str, sampled(before, 0, 1))) == sorted(map(str, before))


def test_the_interval_holds_the_rate_and_narrows_with_the_sample():
    low, high = interval(85, 100)
    assert (round(low, 1), round(high, 1)) == (76.7, 90.7)
    assert interval(850, 1000)[0] > low
    assert interval(0, 0) == (0.0, 100.0)


@pytest.mark.skipif(chosen() == "short", reason="mutates a sample of the package for most of an hour: make long")
@pytest.mark.timeout(5400)
def test_of_the_mutants_of_mapping_and_records_enough_are_killed():
    arguments = ["--count", str(SAMPLE), "--demand", str(DEMAND), "--processes", "2"]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.mutants", *arguments], cwd=ROOT, text=True, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
