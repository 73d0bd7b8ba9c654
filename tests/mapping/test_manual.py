"""The manual of the format: every example in it is run, every keyword is shown, and the schema knows the same words."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import jsonschema
import pytest
import yaml

from fhir_infusion.actions.prove import samples_of
from fhir_infusion.config import mappings_dir
from fhir_infusion.fhir import json as exact
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.mapping.codecs import NAMED
from fhir_infusion.mapping.document import DOCUMENT_SHAPES, FRAGMENT_SHAPES, PAIR_SHAPES, read_yaml
from fhir_infusion.mapping.formats.columns import COLUMN_SHAPES
from fhir_infusion.mapping.formats.document import FORMAT_SHAPES
from fhir_infusion.mapping.formats.format import Format, build_format
from fhir_infusion.mapping.formats.groups import DERIVED_SHAPES, EACH_SHAPES, FEED_SHAPES
from fhir_infusion.mapping.formats.laws import prove_format
from fhir_infusion.mapping.formats.packing import PACKED_SHAPES
from fhir_infusion.mapping.formats.undoing import UNDO_SHAPES
from fhir_infusion.mapping.formats.values import KEPT, SIMPLE
from fhir_infusion.records.equality import same
from tests.mapping.kit import bare, lens_of

MANUAL = (mappings_dir() / "README.md").read_text(encoding="utf-8")
SCHEMA = json.loads((mappings_dir() / "document.schema.json").read_text(encoding="utf-8"))
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _examples() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    name = ""
    for kind, words, text in BLOCK.findall(MANUAL):
        if "example=" in words:
            name = re.search(r"example=(\S+)", words)[1]  # type: ignore[index]  # just seen
            found[name] = {"document": text, "files": {}}
        elif "file=" in words:
            found[name]["files"][re.search(r"file=(\S+)", words)[1]] = text  # type: ignore[index]  # just seen
        elif kind == "json" and words.strip() in ("record", "fhir"):
            found[name][words.strip()] = text
    return found


EXAMPLES = _examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_translates_both_ways_as_the_manual_says(name: str) -> None:
    example = EXAMPLES[name]
    between = re.search(r"fhir: ([\w.]+), release", "\n".join([example["document"], *example["files"].values()]))
    release = "R5" if "release: R5" in example["document"] else "R4"
    assert between is not None
    lens = lens_of(example["document"], between[1], release, **example["files"])
    record, resource = exact.read(example["record"]), exact.read(example["fhir"])
    assert same(lens.write(record).result, resource)
    assert same(bare(lens.read(resource).result), record)


def test_every_keyword_is_shown_by_an_example() -> None:
    shown = " ".join(example["document"] + " ".join(example["files"].values()) for example in EXAMPLES.values())
    missing = [word for word in PAIR_SHAPES if not re.search(rf"\b{word}:", shown)]
    assert missing == []


def test_every_top_level_member_and_codec_is_explained() -> None:
    assert [word for word in DOCUMENT_SHAPES.keys() | set(NAMED) - {"ucum"} if word not in MANUAL] == []


def _formats() -> dict[str, dict[str, str]]:
    """Return the formats of the manual: the document, and the site's JSON and the records under their names."""
    found: dict[str, dict[str, str]] = {}
    for _, words, text in BLOCK.findall(MANUAL):
        what, _, name = words.strip().partition("=")
        if what in ("format", "site", "record") and name:
            found.setdefault(name, {})[what] = text
    return found


FORMATS = _formats()


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_translates_both_ways_as_the_manual_says(name: str) -> None:
    one = _built(name)
    site, records = read_plain(FORMATS[name]["site"].encode()), read_plain(FORMATS[name]["record"].encode())
    read = [translation.result for translation in one.read(site)]
    assert same([bare(record) for record in read], records if isinstance(records, list) else [records])
    assert same(one.write(read).values, site if isinstance(site, list) else [site])


@pytest.mark.parametrize("name", FORMATS)
def test_the_laws_hold_for_the_format_of_the_manual(name: str) -> None:
    one = _built(name)
    assert prove_format(one, samples_of(one), random.Random, 100).broken == ()


def _built(name: str) -> Format:
    return build_format(f"formats/{name}.yaml", read_yaml(f"formats/{name}.yaml", FORMATS[name]["format"]), {})


def test_every_keyword_and_spelling_of_formats_is_explained_and_every_keyword_is_in_the_schema() -> None:
    words = {
        *FORMAT_SHAPES,
        *COLUMN_SHAPES,
        *PACKED_SHAPES,
        *UNDO_SHAPES,
        *EACH_SHAPES,
        *FEED_SHAPES,
        *DERIVED_SHAPES,
        *SIMPLE,
        KEPT,
        "table(",
        "clock(",
    }
    assert sorted(word for word in words if f"`{word}" not in MANUAL) == []
    known = SCHEMA["$defs"]["format"]["properties"]
    assert known.keys() == FORMAT_SHAPES.keys()
    columns = known["columns"]["additionalProperties"]["items"]["properties"]
    assert columns.keys() == COLUMN_SHAPES.keys()
    assert known["packed"]["additionalProperties"]["properties"].keys() == PACKED_SHAPES.keys()
    assert known["each"]["properties"].keys() == EACH_SHAPES.keys()
    assert known["feed"]["properties"].keys() == FEED_SHAPES.keys()
    assert known["feed"]["properties"]["undo"]["properties"].keys() == UNDO_SHAPES.keys()
    derived = known["feed"]["properties"]["derive"]["additionalProperties"]["properties"]
    assert derived.keys() == DERIVED_SHAPES.keys()


def test_the_schema_knows_exactly_the_keywords_that_the_loader_knows() -> None:
    defs = SCHEMA["$defs"]
    assert set(defs["pair"]["oneOf"][2]["properties"]) == PAIR_SHAPES.keys()
    assert set(defs["document"]["properties"]) == DOCUMENT_SHAPES.keys()
    assert (
        set(defs["document"]["properties"]["fragments"]["additionalProperties"]["oneOf"][1]["properties"])
        == FRAGMENT_SHAPES.keys()
    )
    assert set(defs["pair"]["oneOf"][2]["properties"]["as"]["enum"]) == set(NAMED)


@pytest.mark.parametrize("path", sorted(mappings_dir().rglob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_document_fits_the_schema(path: Any) -> None:
    content = yaml.load(path.read_text(encoding="utf-8"), _Plain)  # noqa: S506  our own file, read as plain text and tables
    jsonschema.validate(content, SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mapping": "x", "between": {"release": "R4"}, "pairs": {"status": {"fihr": "status"}}},
        {"mapping": "x", "between": {"release": "R4"}, "pairs": {"steps[0]": "dosageInstruction[0]"}},
        {
            "mapping": "x",
            "between": {"release": "R4"},
            "pairs": {"status": {"fhir": "status", "when": "status == 'a'"}},
        },
        {"mapping": "x"},
        {"codes": "x", "map": {}},
    ],
)
def test_the_schema_refuses_what_the_loader_would_refuse(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


class _Plain(yaml.SafeLoader):
    """YAML with no guesses but null, true and false, as the documents are read."""


_Plain.yaml_implicit_resolvers = {}
_Plain.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(~|null|)$"), ["~", "n", ""])
_Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), ["t", "f"])
