"""The wheel holds everything, and works where nothing of the checkout is in reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(600)


def run(command: list[str | Path], directory: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "HOME"}}
    return subprocess.run(
        list(map(str, command)),
        cwd=directory,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_carries_every_mapping_and_profile_and_no_test(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"fhir_infusion/_data/{path.relative_to(ROOT).as_posix()}"
        for folder, suffixes in (("mappings", {".yaml", ".json"}), ("profiles", {".json"}))
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes
    }
    assert expected
    assert (expected | {"fhir_infusion/_data/README.md"}) - names == set()
    assert {
        f"fhir_infusion/{path.relative_to(ROOT / 'fhir_infusion').as_posix()}"
        for path in (ROOT / "fhir_infusion").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } - names == set()
    assert [name for name in names if name.startswith(("tests", "docker"))] == []


def test_the_installed_package_is_typed_and_finds_its_own_documents(elsewhere: Path, tmp_path: Path):
    asked = (
        "import json, fhir_infusion.config as c, pathlib;"
        "print(json.dumps([c.__file__, str(c.mappings_dir()), str(c.profiles_dir()),"
        " (pathlib.Path(c.__file__).parent / 'py.typed').is_file()]))"
    )
    done = run([elsewhere / "python", "-c", asked], tmp_path)
    assert done.returncode == 0, done.stderr
    module, mappings, profiles, typed = json.loads(done.stdout)
    package = Path(module).parent
    assert ROOT not in package.parents
    assert (Path(mappings), Path(profiles)) == (package / "_data" / "mappings", package / "_data" / "profiles")
    assert typed


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_the_installed_command_translates_as_the_checkout_does(elsewhere: Path, tmp_path: Path, release: str):
    record = (ROOT / "tests" / "golden" / "26-vancomycin" / "order.json").read_text(encoding="utf-8")
    arguments: list[str | Path] = ["translate", "--to", "fhir", "--release", release, "-"]
    there = run([elsewhere / "fhir-infusion", *arguments], tmp_path, record)
    here = run([Path(sys.executable).with_name("fhir-infusion"), *arguments], tmp_path, record)
    assert there.returncode == 0, there.stderr
    assert json.loads(there.stdout)["resourceType"] == "MedicationRequest"
    assert there.stdout == here.stdout
