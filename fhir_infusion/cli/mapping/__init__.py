"""``fhir-infusion mapping``: for those who write mapping documents. The same functions as in the service and the tests.

A corpus is files and directories of resources (``*.json``, ``*.ndjson``); Bundles are taken entry by entry.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.actions.mappings.turning import STATES, compare, turn
from fhir_infusion.actions.prove import FULL, proofs, samples_of
from fhir_infusion.cli import load_settings
from fhir_infusion.cli.corpus import corpus, folders
from fhir_infusion.cli.inputs import open_source
from fhir_infusion.cli.mapping import docs as _docs
from fhir_infusion.cli.mapping import explain as _explain
from fhir_infusion.cli.mapping import golden as golden_folder
from fhir_infusion.cli.mapping import replay as _replay
from fhir_infusion.cli.mapping import structure_map as _structure_map
from fhir_infusion.cli.mapping.options import FOLDER, mappings_option
from fhir_infusion.cli.options import overlay_option, release_option
from fhir_infusion.cli.run import DONE, REFUSED, tell
from fhir_infusion.config import mappings_dir
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.differences import differences
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.mapping import coverage as counting
from fhir_infusion.mapping.concept_maps import concept_map, tables_of
from fhir_infusion.mapping.formats.doubts import doubts
from fhir_infusion.mapping.formats.draft import draft

if TYPE_CHECKING:
    from fhir_infusion.config import Release, Settings
    from fhir_infusion.mapping.trace import Line
    from fhir_infusion.translator import Translator

QUICK_EXAMPLES = 50
"""What a check in an editor asks; before a document is served it is asked more."""

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
corpus_argument = click.argument("files", nargs=-1, required=True, metavar="CORPUS...", type=click.Path(exists=True))


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
    click.echo(f"{len(library.lenses) + len(library.formats)} documents load; digest {library.digest}")
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
            click.echo(f"  law '{broken.law}' breaks at {broken.path} (example {broken.seed})")
        holds = holds and proof.holds
    for _, one in sorted(library.formats.items()):
        for line in doubts(one, samples_of(one)):
            click.echo(f"told: {line}")
    return DONE if holds else REFUSED


@command.command("new")
@click.argument("name")
@click.argument("samples", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def new(name: str, samples: tuple[Path, ...]) -> int:
    """Print a first draft of the format NAME of a site's own JSON, made of SAMPLES; what nobody told is a decision."""
    read: list[tuple[str, Any]] = []
    for path in samples:
        with open_source(str(path)) as source:
            try:
                found = [(read_plain(item.data), item.data.decode()) for item in source.inputs]
            except Refused as refused:
                for issue in refused.issues:
                    tell(f"{path}: refused: {issue.path}: {issue.reason}; accepted: {issue.accepted}")
                return REFUSED
        if source.is_lines:
            rows = ",\n ".join(text.strip() for _, text in found)
            found = [([value for value, _ in found], f"[{rows}]")]
        read += [(text, value) for value, text in found]
    click.echo(draft(name, read), nl=False)
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


@command.command("coverage")
@mappings_option
@release_option
@overlay_option
@corpus_argument
def coverage(mappings: Path | None, release: Release, overlay: str | None, files: tuple[str, ...]) -> int:
    """Count what becomes of the elements of a corpus, folder by folder: each path that is not mapped, and the shares.

    Narrative, meta and unknown extensions are carried whole: they are listed as `aside` and not in the shares. What
    is refused is counted by place and reason. Exit code 1 if any resource did not come back as it was.
    """
    translator = _translator(load_settings(mappings=mappings), overlay)

    def judge(resource: dict[str, Any]) -> tuple[list[Line], bool]:
        read = translator.to_internal(resource, release, overlay)
        back = translator.to_fhir(read.results[0], release, overlay, as_sent=True).results
        return read.lines, len(back) == 1 and next(differences(resource, back[0]), None) is None

    changed = 0
    for folder, places in folders(files):
        resources = (given for _, given in corpus(places) if given.get("resourceType") in translator.types)
        found = counting.coverage(judge, resources)
        if not found.resources:
            continue
        click.echo(folder)
        for (state, path), count in sorted(found.left.items(), key=lambda item: (item[0][0], -item[1], item[0][1])):
            click.echo(f"  {state:8} {count:6}  {path}")
        if found.states:
            shares = (share_in_words(states) for states in (found.states, found.infusion))
            click.echo("  {} mapped; of the infusion elements {}".format(*shares))
        click.echo(f"  {found.resources} resources: {found.changed} changed, {found.refused} refused")
        for (path, reason), count in sorted(found.reasons.items(), key=lambda item: (-item[1], item[0])):
            click.echo(f"  refused  {count:6}  {path or 'the whole'}: {reason}")
        changed += found.changed
    return REFUSED if changed else DONE


def share_in_words(states: Counter[str]) -> str:
    """Return ``99.5 % (424 of 426)``, rounded down: 100 % is all."""
    mapped, total = states["mapped"], states.total()
    permille = 1000 * mapped // total if total else 1000
    return f"{permille // 10}.{permille % 10} % ({mapped} of {total})"


@command.command("diff")
@release_option
@overlay_option
@json_option
@click.argument("old", type=FOLDER)
@click.argument("new", type=FOLDER)
@corpus_argument
def diff(
    release: Release,
    overlay: str | None,
    as_json: bool,
    old: Path,
    new: Path,
    files: tuple[str, ...],
) -> int:
    """Show what a change of the documents, from directory OLD to NEW, changes in what a corpus is translated into.

    Resources become records, records become resources. What both refuse is counted apart.
    """
    before, after = (_translator(load_settings(mappings=one), overlay) for one in (old, new))
    counts: Counter[str] = Counter()
    for label, given in corpus(files):
        found = compare(*(turn(one, given, release, overlay) for one in (before, after)))
        counts[found.state] += 1
        if as_json:
            click.echo(fhir_json.write({"input": label, **found.document()}))
        elif found.state != "same":
            click.echo(f"{found.state} {label}: {found.in_words()}")
    states = [state for state in STATES if state != "skipped" or counts[state]]
    if as_json:
        click.echo(fhir_json.write({"summary": {state: counts[state] for state in states}}))
    else:
        click.echo(", ".join(f"{counts[state]} {state}" for state in states))
    return REFUSED if counts["changed"] else DONE


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
command.add_command(_docs.docs)
command.add_command(_explain.explain)
command.add_command(_structure_map.command)
