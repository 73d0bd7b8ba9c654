"""The library of mapping documents: loaded, checked and compiled as a whole before anything is served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping import codecs
from fhir_infusion.mapping.build import Builder, ElementTable
from fhir_infusion.mapping.codecs import Codec
from fhir_infusion.mapping.document import Document, Mark, Table, merge, read_yaml, resolve
from fhir_infusion.mapping.lens import Lens
from fhir_infusion.mapping.plan import Plan
from fhir_infusion.records.fields import table as field_table

SETTING = "$setting."

CODE_KEYS = frozenset({"codes", "url", "map", "back"})
OVERLAY_KEYS = frozenset({"overlay", "description", "defaults", "documents"})


@dataclass(slots=True)
class Library:
    """The lenses of every release, resource type and overlay. ``digest`` names this very set of documents."""

    digest: str
    eager: bool = True
    lenses: dict[tuple[str, str, str | None], Lens] = field(default_factory=dict)
    defaults: dict[str | None, dict[str, object]] = field(default_factory=dict)

    def lens(self, release: str, fhir_type: str, overlay: str | None = None) -> Lens | None:
        """Return the lens for a resource type in a release; ``None`` where no document maps it.

        Raises ``DocumentError`` where there is no such overlay.
        """
        if overlay is not None and overlay not in self.defaults:
            raise DocumentError(f"there is no overlay '{overlay}'; accepted: {', '.join(sorted(self.overlays()))}")
        found = self.lenses.get((_FAMILY.get(release, release), fhir_type, overlay))
        return found if found is None or self.eager else found.compile()

    def overlays(self) -> list[str]:
        """Name the overlays."""
        return [name for name in self.defaults if name is not None]


_FAMILY = {"R4B": "R4"}


def load(texts: Mapping[str, str], elements: Mapping[str, ElementTable], settings: Mapping[str, str], *, interpret: bool = False, eager: bool = True) -> Library:
    """Load every document.

    ``texts`` maps the path below ``mappings/`` to the YAML text, ``elements`` each release to its element table,
    ``settings`` the names behind ``$setting.`` to their values. ``interpret`` leaves the compiling out; without ``eager`` a lens is compiled when it is first asked for, which
    suits one command but never threads.

    Raises ``DocumentError`` with every complaint, each with file:line.
    """
    tables: dict[str, Table] = {}
    code_tables: dict[str, Codec] = {}
    overlays: dict[str, Table] = {}
    complaints: list[str] = []
    for file, text in sorted(texts.items()):
        try:
            table = read_yaml(file, text)
            if "codes" in table:
                code_tables[table["codes"]] = _code_table(table)
            elif "overlay" in table:
                overlays[table["overlay"]] = _overlay(table)
            else:
                tables[file.removesuffix(".yaml")] = table
        except DocumentError as error:
            complaints.extend(error.complaints)
    if complaints:
        raise DocumentError(*complaints)
    digest = hashlib.sha256(json.dumps([sorted(texts.items()), sorted(settings.items())]).encode()).hexdigest()[:16]
    library = Library(digest, eager)
    library.defaults[None] = {}
    for name, overlay in (None, None), *overlays.items():
        changed = dict(tables)
        if overlay is not None:
            library.defaults[name] = dict(overlay.get("defaults") or {})
            for target, change in (overlay.get("documents") or {}).items():
                if target not in changed:
                    complaints.append(f"{overlay['documents'].marks[target]}: there is no document '{target}'; accepted: {', '.join(sorted(tables))}")
                    continue
                changed[target] = merge(changed[target], change)
        for document in changed:
            try:
                content = resolve(document, changed)
                if "pairs" not in content.content:
                    continue
                plan = plan_of(content, changed, code_tables, elements, settings)
                lens = Lens(plan, field_table(), interpret=interpret)
                if eager:
                    lens.compile()
            except DocumentError as error:
                complaints.extend(error.complaints)
                continue
            library.lenses[plan.release, plan.fhir_type, name] = lens
    if complaints:
        raise DocumentError(*dict.fromkeys(complaints))
    return library


def plan_of(
    document: Document, tables: Mapping[str, Table], codes: Mapping[str, Codec], elements: Mapping[str, ElementTable], settings: Mapping[str, str]
) -> Plan:
    """Build the plan of one document with the fragments that it uses.

    Raises ``DocumentError``.
    """
    content = document.content
    fragments: dict[str, tuple[Table, Mark]] = {}
    systems: dict[str, str] = {}
    for name in content.get("uses") or ():
        used = resolve(str(name), tables).content
        for key, fragment in (used.get("fragments") or Table()).items():
            fragments[key] = (fragment, used["fragments"].marks[key])
        systems.update(_systems(used, settings))
    systems.update(_systems(content, settings))
    release = (content.get("between") or {}).get("release")
    if release not in elements:
        raise DocumentError(f"{content.mark}: '{release}' is not a release; accepted: {', '.join(sorted(elements))}")
    return Builder(document, fragments, systems, elements[release], field_table(), codes).build()


def _systems(table: Table, settings: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, uri in (table.get("systems") or Table()).items():
        if str(uri).startswith(SETTING):
            setting = str(uri).removeprefix(SETTING)
            if setting not in settings:
                mark = table["systems"].marks[name]
                raise DocumentError(f"{mark}: there is no setting '{setting}'; accepted: {', '.join(sorted(settings))}")
            found[name] = settings[setting]
        else:
            found[name] = str(uri)
    return found


def _code_table(table: Table) -> Codec:
    """Build the codec of a ConceptMap: ``map`` internal to FHIR; ``back`` names the way where several share a code."""
    for key in table:
        if key not in CODE_KEYS:
            raise DocumentError(f"{table.marks[key]}: '{key}' is not a member of a code table; accepted: {', '.join(sorted(CODE_KEYS))}")
    forward = table.get("map")
    if not isinstance(forward, Table) or not forward:
        raise DocumentError(f"{table.mark}: a code table has a `map` of internal codes to FHIR codes")
    back = table.get("back") or Table()
    to_internal: dict[str, str] = {}
    for internal, fhir in forward.items():
        if fhir in to_internal and fhir not in back:
            raise DocumentError(f"{forward.marks[internal]}: '{fhir}' stands for two internal codes; name the way back under `back`")
        to_internal[str(fhir)] = internal
    for fhir, internal in back.items():
        if internal not in forward:
            raise DocumentError(f"{back.marks[fhir]}: '{internal}' is not an internal code of this table; accepted: {', '.join(forward)}")
        to_internal[fhir] = str(internal)
    return codecs.table(table["codes"], {key: str(value) for key, value in forward.items()}, to_internal)


def _overlay(table: Table) -> Table:
    for key in table:
        if key not in OVERLAY_KEYS:
            raise DocumentError(f"{table.marks[key]}: '{key}' is not a member of an overlay; accepted: {', '.join(sorted(OVERLAY_KEYS))}")
    return table
