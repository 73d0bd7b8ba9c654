"""The documents of a site's own JSON in a file, as its format takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import Refused
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.mapping.formats.groups import Feed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.cli.inputs import Source
    from fhir_infusion.mapping.formats.format import Format


def documents(one: Format, source: Source) -> Iterator[tuple[str, Any | Refused]]:
    """Yield each document with its label, or why it is none.

    An object or an array of objects is one; in NDJSON each line is one. The rows of a feed belong together over all
    lines of a file.
    """
    waiting: list[Any] = []
    for item in source.inputs:
        try:
            value = read_plain(item.data)
        except Refused as refused:
            yield item.label, refused
            continue
        if isinstance(one.given.group, Feed):
            waiting += one.several(value)
        else:
            yield item.label, value
    if waiting:
        yield source.file, waiting
