"""``fhir-infusion mapping coverage``: what becomes of the elements of a corpus of resources, or of a site's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.actions.mappings.sites import Census, record_of
from fhir_infusion.cli import load_settings
from fhir_infusion.cli.corpus import corpus, folders, is_ours, site_corpus
from fhir_infusion.cli.mapping.options import corpus_argument, format_option, known_format, mappings_option
from fhir_infusion.cli.options import overlay_option, release_option
from fhir_infusion.cli.run import DONE, REFUSED
from fhir_infusion.fhir.differences import differences
from fhir_infusion.mapping.coverage import coverage as count_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from fhir_infusion.config import Release
    from fhir_infusion.mapping.trace import Line
    from fhir_infusion.translator import Translator


@click.command("coverage")
@mappings_option
@release_option
@overlay_option
@format_option
@corpus_argument
def coverage(
    mappings: Path | None, release: Release, overlay: str | None, site_format: str | None, files: tuple[str, ...]
) -> int:
    """Count what becomes of the elements of a corpus, folder by folder: each path that is not mapped, and the shares.

    Narrative, meta and unknown extensions are carried whole: they are listed as `aside` and not in the shares. What
    is refused is counted by place and reason. Exit code 1 if any resource did not come back as it was.

    With --format the corpus is a site's own JSON, and each path of it is listed with what became of it: mapped, kept
    (by the shape), unknown (to the shape, and kept too), empty (a filler), derived (from the rows of a feed). Records
    and resources that stand among it are written for the site.
    """
    from fhir_infusion.cli.translator import translator_for  # noqa: PLC0415  brings fhir.resources

    translator = translator_for(load_settings(mappings=mappings), overlay)
    if site_format is not None:
        known_format(translator, site_format)
    changed = 0
    for folder, places in folders(files):
        lines, number = (
            _resources(translator, release, overlay, places)
            if site_format is None
            else _site(translator, site_format, release, overlay, places)
        )
        for line in [folder, *lines] if lines else ():
            click.echo(line)
        changed += number
    return REFUSED if changed else DONE


def _resources(
    translator: Translator, release: Release, overlay: str | None, places: list[str]
) -> tuple[list[str], int]:
    """Return the lines of a folder of resources, none where there is none, and how many of them changed."""

    def judge(resource: dict[str, Any]) -> tuple[list[Line], bool]:
        read = translator.to_internal(resource, release, overlay)
        back = translator.to_fhir(read.results[0], release, overlay, as_sent=True).results
        return read.lines, len(back) == 1 and next(differences(resource, back[0]), None) is None

    found = count_of(judge, (given for _, given in corpus(places) if given.get("resourceType") in translator.types))
    if not found.resources:
        return [], 0
    left = sorted(found.left.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    lines = [f"  {state:8} {count:6}  {path}" for (state, path), count in left]
    if found.states:
        shares = (share_in_words(states) for states in (found.states, found.infusion))
        lines.append("  {} mapped; of the infusion elements {}".format(*shares))
    lines.append(f"  {found.resources} resources: {found.changed} changed, {found.refused} refused")
    return [*lines, *_refused(found.reasons)], found.changed


def _site(
    translator: Translator, name: str, release: Release, overlay: str | None, places: list[str]
) -> tuple[list[str], int]:
    """Return the lines of a folder in the JSON of a site, and how many of its records changed."""
    one = known_format(translator, name)
    read, written = Census(), Census()
    for _, value in site_corpus(one, places):
        if is_ours(value):
            written.ours(translator, one, record_of(translator, value, release, overlay))
        else:
            read.site(translator, one, value)
    ways = ((read, f"from {name}"), (written, f"to {name}"))
    return [line for found, way in ways if found.records for line in _census(found, way)], read.changed


def _census(found: Census, way: str) -> Iterator[str]:
    yield f"  {way}"
    for (path, state), count in sorted(found.paths.items()):
        yield f"  {state:8} {count:6}  {path}"
    if found.states:
        yield f"  {share_in_words(found.states)} mapped"
    yield f"  {found.records} records: {found.changed} changed, {found.refused} refused"
    for path, count in sorted(found.differing.items(), key=lambda item: (-item[1], item[0])):
        yield f"  changed  {count:6}  {path}"
    yield from _refused(found.reasons)


def _refused(reasons: Counter[tuple[str, str]]) -> Iterator[str]:
    for (path, reason), count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        yield f"  refused  {count:6}  {path or 'the whole'}: {reason}"


def share_in_words(states: Counter[str]) -> str:
    """Return ``99.5 % (424 of 426)``, rounded down: 100 % is all."""
    mapped, total = states["mapped"], states.total()
    permille = 1000 * mapped // total if total else 1000
    return f"{permille // 10}.{permille % 10} % ({mapped} of {total})"
