"""The table of therapies in the README, made from the golden folders: ``python -m tests.golden_table`` writes it."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.golden_write import RELEASES, Golden, folders, goldens

if TYPE_CHECKING:
    from collections.abc import Iterator

README: Final = Path(__file__).parents[1] / "README.md"
BEGIN: Final = "<!-- therapies: python -m tests.golden_table -->\n"
END: Final = "<!-- /therapies -->\n"


def table() -> str:
    """Return the table: a row for each row of the clinical scope, with the records that show it in each release."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f"| | therapy | orders | administrations | {' | '.join(RELEASES)} |"
    yield f"|---|---|---|---|{'---|' * len(RELEASES)}"
    made = goldens()
    for number, group in groupby(folders(), key=lambda folder: folder.name.partition("-")[0]):
        variants = list(group)
        records = [golden for golden in made if golden.path.parent in variants]
        names = ", ".join(f"[{_name(folder)}](tests/golden/{folder.name})" for folder in variants)
        counts = [sum(golden.kind == kind for golden in records) for kind in ("order", "administration")]
        releases = [_shown(records, release) for release in RELEASES]
        yield f"| {int(number)} | {names} | {' | '.join(map(str, [*counts, *releases]))} |"


def _name(folder: Path) -> str:
    return folder.name.partition("-")[2].replace("-", " ")


def _shown(records: list[Golden], release: str) -> str:
    """Return how many of the records have their FHIR file in a release; the tests of the folders hold them to it."""
    return f"{sum(golden.fhir(release).exists() for golden in records)} of {len(records)}"


def main() -> None:
    """Write the table into the README."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    README.write_text(before + BEGIN + table() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
