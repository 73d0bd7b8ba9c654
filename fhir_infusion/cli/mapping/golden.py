"""``fhir-infusion mapping test --golden``: the golden folders of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fhir_infusion.actions.mappings import golden
from fhir_infusion.cli.run import DONE, REFUSED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fhir_infusion.config import Settings


def attempt(settings: Settings, folder: Path, ignore: Sequence[str], *, update: bool) -> int:
    """Try every case of a folder, tell what is not as expected, and with ``update`` make it so afterwards."""
    from fhir_infusion.translator import open_translator  # noqa: PLC0415  brings fhir.resources

    golden.Ignored.of(ignore)
    cases = golden.cases(folder)
    translator = open_translator(settings, overlays={settings.overlay, *(one.rules.overlay or "" for one in cases)})
    differ, ignored = [], 0
    for case in cases:
        tried = golden.attempt(translator, case, ignore)
        ignored += tried.ignored
        if tried.is_same:
            continue
        differ.append(tried)
        place = case.expected.relative_to(folder)
        given = case.given.relative_to(folder)
        click.echo(f"{place}: {'nothing is expected yet' if tried.is_new else 'differs'}, of {given} in {case.release}")
        for change in tried.changes:
            for line in change.lines():
                click.echo(f"  {line}")
    if update:
        for tried in differ:
            tried.update()
    counts = [f"{len(cases) - len(differ)} as expected", f"{len(differ)} {'updated' if update else 'not'}"]
    if ignored:
        counts.append(f"{ignored} differences ignored")
    click.echo(", ".join(counts))
    return REFUSED if differ and not update else DONE
