"""Reading a format document: its shape, its tables, and its pairs as the engine takes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from decimal import Decimal
from typing import Any, Final

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.code_tables import CodeTable, code_table
from fhir_infusion.mapping.document import Mark, Shapes, Table, misshapen
from fhir_infusion.mapping.formats import times
from fhir_infusion.mapping.formats.columns import columns_of
from fhir_infusion.mapping.formats.groups import Each, Feed, each_of, feed_of
from fhir_infusion.mapping.formats.joining import ACCEPTED as JOININGS
from fhir_infusion.mapping.formats.joining import is_joined, joining
from fhir_infusion.mapping.formats.keeping import Kept, is_kept, kept, settle_whole
from fhir_infusion.mapping.formats.names import site_path
from fhir_infusion.mapping.formats.nodes import JOINED, Node
from fhir_infusion.mapping.formats.packing import packings_of
from fhir_infusion.mapping.formats.values import spelling
from fhir_infusion.records.fields import ROOTS

FORMAT_SHAPES: Final[Shapes] = {
    "format": (str,),
    "description": (str,),
    "record": (str,),
    "zone": (str,),
    "absent": (list,),
    "unknown": (str,),
    "systems": (Table,),
    "codes": (Table,),
    "tables": (Table,),
    "shape": (Table,),
    "columns": (Table,),
    "packed": (Table,),
    "each": (Table,),
    "feed": (Table,),
    "pairs": (Table,),
    "rest": (Table,),
    "samples": (list,),
}
REST_SHAPES: Final[Shapes] = {"drop": (bool,), "why": (str,)}
UNDECIDED: Final = "?"
"""Stands where a draft leaves a decision to a person."""


@dataclass(slots=True)
class Given:
    """What stands in a format document, checked as far as one side alone tells."""

    name: str
    record: str
    root: Node
    pairs: Table
    mark: Mark
    fillers: tuple[Any, ...] = ()
    systems: dict[str, str] = field(default_factory=dict)
    codes: dict[str, CodeTable] = field(default_factory=dict)
    tables: Table = field(default_factory=Table)
    why: str = ""
    group: Each | Feed | None = None
    samples: tuple[tuple[Mark, str], ...] = ()


def read_format(file: str, table: Table) -> Given:
    """Return what a format document says.

    Raises:
        DocumentError: with every complaint.
    """
    complaints = _wrong_head(file, table)
    if complaints:
        raise DocumentError(*complaints)
    name, zone = str(table["format"]), times.zone_of(table["zone"]) if "zone" in table else None
    root = Node(name, table.marks["shape"], members={}, closed=table.get("unknown") == "refuse")
    shapes = _Shapes(zone, _groups(table.get("tables") or Table(), complaints), complaints)
    shapes.members(table["shape"], (root,))
    columns_of(table.get("columns") or Table(), root, complaints)
    for one in shapes.kept:
        one.settle(complaints)
    settle_whole(root)
    given = Given(name, table["record"], root, Table(), table.mark)
    given.why = str((table.get("rest") or Table()).get("why", ""))
    given.fillers = tuple(table.get("absent") or ())
    given.systems = {key: str(uri) for key, uri in (table.get("systems") or Table()).items()}
    given.codes = _codes(table.get("codes") or Table(), complaints)
    given.tables = table.get("tables") or Table()
    given.pairs = _pairs(table["pairs"], given.systems, complaints)
    _say_record(given)
    if "each" in table:
        given.group = each_of(table["each"], root, complaints)
    elif "feed" in table:
        given.group = feed_of(table["feed"], root, complaints)
    complaints += packings_of(table.get("packed") or Table(), root, given.group, given.fillers)
    given.samples = tuple((table.marks["samples"], str(sample)) for sample in table["samples"])
    if complaints:
        raise DocumentError(*complaints)
    return given


def _wrong_head(file: str, table: Table) -> list[str]:
    """Return a complaint for each member at the head of a format that is missing, unknown or wrong."""
    found = misshapen(table, FORMAT_SHAPES, "a format") + _undecided(table)
    for needed in ("record", "shape", "pairs", "samples"):
        if needed not in table:
            found.append(f"{table.mark}: a format has `{needed}`")
    stem = file.rpartition("/")[2].removesuffix(".yaml")
    if table.get("format") != stem or stem != right_name(stem):
        what = "a format is named as its file, in small letters, digits and hyphens"
        right = right_name(stem)
        accepted = stem if stem == right else f"{right}, in a file {right}.yaml"
        found.append(f"{table.marks['format']}: {what}; accepted: {accepted}")
    if found:
        return found
    if table["record"] not in ROOTS:
        found.append(f"{table.marks['record']}: '{table['record']}' is no record; accepted: {', '.join(ROOTS)}")
    if "zone" in table and times.zone_of(table["zone"]) is None:
        what = "is no time zone; accepted: a name such as Europe/Berlin or America/New_York"
        found.append(f"{table.marks['zone']}: '{table['zone']}' {what}")
    if table.get("unknown", "keep") not in ("keep", "refuse"):
        found.append(f"{table.marks['unknown']}: `unknown` is keep or refuse")
    if not table["samples"]:
        found.append(f"{table.marks['samples']}: the laws are asked of samples; accepted: one or more")
    if "each" in table and "feed" in table:
        found.append(f"{table.marks['feed']}: `each` and `feed` do not go together")
    return found + _wrong_rest(table)


_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")


def right_name(text: str) -> str:
    """Return the name of a format that is nearest to a text: itself, where it is one."""
    if _NAME.fullmatch(text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return made if _NAME.fullmatch(made) else f"site-{made}".strip("-")


def _wrong_rest(table: Table) -> list[str]:
    if "rest" not in table:
        return []
    rest = table["rest"]
    found = misshapen(rest, REST_SHAPES, "`rest`")
    if rest.get("drop") is not True or not rest.get("why"):
        found.append(f"{table.marks['rest']}: `rest` has `drop: true` and names its `why`")
    return found


def _undecided(value: Any) -> list[str]:
    """Return a complaint for each decision that a draft leaves open."""
    if not isinstance(value, Table):
        return []
    found = []
    for name, inner in value.items():
        if isinstance(inner, str) and inner.startswith(UNDECIDED):
            asked = inner.removeprefix(UNDECIDED).strip() or "this"
            found.append(
                f"{value.marks[name]}: '{name}' is not decided: {asked}; accepted: what the site says, in place of '?'"
            )
        found += _undecided(inner)
    return found


def _groups(tables: Table, complaints: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the tables of codes that stand for several members at once."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, table in tables.items():
        if not isinstance(table, Table) or not all(isinstance(said, Table) for said in table.values()):
            complaints.append(f"{tables.marks[name]}: a table is the site's codes, each with the members it stands for")
            continue
        found[name] = {code: {key: _number(value) for key, value in said.items()} for code, said in table.items()}
    return found


def _number(value: Any) -> Any:
    """Return text that is a decimal fraction as that number: YAML of ours leaves it text."""
    return Decimal(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]+\.[0-9]+", value) else value


def _codes(tables: Table, complaints: list[str]) -> dict[str, CodeTable]:
    found: dict[str, CodeTable] = {}
    for name, table in tables.items():
        if not isinstance(table, Table):
            complaints.append(f"{tables.marks[name]}: a code table maps the record's codes to the site's")
            continue
        rows = table["map"] if isinstance(table.get("map"), Table) else table
        wrong = [key for key, code in rows.items() if not isinstance(code, (str, int, Table)) or isinstance(code, bool)]
        if wrong:
            complaints += [
                f"{rows.marks[key]}: the code of '{key}' is no text; accepted: it in quotes" for key in wrong
            ]
            continue
        whole = Table({"codes": name, **(table if "map" in table else {"map": table})})
        whole.mark, whole.marks = table.mark, {"codes": table.mark, "map": table.mark, **table.marks}
        try:
            found[name] = code_table(whole)
        except DocumentError as error:
            complaints.extend(line.replace("FHIR", "the site's") for line in error.complaints)
    return found


@dataclass(frozen=True, slots=True)
class _Shapes:
    """Reads a shape."""

    zone: tzinfo | None
    tables: Mapping[str, Mapping[str, Mapping[str, Any]]]
    complaints: list[str]
    kept: list[Kept] = field(default_factory=list)

    def members(self, table: Table, nodes: tuple[Node, ...]) -> None:
        """Read the members of the last object; those before are what it stands in."""
        node = nodes[-1]
        members = node.members if node.members is not None else {}
        for key, value in table.items():
            mark, is_list = table.marks[key], key.endswith("[]")
            name = key.removesuffix("[]")
            parts = tuple(name.split(JOINED)) if JOINED in name else ()
            inner = Node(name, mark, is_list, parts=parts, closed=node.closed)
            if isinstance(value, Table):
                inner.members = {}
                self.members(value, (*nodes, inner))
            elif not isinstance(value, str):
                self.complaints.append(f"{mark}: a member of a shape is a spelling, or a table of members")
                continue
            elif is_kept(value):
                self.kept.append(kept(value, inner, nodes))
            elif is_joined(value):
                self._join(value, inner, nodes)
            else:
                made = spelling(value, self.zone, self.tables)
                if isinstance(made, str):
                    self.complaints.append(f"{mark}: {made}")
                    continue
                inner.spelling = made
            is_told = isinstance(value, str) and is_joined(value)
            if parts and not is_told and (is_list or inner.spelling is None or inner.spelling.members):
                self.complaints.append(f"{mark}: members joined by '{JOINED.strip()}' say one value together")
                continue
            members[name] = inner

    def _join(self, text: str, node: Node, nodes: tuple[Node, ...]) -> None:
        """Read how the members that a node stands in say one text."""
        found = joining(text)
        if found is None or not node.parts or node.is_list:
            what = f"'{node.name}' is not understood as members joined by a mark"
            self.complaints.append(f"{node.mark}: {what}; accepted: A + B: {JOININGS}")
            return
        node.joining, how = found
        node.spelling = node.joining.spelling
        if how:
            self.kept.append(kept(how, node, nodes))


# ------------------------------------------------------------------------------------------------ pairs

_WHEN: Final = re.compile(r"site:(.+?)(\s+(?:exists|missing)|\s*=\s*\S+|\s+in\s*\[.*\])$")


def _pairs(table: Table, systems: Mapping[str, str], complaints: list[str]) -> Table:
    """Return pairs with ``fhir`` for ``site``, so that the engine takes them."""
    made = Table()
    made.mark, made.marks = table.mark, dict(table.marks)
    for key, value in table.items():
        several = value if isinstance(value, list) else [value]
        turned = [_pair(one, table.marks[key], systems, complaints) for one in several]
        made[key] = turned if isinstance(value, list) else turned[0]
    return made


def _pair(value: Any, mark: Mark, systems: Mapping[str, str], complaints: list[str]) -> Any:
    if isinstance(value, str):
        return _path(value, mark, complaints)
    if not isinstance(value, Table):
        return value
    made = Table()
    made.mark, made.marks = value.mark, dict(value.marks)
    for name, held in value.items():
        at = value.marks[name]
        if name == "fhir":
            complaints.append(f"{at}: the other side of a format is `site`; accepted: site")
        elif name == "site":
            made["fhir"], made.marks["fhir"] = _path(held, at, complaints), at
        elif name == "pairs" and isinstance(held, Table):
            made[name] = _pairs(held, systems, complaints)
        elif name == "when" and isinstance(held, str) and held.startswith("site:"):
            match = _WHEN.match(held)
            path = site_path(match[1]) if match is not None else None
            made[name] = f"fhir:{path}{match[2]}" if match is not None and path else held
        elif name == "const" and isinstance(held, str) and held.startswith("$"):
            if held[1:] not in systems:
                complaints.append(f"{at}: '{held}' is not declared under `systems`; accepted: {', '.join(systems)}")
            made[name] = systems.get(held[1:], held)
        else:
            made[name] = held
    return made


def _path(text: Any, mark: Mark, complaints: list[str]) -> Any:
    path = site_path(text) if isinstance(text, str) else None
    if path is None:
        complaints.append(
            f'{mark}: this is no path of the site; accepted: names joined by dots, name[], "a name. with dots"'
        )
    return path or text


def _say_record(given: Given) -> None:
    """Let the record say what it is."""
    what = Table({"const": given.record})
    what.mark, what.marks = given.pairs.mark, {"const": given.pairs.mark}
    given.pairs["record"] = what
    given.pairs.marks["record"] = given.pairs.mark
