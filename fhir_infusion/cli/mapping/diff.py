"""``fhir-infusion mapping diff``: what a change of the documents changes in what a corpus is translated into."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fhir_infusion.actions.mappings.sites import Turned, record_of, turned, written
from fhir_infusion.actions.mappings.turning import STATES, Compared, compare, turn
from fhir_infusion.cli import load_settings
from fhir_infusion.cli.corpus import corpus, is_ours, site_corpus
from fhir_infusion.cli.mapping.options import FOLDER, corpus_argument, format_option, known_format
from fhir_infusion.cli.options import overlay_option, release_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.config import Release
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Both:
    """Both sets of documents, and how they are asked."""

    old: Translator
    new: Translator
    release: Release
    overlay: str | None

    def documents(self, files: Sequence[str]) -> Iterator[tuple[str, Compared]]:
        """Compare what becomes of records and resources."""
        for label, given in corpus(files):
            yield label, compare(*(turn(one, given, self.release, self.overlay) for one in (self.old, self.new)))

    def site(self, name: str, files: Sequence[str]) -> Iterator[tuple[str, Turned]]:
        """Compare what becomes of a site's JSON, and of records and resources that are written as such."""
        one = known_format(self.old, name)
        known_format(self.new, name)
        for label, value in site_corpus(one, files):
            if is_ours(value):
                yield label, written(self.old, self.new, name, record_of(self.old, value, self.release, self.overlay))
                continue
            found = list(turned(self.old, self.new, name, value))
            for number, each in enumerate(found, 1):
                yield f"{label}#{number}" if len(found) > 1 else label, each


@click.command("diff")
@release_option
@overlay_option
@format_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@click.argument("old", type=FOLDER)
@click.argument("new", type=FOLDER)
@corpus_argument
def diff(
    release: Release,
    overlay: str | None,
    site_format: str | None,
    as_json: bool,
    old: Path,
    new: Path,
    files: tuple[str, ...],
) -> int:
    """Show what a change of the documents, from directory OLD to NEW, changes in what a corpus is translated into.

    Resources become records, records become resources. What both refuse is counted apart. With --format the site's JSON
    becomes records, and these records the site's JSON again; other records and resources become the site's JSON.
    """
    from fhir_infusion.cli.translator import translator_in  # noqa: PLC0415  brings fhir.resources

    before, after = (translator_in(one, load_settings(mappings=one), overlay) for one in (old, new))
    both = _Both(before, after, release, overlay)
    found = both.documents(files) if site_format is None else both.site(site_format, files)
    counts: Counter[str] = Counter()
    for label, one in found:
        counts[one.state] += 1
        if as_json:
            click.echo(fhir_json.write({"input": label, **one.document()}))
        elif one.state != "same":
            click.echo(f"{one.state} {label}: {one.in_words()}")
    states = [state for state in STATES if state != "skipped" or counts[state]]
    if as_json:
        click.echo(fhir_json.write({"summary": {state: counts[state] for state in states}}))
    else:
        click.echo(", ".join(f"{counts[state]} {state}" for state in states))
    return REFUSED if counts["changed"] else DONE
