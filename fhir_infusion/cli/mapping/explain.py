"""``fhir-infusion mapping explain``: which pairs hold a path, with a value of each on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fhir_infusion.actions.mappings.uses import Uses
from fhir_infusion.actions.prove import samples_of
from fhir_infusion.cli import load_settings
from fhir_infusion.cli.corpus import corpus, is_ours, site_corpus
from fhir_infusion.cli.mapping.options import format_option, known_format, mappings_option
from fhir_infusion.cli.options import overlay_option, release_option
from fhir_infusion.cli.run import DONE, REFUSED, tell
from fhir_infusion.mapping.formats.names import readable
from fhir_infusion.mapping.inspect import fixed, holding, left_out, matching, says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from fhir_infusion.config import Release
    from fhir_infusion.mapping.formats.format import Format
    from fhir_infusion.mapping.inspect import Pair
    from fhir_infusion.mapping.lens import Lens
    from fhir_infusion.translator import Translator


@click.command("explain")
@mappings_option
@release_option
@overlay_option
@format_option
@click.argument("path")
@click.argument("files", nargs=-1, metavar="[CORPUS]...", type=click.Path(exists=True))
def explain(
    mappings: Path | None,
    release: Release,
    overlay: str | None,
    site_format: str | None,
    path: str,
    files: tuple[str, ...],
) -> int:
    """Show which pairs hold PATH, of a record, FHIR or a format, in part or whole: both sides, rules, file:line.

    Below each stands its first value in the CORPUS, on both sides; without one in the examples that are shipped, and
    in the samples of the formats. With --format the CORPUS is a site's own JSON. What is fixed, or left out by a rule,
    is told too.
    """
    from fhir_infusion.cli.translator import translator_for  # noqa: PLC0415  brings fhir.resources

    translator = translator_for(load_settings(mappings=mappings), overlay)
    lenses = [translator.lens(release, one, overlay) for one in sorted(translator.types)]
    formats = [one.lens for _, one in sorted(translator.library.formats.items())]
    of_sites = [one for lens in formats for one in _told(lens, path, readable)]
    told = [one for lens in lenses for one in _told(lens, path, str)] or _around(lenses, path, str)
    told += of_sites or ([] if told else _around(formats, path, readable))
    uses = Uses()
    if any(pair is not None for _, pair in told):
        for label, given, one in _examples(translator, site_format, files):
            if one is None:
                uses.resource(translator, label, given, release, overlay)
            else:
                uses.site(one, label, given)
    for line, pair in told:
        click.echo(line)
        if pair is not None and (use := uses.of(pair)) is not None:
            click.echo(f"  {use.record}  <->  {use.other}  in {use.label}")
    if not told:
        tell(f"no pair of {release} has this path; try a part of it, such as 'rate'")
    return DONE if told else REFUSED


def _told(lens: Lens, path: str, shown: Callable[[str], str]) -> Iterator[tuple[str, Pair | None]]:
    """Yield a line for each pair and each rule that has the path, with the pair."""
    plan = lens.plan
    for pair in matching(lens, path, shown):
        yield _line(lens, pair, shown), pair
    for how, rules_of in (("is always", fixed), ("is left out:", left_out)):
        for rule in rules_of(plan):
            where = f"{plan.internal_type}.{rule.path}" if rule.side == "record" else shown(rule.path)
            if says(where, path):
                yield f"{where}  {how} {rule.said}  ({plan.document})", None


def _around(lenses: Sequence[Lens], path: str, shown: Callable[[str], str]) -> list[tuple[str, Pair | None]]:
    """Return a line for each pair that the path is only a part of, with the pair; and say that it is."""
    found = [(lens, pair) for lens in lenses for pair in holding(lens, path, shown)]
    if found:
        tell("no pair has this path alone; it is a part of what these have")
    return [(_line(lens, pair, shown), pair) for lens, pair in found]


def _line(lens: Lens, pair: Pair, shown: Callable[[str], str]) -> str:
    is_plain = pair.how in {"plain", "key"} or pair.how.startswith("list")
    rules = ("" if is_plain else f" as {pair.how}") + (f" when {pair.when}" if pair.when else "")
    sides = f"{lens.plan.internal_type}.{pair.internal}  <->  {shown(pair.fhir)}"
    return f"{sides}{rules}  ({lens.plan.document}; {pair.mark})"


def _examples(
    translator: Translator, site_format: str | None, files: tuple[str, ...]
) -> Iterator[tuple[str, Any, Format | None]]:
    """Yield each example with its label and its format, if it is a site's: those of the corpus before the samples."""
    if site_format is not None:
        one = known_format(translator, site_format)
        yield from ((label, value, None if is_ours(value) else one) for label, value in site_corpus(one, files))
    elif files:
        yield from ((label, given, None) for label, given in corpus(files))
    else:
        from fhir_infusion.web.examples import therapies  # noqa: PLC0415  read only where they are shown

        yield from ((one.name, one.record, None) for one in therapies().values())
    for name, one in sorted(translator.library.formats.items()):
        yield from ((f"sample {number} of {name}", value, one) for number, value in enumerate(samples_of(one), 1))
