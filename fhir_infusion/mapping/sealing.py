"""Generating what seals the texts of a record: straight-line code per record type, for one walk over the record.

Sealing is a large part of what reading costs. The code asks each object only for the fields that are texts or lead to
some; the digest of an object that holds simple values alone is written out as one string.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from zlib import crc32

from fhir_infusion.mapping.source import Source

if TYPE_CHECKING:
    from fhir_infusion.records.fields import Field

Json = dict[str, Any]
FieldTable = Mapping[str, Mapping[str, "Field"]]
Seal = Callable[[Json, list[str], int], None]
Meaning = Callable[[Json, str, int], int]
Spoken = Callable[[Json, str, "Json | None"], "Iterator[tuple[int | None, str, str]]"]
Coded = Callable[[str, "Iterable[Json]"], str]
Simple = Mapping[str, tuple[tuple[str, ...], frozenset[str]]]


def sealer(
    root: str,
    words: Mapping[str, tuple[str, ...]],
    named: Mapping[str, tuple[str, ...]],
    leads: Mapping[str, Mapping[str, str]],
    simple: Simple,
    lists: Mapping[str, frozenset[str]],
    meaning: Meaning,
    spoken: Spoken,
    coded: Coded,
) -> Seal:
    """Return the function that adds the digest pairs of a record to a list.

    ``meaning`` gives the digest of what the texts of an object describe, whatever it holds; ``lists`` names the fields
    that are lists, ``named`` the codes whose words describe, and ``spoken`` gives the digests of these; ``coded`` gives
    those of a text beside codings.
    """
    source = Source({"crc32": crc32, "meaning": meaning, "spoken": spoken, "coded": coded})
    waiting, written = [root], {root}
    while waiting:
        name = waiting.pop()
        _function(source, name, (words[name], named[name]), leads[name], simple[name], lists[name])
        for inner in leads[name].values():
            if inner not in written:
                written.add(inner)
                waiting.append(inner)
    sealing: Seal = source.functions(f"<texts {root}>")[f"seal_{root}"]
    return sealing


def _function(
    source: Source,
    name: str,
    texts: tuple[tuple[str, ...], tuple[str, ...]],
    leads: Mapping[str, str],
    simple: tuple[tuple[str, ...], frozenset[str]],
    lists: frozenset[str],
) -> None:
    put, block = source.put, source.block
    words, named = texts
    with block(f"def seal_{name}(v, pairs, bag):"):
        if words:
            with block(f"if {' or '.join(f'{word!r} in v' for word in words)}:"):
                names, known = simple
                with block(f"if v.keys() <= {source.name(known, 'simple')}:"):
                    put("get = v.get")
                    joined = "\\x1f".join(f"{{get({field!r})}}" for field in names)
                    put(f'm = crc32(f"{joined}".encode())')
                with block("else:"):
                    put(f"m = meaning(v, {name!r}, bag)")
                for word in words:
                    put(f"t = v.get({word!r})")
                    put("if t is not None: pairs.append('%x.%x' % (crc32(t.encode()), m))")
        for field in named:
            if "codings" in lists:
                with block(f"if {field!r} in v and 'codings' in v:"):
                    put(f"pairs.append(coded(v[{field!r}], v['codings']))")
                continue
            with block(f"if {field!r} in v:"):
                put(f"for _, t, m in spoken(v, {field!r}, v[{field!r}]): pairs.append(f'{{t}}.{{m}}')")
        for field, inner in leads.items():
            with block(f"if {field!r} in v:"):
                if field in lists:
                    put(f"for e in v[{field!r}]: seal_{inner}(e, pairs, bag)")
                else:
                    put(f"seal_{inner}(v[{field!r}], pairs, bag)")
