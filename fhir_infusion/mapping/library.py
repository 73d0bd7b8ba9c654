"""The library of mapping documents: loaded and checked as a whole before anything is served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.between import Names, unguarded, wrong_defaults, wrong_overlay_name, wrong_readings
from fhir_infusion.mapping.build import Ingredients, build
from fhir_infusion.mapping.code_tables import CodeTable, code_table
from fhir_infusion.mapping.completeness import NO_PAIR
from fhir_infusion.mapping.document import (
    FRAGMENT_SHAPES,
    OVERLAY_SHAPES,
    Document,
    Shapes,
    Table,
    merge,
    misshapen,
    read_yaml,
    resolve,
)
from fhir_infusion.mapping.formats.format import Format, build_format
from fhir_infusion.mapping.lens import Lens
from fhir_infusion.records.fields import table as field_table

if TYPE_CHECKING:
    from fhir_infusion.mapping.plan import Plan
    from fhir_infusion.mapping.types import ElementTable

SETTING = "$setting."
"""Begins the value of a system that is a setting."""


@dataclass(slots=True)
class Library:
    """The lenses of every release, resource type and overlay, the code tables and the sites' formats by name.

    ``digest`` names this very set of documents.
    """

    digest: str
    codes: Mapping[str, CodeTable] = field(default_factory=dict)
    lenses: dict[tuple[str, str, str | None], Lens] = field(default_factory=dict)
    defaults: dict[str | None, dict[str, object]] = field(default_factory=dict)
    formats: dict[str, Format] = field(default_factory=dict)

    def lens(self, release: str, fhir_type: str, overlay: str | None = None) -> Lens | None:
        """Return the lens for a resource type in a release, compiled; ``None`` where no document maps it.

        Raises:
            DocumentError: there is no such overlay.
        """
        if overlay is not None and overlay not in self.defaults:
            raise DocumentError(f"there is no overlay '{overlay}'; accepted: {', '.join(sorted(self.overlays()))}")
        found = self.lenses.get((_FAMILY.get(release, release), fhir_type, overlay))
        return found if found is None else found.compile()

    def compile(self, overlays: Container[str | None]) -> None:
        """Compile the lenses of these overlays (``None`` is the documents without one) before they are asked for."""
        for (_, _, overlay), lens in self.lenses.items():
            if overlay in overlays:
                lens.compile()

    def overlays(self) -> list[str]:
        """Name the overlays."""
        return [name for name in self.defaults if name is not None]


_FAMILY = {"R4B": "R4"}

_Place: TypeAlias = tuple[str | None, str]
"""A document as an overlay changes it: overlay and document."""


class _Built(NamedTuple):
    """A document that was built: what stands in it, in the documents that it uses, and its plan."""

    content: Table
    used: tuple[Table, ...]
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Files:
    """What stands in the files: documents by path without ``.yaml``, code tables and overlays by name.

    Formats are by file.
    """

    documents: dict[str, Table] = field(default_factory=dict)
    codes: dict[str, CodeTable] = field(default_factory=dict)
    overlays: dict[str, Table] = field(default_factory=dict)
    formats: dict[str, Table] = field(default_factory=dict)


def load(
    texts: Mapping[str, str],
    elements: Mapping[str, ElementTable],
    settings: Mapping[str, str],
    *,
    interpret: bool = False,
    overlays: Container[str] | None = None,
) -> Library:
    """Load every document; a lens is compiled when it is first asked for.

    ``texts`` maps the path below ``mappings/`` to the YAML text, ``elements`` each release to its element table,
    ``settings`` the names behind ``$setting.`` to their values. ``interpret`` leaves the compiling out.
    With ``overlays`` the lenses of other overlays are neither built nor checked, which suits a command.

    Raises:
        DocumentError: with every complaint, each with file:line.
    """
    files = _read_files(texts)
    library = Library(digest(texts, settings), files.codes)
    library.defaults[None] = {}
    complaints: list[str] = []
    of_documents: dict[_Place, tuple[str, ...]] = {}
    built: dict[_Place, _Built] = {}
    for name, overlay in (None, Table()), *files.overlays.items():
        library.defaults[name] = dict(overlay.get("defaults") or {})
        if name is not None and overlays is not None and name not in overlays:
            continue
        changed, unknown = _changed(files.documents, overlay)
        complaints.extend(unknown)
        for document in changed:
            try:
                content = resolve(document, changed, complaints if name is None else None)
                if "pairs" not in content.content:
                    continue
                plan = build(content, _ingredients(content, changed, files.codes, elements, settings))
            except DocumentError as error:
                of_documents[name, document] = error.complaints
                continue
            used = [resolve(each, changed).content for each in content.content.get("uses") or ()]
            built[name, document] = _Built(content.content, tuple(used), plan)
            which = (plan.release, plan.fhir_type, name)
            if which in library.lenses:
                first = library.lenses[which].plan.document
                complaints.append(f"{content.content.mark}: '{first}' maps {plan.fhir_type} in {plan.release} too")
                continue
            plan.defaults.update(library.defaults[name])
            plan.readings = frozenset(overlay.get("readings") or ())
            library.lenses[which] = Lens(plan, field_table(), interpret=interpret)
    for file, table in files.formats.items():
        try:
            made_format = build_format(file, table, files.codes)
            library.formats[made_format.name] = made_format
        except DocumentError as error:
            complaints.extend(error.complaints)
    complaints += _first_told(of_documents, files.documents)
    complaints += _between(built, elements, whole=not complaints and overlays is None)
    if complaints:
        raise DocumentError(*sorted(dict.fromkeys(complaints), key=_cause_first))
    return library


def digest(texts: Mapping[str, str], settings: Mapping[str, str]) -> str:
    """Return the name of a set of documents under the settings that they use; see :func:`load`."""
    return hashlib.sha256(json.dumps([sorted(texts.items()), sorted(settings.items())]).encode()).hexdigest()[:16]


def _between(built: Mapping[_Place, _Built], elements: Mapping[str, ElementTable], *, whole: bool) -> list[str]:
    """Return what is wrong between documents; what nothing uses can be said only where the ``whole`` was built."""
    complaints: list[str] = []
    names = Names()
    for (overlay, document), (content, used, plan) in built.items():
        names.note((content, *used), plan.aliases)
        base = built.get((None, document if overlay is not None else str(content.get("extends"))))
        members = elements[plan.release][plan.fhir_type]
        complaints += unguarded(content, plan, base.plan if base is not None else None, members)
        complaints += wrong_defaults(content)
    return complaints + (names.complaints() if whole else [])


def _cause_first(complaint: str) -> tuple[bool, str, int]:
    """Return what sorts complaints by file and line; a field without a pair may only follow from another."""
    file, line = (*complaint.split(":", 2), "")[:2]
    return NO_PAIR in complaint, file, int(line) if line.isdigit() else 0


def _first_told(complaints: Mapping[_Place, tuple[str, ...]], documents: Mapping[str, Table]) -> list[str]:
    """Return the complaints of documents, without those that a document inherits from the one that it changes."""
    told = []
    for (overlay, document), lines in complaints.items():
        changed, seen = documents.get(document, Table()).get("extends"), {document}
        inherited: list[_Place] = [(None, document)] if overlay is not None else []
        while isinstance(changed, str) and changed not in seen:
            seen.add(changed)
            inherited += [(overlay, changed), (None, changed)]
            changed = documents.get(changed, Table()).get("extends")
        known = {_matter(line) for place in inherited for line in complaints.get(place, ())}
        told += [line for line in lines if _matter(line) not in known]
    return told


def _matter(complaint: str) -> str:
    """Return what a complaint is about, without what is accepted in one release.

    That a field has no pair is told of a whole document, everything else of a line that several documents may share.
    """
    place, _, words = complaint.partition("; accepted")[0].partition(": ")
    return words if NO_PAIR in words else f"{place}: {words}"


def _read_files(texts: Mapping[str, str]) -> _Files:
    """Read every file and tell what it is by its first member."""
    files = _Files()
    complaints: list[str] = []
    for file, text in sorted(texts.items()):
        try:
            table = read_yaml(file, text)
            if "format" in table:
                files.formats[file] = table
            elif "codes" in table:
                made = code_table(table)
                _demand_new(table, "codes", files.codes)
                files.codes[made.name] = made
            elif "overlay" in table:
                _demand_shape(table, OVERLAY_SHAPES, "an overlay")
                complaints += [*wrong_overlay_name(file, table), *wrong_defaults(table), *wrong_readings(table)]
                _demand_new(table, "overlay", files.overlays)
                files.overlays[table["overlay"]] = table
            else:
                files.documents[file.removesuffix(".yaml")] = table
        except DocumentError as error:
            complaints.extend(error.complaints)
    if complaints:
        raise DocumentError(*complaints)
    return files


def _changed(documents: Mapping[str, Table], overlay: Table) -> tuple[dict[str, Table], list[str]]:
    """Return the documents as an overlay changes them, and a complaint for each that it names wrongly."""
    changed = dict(documents)
    complaints: list[str] = []
    changes = overlay.get("documents") or Table()
    for target, change in changes.items():
        if target not in changed:
            accepted = ", ".join(sorted(documents))
            complaints.append(f"{changes.marks[target]}: there is no document '{target}'; accepted: {accepted}")
        elif not isinstance(change, Table):
            complaints.append(f"{changes.marks[target]}: what changes in '{target}' is a table")
        else:
            changed[target] = merge(changed[target], change, complaints)
    return changed, complaints


def _ingredients(
    document: Document,
    documents: Mapping[str, Table],
    codes: Mapping[str, CodeTable],
    elements: Mapping[str, ElementTable],
    settings: Mapping[str, str],
) -> Ingredients:
    """Return what a document is built with: the fragments and systems of the documents it uses, and its release."""
    content = document.content
    fragments: dict[str, Table] = {}
    systems: dict[str, str] = {}
    for name in content.get("uses") or ():
        if name not in documents:
            accepted = ", ".join(sorted(documents))
            raise DocumentError(f"{content.marks['uses']}: there is no document '{name}'; accepted: {accepted}")
        used = resolve(name, documents).content
        for key, fragment in (used.get("fragments") or Table()).items():
            if not isinstance(fragment, Table):
                raise DocumentError(f"{used['fragments'].marks[key]}: a fragment is a table with `between` and `pairs`")
            _demand_shape(fragment, FRAGMENT_SHAPES, "a fragment")
            fragments[key] = fragment
        systems.update(_systems(used, settings))
    systems.update(_systems(content, settings))
    between = content.get("between") or Table()
    release = str(between.get("release"))
    if "release" in between and release not in elements:
        accepted = ", ".join(sorted(elements))
        raise DocumentError(f"{between.marks['release']}: '{release}' is not a release; accepted: {accepted}")
    others = {name: table for name, table in elements.items() if name != release}
    return Ingredients(fragments, systems, elements.get(release, {}), field_table(), codes, elsewhere=others)


def _systems(table: Table, settings: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    declared = table.get("systems") or Table()
    for name, uri in declared.items():
        if not isinstance(uri, str):
            raise DocumentError(f"{declared.marks[name]}: the system '{name}' is text: a URI or {SETTING}NAME")
        if not uri.startswith(SETTING):
            found[name] = uri
            continue
        setting = uri.removeprefix(SETTING)
        if setting not in settings:
            accepted = ", ".join(sorted(settings))
            raise DocumentError(f"{declared.marks[name]}: there is no setting '{setting}'; accepted: {accepted}")
        found[name] = settings[setting]
    return found


def _demand_new(table: Table, kind: str, known: Mapping[str, object]) -> None:
    """Refuse a name that another file has."""
    if table[kind] in known:
        raise DocumentError(f"{table.marks[kind]}: another file has `{kind}: {table[kind]}`")


def _demand_shape(table: Table, shapes: Shapes, what: str) -> None:
    """Refuse members that are not known or of the wrong kind."""
    wrong = misshapen(table, shapes, what)
    if wrong:
        raise DocumentError(*wrong)
