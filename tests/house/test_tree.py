"""What may not stand anywhere in the project: paths of one machine, hosts of package registries."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Written so that this file does not find itself.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/([w]ork|[r]oot|[h]ome/\w+|[U]sers/\w+)/"),
    "a folder outside the project": re.compile(r"\.\./[s]hared\b"),
    "a package registry": re.compile(
        r"(?<![\w.])([p]ypi\.org|[f]iles\.pythonhosted\.org|[r]epo1?\.maven\.|[r]egistry\.npmjs|[d]eb\.debian\.org"
        r"|[p]roxy\.golang|https?://(index|registry|repo[0-9]*|proxy|mirror)\.[a-z])"
    ),
    "a private key": re.compile(r"BEGIN [A-Z ]*PRIVATE [K]EY"),
}


def tracked() -> list[Path]:
    """Return the files of the project: what git tracks, or in an unpacked archive everything."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode == 0:
        return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not {".venv", "target"} & set(path.parts)]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_in_the_tree_holds(what: str):
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        if match := FORBIDDEN[what].search(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {match.group()}")
    assert found == []


def test_the_top_level_holds_what_it_should_and_nothing_else():
    allowed = {
        *("fhir_infusion", "mappings", "profiles", "tests", "docker"),
        *("pyproject.toml", "README.md", "Makefile", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"),
        *(".ci", ".github", ".gitignore", ".dockerignore"),
    }
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} - allowed == set()


def test_the_migrations_are_one_chain():
    folder = ROOT / "fhir_infusion" / "store" / "migrations" / "versions"
    told = {}
    for path in sorted(folder.glob("[0-9]*.py")):
        found = dict(re.findall(r'^(revision|down_revision) = (?:"(\d+)"|None)', path.read_text("utf-8"), re.MULTILINE))
        assert found["revision"] == path.name[:4]
        told[path.name] = found
    revisions = [one["revision"] for one in told.values()]
    assert [one["down_revision"] for one in told.values()] == ["", *revisions[:-1]]
