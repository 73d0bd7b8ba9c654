"""The documentation names what there is: every make target, command, option of the settings and variable."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from fhir_infusion import cli
from fhir_infusion.config import Remote, Settings
from fhir_infusion.records.finding_kinds import FINDINGS
from fhir_infusion.sync.status import HELP
from tests import conformance_table, examples_write, findings_table, golden_table
from tests.guides.running import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = {
    f"fhir_infusion/guides/{path.name}": path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "fhir_infusion" / "guides").glob("*.md"))
}
EVERYTHING = README + "".join(GUIDES.values())
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TESTS = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def commands(command: click.Command, name: str) -> Iterator[str]:
    """Yield the full name of every command below a group."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            inner = command.get_command(context, part)
            assert inner is not None, part
            yield from commands(inner, f"{name} {part}")
    else:
        yield name


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_is_explained(target: str):
    assert f"make {target}" in README + CONTRIBUTING


def test_every_command_is_in_the_readme():
    readme = README.replace("\\|", "|")
    missing = []
    for name in commands(cli.root, "fhir-infusion"):
        *group, last = name.split()
        # `fhir-infusion token add|list|revoke` names all three.
        if not re.search(rf"{' '.join(group)} (\S+\|)*{re.escape(last)}\b", readme):
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("name", [field.name for owner in (Settings, Remote) for field in fields(owner)])
def test_every_setting_is_in_a_guide(name: str):
    assert f"`{name}`" in EVERYTHING


@pytest.mark.parametrize("name", HELP)
def test_every_number_of_the_sync_is_in_a_guide(name: str):
    assert f"`{name}`" in EVERYTHING


def test_the_two_commands_come_first():
    code = README.partition("```")[2].partition("```")[0]
    assert [line.split("#")[0].strip() for line in code.strip().splitlines() if "make " in line] == [
        "make run",
        "make test",
    ]


def test_the_table_of_therapies_is_the_one_of_the_golden_folders():
    assert golden_table.table() in README, "python -m tests.golden_table writes it"


def test_the_examples_of_the_workbench_are_the_records_of_the_golden_folders():
    assert examples_write.FILE.read_text(encoding="utf-8") == examples_write.lines(), (
        "python -m tests.examples_write writes it"
    )


def test_the_conformance_page_in_the_readme_is_the_capability_statement():
    assert conformance_table.table() in README, "python -m tests.conformance_table writes it"


def test_the_table_of_findings_is_the_one_of_the_code():
    assert findings_table.table() in findings_table.README.read_text(encoding="utf-8"), (
        "python -m tests.findings_table writes it"
    )


def test_every_finding_that_the_code_can_make_stands_in_the_table():
    """The rule is the third argument of ``finding``; ``rate-time-{name}`` stands for a dose and a volume."""
    made = set()
    for path in (ROOT / "fhir_infusion" / "records").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "finding" and len(node.args) > 2:
                made.add(re.sub(r"^f?'|'$", "", ast.unparse(node.args[2])))
    rules = {rule.replace("{name}", name) for rule in made for name in ("dose", "volume")}
    assert rules - {"told.rule"} == FINDINGS.keys()


def anchors(text: str) -> set[str]:
    """Return the names of the headings of a text, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_link_inside_the_project_leads_somewhere():
    pages = {"README.md": README, "CONTRIBUTING.md": CONTRIBUTING, "tests/README.md": TESTS, **GUIDES}
    for name, text in pages.items():
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
            place = ((ROOT / name).parent / target).resolve() if target else ROOT / name
            assert place.exists(), (name, target)
            if anchor:
                assert anchor in anchors(place.read_text(encoding="utf-8")), (name, target, anchor)


def test_a_block_of_a_guide_says_what_it_is():
    """Without a language nobody knows whether it was run: ``console`` is, by tests/guides."""
    nameless = [
        f"{name}:{block.line}"
        for name, text in {"README.md": README, **GUIDES}.items()
        for block in blocks(text)
        if not block.info
    ]
    assert nameless == []


def test_every_test_that_the_table_of_reliability_names_exists():
    rows = re.findall(r"^\| ([A-Z][0-9]* [^|]*) \| ([^|]+) \|", TESTS, re.MULTILINE)
    assert rows
    for identity, cell in rows:
        for place in re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", cell):
            path = ROOT / "tests" / place[0]
            assert path.is_file(), (identity, place)
            assert not place[1] or f"def {place[1]}" in path.read_text(encoding="utf-8"), (identity, place)


def test_the_last_long_run_is_noted():
    table = TESTS.partition("## The last full run")[2].partition("##")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) >= 3
