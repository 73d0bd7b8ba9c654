"""``fhir-infusion mapping``: for those who write mapping documents. The same functions as in the service and the tests.

A corpus is files and directories of resources (``*.json``, ``*.ndjson``); Bundles are taken entry by entry.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.actions.prove import FULL, proofs, samples_of
from fhir_infusion.cli import load_settings
from fhir_infusion.cli.inputs import open_source
from fhir_infusion.cli.mapping import coverage as _coverage
from fhir_infusion.cli.mapping import diff as _diff
from fhir_infusion.cli.mapping import docs as _docs
from fhir_infusion.cli.mapping import explain as _explain
from fhir_infusion.cli.mapping import golden as golden_folder
from fhir_infusion.cli.mapping import replay as _replay
from fhir_infusion.cli.mapping import structure_map as _structure_map
from fhir_infusion.cli.mapping.options import FOLDER, mappings_option
from fhir_infusion.cli.options import release_option
from fhir_infusion.cli.run import DONE, REFUSED, sentence, tell
from fhir_infusion.config import mappings_dir
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.mapping.concept_maps import concept_map, tables_of
from fhir_infusion.mapping.formats.document import right_name
from fhir_infusion.mapping.formats.doubts import doubts
from fhir_infusion.mapping.formats.draft import draft
from fhir_infusion.mapping.formats.draft_feed import draft_feed
from fhir_infusion.mapping.laws import IN_WORDS

if TYPE_CHECKING:
    from fhir_infusion.config import Release, Settings
    from fhir_infusion.translator import Translator

QUICK_EXAMPLES = 50
"""What a check in an editor asks; before a document is served it is asked more."""


@click.group("mapping")
def command() -> None:
    """Mapping documents: copy, check, explain, test, coverage, diff."""


@command.command("check")
@mappings_option
@click.option("--examples", type=click.IntRange(0), default=QUICK_EXAMPLES, show_default=True)
def check(mappings: Path | None, examples: int) -> int:
    """Load every document and ask the laws of some examples; each complaint has file:line."""
    settings = load_settings(mappings=mappings)
    return _prove(settings, examples)


@command.command("test")
@mappings_option
@click.option("--examples", type=click.IntRange(1), help=f"Of each law. [default: {FULL}, or none with --golden]")
@click.option("--golden", type=FOLDER, help="A folder of inputs with what they are to become.")
@click.option("--ignore", multiple=True, metavar="PATH", help="Count differences there, such as '**.display'.")
@click.option("--update", is_flag=True, help="Show what differs, then make it what is expected.")
def test(
    mappings: Path | None, examples: int | None, golden: Path | None, ignore: tuple[str, ...], update: bool
) -> int:
    """Ask the laws of many generated examples: what is written is read back, an edit changes only what it names.

    With --golden a folder is tried instead (with --examples too): each input is translated, and what is not as expected
    is told by its path, -want +got. Exit code 1 if anything is.
    """
    if golden is None and (ignore or update):
        raise click.UsageError("--ignore and --update go with --golden DIR")
    settings = load_settings(mappings=mappings)
    asked = _prove(settings, examples or FULL) if examples or golden is None else DONE
    return max(asked, golden_folder.attempt(settings, golden, ignore, update=update) if golden is not None else DONE)


def _prove(settings: Settings, examples: int) -> int:
    from fhir_infusion.translator import open_translator  # noqa: PLC0415  brings fhir.resources

    translator = open_translator(settings)
    library = translator.library
    click.echo(f"{len(library.lenses) + len(library.formats)} mappings load; digest {library.digest}")
    holds = True
    for name, proof in proofs(library, settings, examples):
        state = "holds" if proof.holds else "does not hold"
        click.echo(f"{name}: {state}: {proof.asked} examples, {proof.refused} refused")
        if proof.refusals:
            most = proof.refusals[0]
            click.echo(f"  refused most often: {most.path}: {most.reason} ({most.count} examples)")
        for never in proof.never:
            click.echo(f"  refused each time: {never.path}: {never.reason} ({never.count} examples)")
        for broken in proof.broken[:10]:
            law = f"'{broken.law}' ({IN_WORDS[broken.law]})"
            click.echo(f"  law {law} breaks at {broken.path} (example {broken.seed})")
        holds = holds and proof.holds
    for _, one in sorted(library.formats.items()):
        for line in doubts(one, samples_of(one)):
            click.echo(f"told: {line}")
    return DONE if holds else REFUSED


@command.command("new")
@click.option("--feed", is_flag=True, help="The samples are rows, one for each change; several are one administration.")
@click.argument("name")
@click.argument("samples", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def new(name: str, feed: bool, samples: tuple[Path, ...]) -> int:
    """Print a first draft of the format NAME of a site's own JSON, made of SAMPLES; what nobody told is a decision.

    It is one of orders, or with --feed of administrations.
    """
    if name != right_name(name):
        accepted = f"small letters, digits and hyphens, such as {right_name(name)}"
        raise click.UsageError(f"this is no name of a format; accepted: {accepted}")
    read: list[tuple[str, Any]] = []
    for path in samples:
        with open_source(str(path)) as source:
            try:
                found = [(read_plain(item.data), item.data.decode()) for item in source.inputs]
            except Refused as refused:
                for issue in refused.issues:
                    tell(f"{path}: refused: {sentence(issue)}")
                return REFUSED
        if source.is_lines:
            rows = ",\n ".join(text.strip() for _, text in found)
            found = [([value for value, _ in found], f"[{rows}]")]
        read += [(text, value) for value, text in found]
    if all(value in ([], {}) for _, value in read):
        tell("there is no record in the samples; accepted: one or more, as the site sends them")
        return REFUSED
    click.echo((draft_feed if feed else draft)(name, read), nl=False)
    return DONE


@command.command("copy")
@click.argument("directory", type=click.Path(path_type=Path))
def copy(directory: Path) -> int:
    """Copy the shipped documents to DIRECTORY, which is not there yet: to change them, or to add an overlay."""
    if directory.exists():
        raise click.UsageError("the directory is there; accepted: one that is not, so that nothing is overwritten")
    shutil.copytree(mappings_dir(), directory)
    told = f"set `mappings` to {directory}, or FHIR_INFUSION_MAPPINGS"
    click.echo(f"{sum(1 for _ in directory.rglob('*.yaml'))} documents; {told}, to have them used")
    return DONE


@command.command("concept-maps")
@mappings_option
@release_option
@click.argument("names", nargs=-1, metavar="[TABLE...]")
def concept_maps(mappings: Path | None, release: Release, names: tuple[str, ...]) -> None:
    """Print the code tables of a release, or those named, as ConceptMap resources, one on a line."""
    tables = tables_of(_translator(load_settings(mappings=mappings), None).library.codes, release)
    unknown = [name for name in names if name not in tables]
    if unknown:
        told = f"there is no code table {', '.join(unknown)} for {release}; accepted: {', '.join(sorted(tables))}"
        raise click.UsageError(told)
    for name in names or sorted(tables):
        click.echo(fhir_json.write(concept_map(tables[name], release)))


def _translator(settings: Settings, overlay: str | None) -> Translator:
    from fhir_infusion.cli.translator import translator_for  # noqa: PLC0415  brings fhir.resources

    return translator_for(settings, overlay)


command.add_command(_replay.replay)
command.add_command(_coverage.coverage)
command.add_command(_diff.diff)
command.add_command(_docs.docs)
command.add_command(_explain.explain)
command.add_command(_structure_map.command)
