"""No dependency is older than the version in which a known fault that reaches us was mended.

``pip-audit`` is no help where its database cannot be asked: it skips what it does not find and ends clean. So the
floors are a table, raised by hand when an advisory is read.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]

FLOORS = {
    "flask": "3.1.3",  # CVE-2026-27205: Vary: Cookie
    "werkzeug": "3.0.1",  # CVE-2023-46136: multipart denial of service
    "urllib3": "2.6.3",  # CVE-2025-66471, CVE-2026-21441: decompression bombs, also on redirects
    "requests": "2.32.4",  # CVE-2024-47081: .netrc credentials leak
    "pydantic": "2.4.0",  # CVE-2024-3772: a regular expression that hangs
    "pyjwt": "2.13.0",  # CVE-2026-32597, CVE-2026-48523: unknown crit, an algorithm that is not allowed
    "cryptography": "46.0.5",  # CVE-2026-26007: public keys that are not checked
    "marshmallow": "4.1.2",  # CVE-2025-68480: denial of service by many errors
}


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {each.name.lower(): each for each in map(Requirement, project["dependencies"])}


def pinned() -> dict[str, str]:
    lines = (ROOT / "docker" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.partition("==") for line in lines if line and not line.startswith("#")]
    assert all(separator and re.fullmatch(r"[\w.+!-]+", number) for _, separator, number in pins)
    return {name.lower().replace("_", "-"): number for name, _, number in pins}


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_what_is_installed_declared_and_pinned_reaches_the_floor(name: str, floor: str):
    assert Version(version(name)) >= Version(floor)
    assert Version(pinned()[name]) >= Version(floor)
    lowest = min(Version(each.version) for each in declared()[name].specifier if each.operator == ">=")
    assert lowest >= Version(floor)


def test_every_dependency_is_pinned_within_its_declared_range_and_installed_so():
    pins = pinned()
    for name, requirement in declared().items():
        assert requirement.specifier.contains(pins[name.replace("_", "-")]), name
        assert requirement.specifier.contains(version(name)), name
