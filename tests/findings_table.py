"""The table of findings beside the records, with an example of each: ``python -m tests.findings_table`` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from fhir_infusion.records.arithmetic import findings, findings_of_order
from fhir_infusion.records.finding_kinds import FINDINGS
from tests.records.found import FOUND, IN_WORDS, OF_AN_ORDER

if TYPE_CHECKING:
    from collections.abc import Iterator

README: Final = Path(__file__).parents[1] / "fhir_infusion" / "records" / "README.md"
BEGIN: Final = "<!-- findings: python -m tests.findings_table -->\n"
END: Final = "<!-- /findings -->\n"


def examples() -> dict[str, str]:
    """Return the first message of each rule, as the package says it now."""
    found: dict[str, str] = {}
    told = [issue for record in (*(record for record, *_ in FOUND), IN_WORDS) for issue in findings(record)]
    for issue in (*told, *findings_of_order(*OF_AN_ORDER)):
        found.setdefault(issue.rule, issue.reason)
    return found


def table() -> str:
    """Return the table: a row for each finding."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    said = examples()
    yield "| finding | what is compared | tolerance | for example |"
    yield "|---|---|---|---|"
    for rule, compared in FINDINGS.items():
        yield f"| `{rule}` | {compared.what} | {compared.tolerance} | {said[rule]} |"


def main() -> None:
    """Write the table into the README."""
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    README.write_text(before + BEGIN + table() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
