"""Fail when a test in one of the given folders was skipped, or when such a folder ran no test at all.

Usage: skipped.py JUNIT_XML FOLDER...
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET  # our own pytest wrote the file a moment ago


def named(case: ET.Element) -> str:
    """Return the dotted name of a test; of a module that was skipped as a whole, which has no class, the module's."""
    return f"{case.get('classname')}.{case.get('name')}".lstrip(".") + "."


def main(report: str, *folders: str) -> int:
    """Print each complaint; return 1 if there is any."""
    complaints = []
    cases = list(ET.parse(report).iter("testcase"))
    for folder in folders:
        if not any(Path(folder).glob("**/test_*.py")):
            continue
        package = folder.replace("/", ".") + "."
        inside = [case for case in cases if named(case).startswith(package)]
        if not inside:
            complaints.append(f"{folder}: no test ran")
        for case in inside:
            reason = case.find("skipped")
            if reason is not None and reason.get("type") != "pytest.xfail":
                complaints.append(f"{named(case)[:-1]} was skipped: {reason.get('message')}")
    for complaint in complaints:
        print(f"ci: {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
