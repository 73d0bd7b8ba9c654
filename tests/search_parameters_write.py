"""The search parameters as data: ``python -m tests.search_parameters_write`` writes fhir_infusion/fhir/search_parameters.json.

Read from HL7's published definitions, which lie in the hapi-fhir-validation-resources jars of a Maven repository (its
folder may be given as an argument). The FHIRPath of a parameter becomes paths of JSON names with the type at their end;
an expression that cannot be read stops the script, and what is left out stands in a table with its reason.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from fhir_infusion.fhir.elements import Element, type_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TARGET: Final = Path(__file__).parents[1] / "fhir_infusion" / "fhir" / "search_parameters.json"
REPOSITORY: Final = Path.home() / ".m2" / "repository"
VERSION: Final = "8.8.0"

TYPES: Final = (
    *("MedicationRequest", "MedicationAdministration", "Medication", "MedicationDispense", "Patient", "RelatedPerson"),
    *("Practitioner", "PractitionerRole", "Organization", "Encounter", "EpisodeOfCare", "Location", "Device"),
    *("Observation", "Condition", "CarePlan", "Provenance"),
)
OF_EVERY_TYPE: Final = ("_tag", "_security", "_profile", "_source")
"""Those of ``Resource`` that read an element; ``_id`` and ``_lastUpdated`` are columns of their own."""

LEFT_OUT: Final = {
    "phonetic": "how a name sounds depends on the language; `name` is the way to ask",
    "near": "a distance on the globe",
    "contains": "a shape on the globe",
    "part-agree": "an example of HL7's, on an extension of example.org",
    "value-canonical": "R5 names it, and gives Observation.value no such type",
    "component-value-canonical": "R5 names it, and gives Observation.component.value no such type",
}
LEFT_OUT_TYPES: Final = {
    "composite": "two values of one element at once: no order and no administration has any",
    "special": "its meaning is no element",
}
UNREAD: Final = {
    "SampledData": "a series of samples has no one value",
    "markdown": "R5's expression names it, and Observation.value is none",
}
STATED: Final = {("R5", "Medication", "form"): "Medication.doseForm"}
"""Expressions that the definitions leave out, from the page of the type."""

ALSO: Final = {
    ("MedicationAdministration", "effective-time", "date"): (
        "occurenceDateTime:dateTime",
        "occurencePeriod:Period",
        "occurenceTiming:Timing",
    ),
    ("MedicationAdministration", "date", "date"): (
        "effectiveDateTime:dateTime",
        "effectivePeriod:Period",
        "occurenceTiming:Timing",
    ),
    ("MedicationAdministration", "context", "reference"): ("encounter:Reference",),
    ("MedicationAdministration", "encounter", "reference"): ("context:Reference",),
    ("MedicationAdministration", "reason-given", "token"): ("reason.concept:CodeableConcept",),
    ("MedicationAdministration", "reason-given", "reference"): ("reasonReference:Reference",),
    ("MedicationAdministration", "reason-given-code", "token"): ("reasonCode:CodeableConcept",),
}
"""What another release calls the element, so that what was written there is found here under this release's name."""

_FHIR: Final = "{http://hl7.org/fhir}"
_STEP: Final = re.compile(
    r"\.?(?:(?:as|ofType)\((?P<cast>\w+)\)"
    r"|where\(resolve\(\) is (?P<target>\w+)\)"
    r"|where\((?P<field>\w+)='(?P<value>[\w-]+)'\)"
    r"|(?P<name>[a-z]\w*))"
)

Json = dict[str, Any]


class Unreadable(Exception):
    """An expression that the few rules here do not cover."""


# ----------------------------------------------------------------------------------------------- HL7's definitions


def jar(repository: Path, release: str) -> zipfile.ZipFile:
    """Return the jar of a release's definitions."""
    name = f"hapi-fhir-validation-resources-{release.lower()}"
    return zipfile.ZipFile(repository / "ca/uhn/hapi/fhir" / name / VERSION / f"{name}-{VERSION}.jar")


def definitions(repository: Path, release: str) -> Iterator[Json]:
    """Yield the SearchParameters of a release, as JSON with the members that are needed."""
    with jar(repository, release) as opened:
        if release == "R4":
            bundle = json.loads(opened.read("org/hl7/fhir/r4/model/sp/search-parameters.json"))
            yield from (entry["resource"] for entry in bundle["entry"])
        elif release == "R4B":
            root = ET.fromstring(opened.read("org/hl7/fhir/r4b/model/sp/search-parameters.xml"))
            yield from map(_from_xml, root.iter(f"{_FHIR}SearchParameter"))
        else:
            yield from _packaged(opened, "SearchParameter")


def _from_xml(node: ET.Element) -> Json:
    found: Json = {"base": [], "target": []}
    for child in node:
        name, value = child.tag.removeprefix(_FHIR), child.get("value")
        if name in {"base", "target"}:
            found[name].append(value)
        elif value is not None:
            found[name] = value
    return found


def _packaged(opened: zipfile.ZipFile, kind: str) -> Iterator[Json]:
    archive = opened.read("org/hl7/fhir/r5/packages/hl7.fhir.r5.core-5.0.0.tgz")
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        for member in package:
            content = package.extractfile(member) if member.name.startswith(f"package/{kind}-") else None
            if content is not None and (read := json.loads(content.read()))["resourceType"] == kind:
                yield read


def systems(repository: Path) -> dict[str, tuple[str, ...]]:
    """Return the code systems of each element of type code: "MedicationRequest.status" -> addresses, of all releases."""
    found: dict[str, dict[str, None]] = {}
    for bindings, sets in (_bound_r4b(repository), _bound_r5(repository)):
        for path, address in bindings.items():
            found.setdefault(path, {}).update(dict.fromkeys(sets.get(address.partition("|")[0], ())))
    return {path: tuple(sorted(named)) for path, named in found.items() if named}


def _bound_r5(repository: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    with jar(repository, "R5") as opened:
        structures = [one for one in _packaged(opened, "StructureDefinition") if one["id"] in TYPES]
        sets = {one["url"]: one.get("compose", {}).get("include", ()) for one in _packaged(opened, "ValueSet")}
    bound = {
        element["path"]: element["binding"]["valueSet"]
        for structure in structures
        for element in structure["snapshot"]["element"]
        if "binding" in element and [kind["code"] for kind in element.get("type", ())] == ["code"]
    }
    return bound, {url: [one["system"] for one in include if "system" in one] for url, include in sets.items()}


def _bound_r4b(repository: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    with jar(repository, "R4B") as opened:
        structures = ET.fromstring(opened.read("org/hl7/fhir/r4b/model/profile/profiles-resources.xml"))
        sets = ET.fromstring(opened.read("org/hl7/fhir/r4b/model/valueset/valuesets.xml"))
    bound = {}
    for element in structures.iter(f"{_FHIR}element"):
        path = element.find(f"{_FHIR}path")
        kinds = [code.get("value") for code in element.findall(f"{_FHIR}type/{_FHIR}code")]
        address = element.find(f"{_FHIR}binding/{_FHIR}valueSet")
        if path is not None and address is not None and kinds == ["code"]:
            bound[path.get("value", "")] = address.get("value", "")
    included = {}
    for one in sets.iter(f"{_FHIR}ValueSet"):
        url = one.find(f"{_FHIR}url")
        named = one.findall(f"{_FHIR}compose/{_FHIR}include/{_FHIR}system")
        if url is not None:
            included[url.get("value", "")] = [system.get("value", "") for system in named]
    return bound, included


# ------------------------------------------------------------------------------------------------- FHIRPath to paths


def alternatives(expression: str) -> list[str]:
    """Return the parts of an expression that ``|`` separates outside of brackets."""
    parts, depth = [""], 0
    for sign in expression:
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def paths_of(expression: str, base: str, release: str) -> tuple[list[str], list[str]]:
    """Return the paths of what an expression reads of a type, and the types that it narrows a reference to.

    Raises:
        Unreadable: it says more than a path, a type and a condition.
    """
    paths: list[str] = []
    narrowed: list[str] = []
    for part in alternatives(expression):
        stated = _plain(part)
        if stated.partition(".")[0] != base and base != "Resource":
            continue
        if found := re.fullmatch(rf"{base}\.(\w+)\.exists\(\) and {base}\.\1 != false", stated):
            paths.append(f"{found.group(1)}:is-true")
            continue
        read, targets = _read(stated.partition(".")[2], base, release)
        paths += read
        narrowed += targets
    return paths, narrowed


def _plain(part: str) -> str:
    """Return ``(X as T).y`` as ``X.as(T).y`` and without brackets around the whole."""
    cast = re.sub(r"\(([\w.]+) as (\w+)\)", r"\1.as(\2)", part)
    cast = re.sub(r"^([\w.]+) as (\w+)$", r"\1.as(\2)", cast)
    return cast[1:-1] if cast.startswith("(") and cast.endswith(")") else cast


def _read(rest: str, base: str, release: str) -> tuple[list[str], list[str]]:
    """Walk the steps of a path; a choice that no type is named of stands for each of its types."""
    table = type_table(release, base)
    ends: list[tuple[str, str]] = [("", base)]
    choice = ""
    targets: list[str] = []
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if step is None:
            raise Unreadable(rest)
        at = step.end()
        if step["cast"]:
            if step["cast"] in UNREAD:
                return [], []
            if choice:
                end = f"{choice}{step['cast'][0].upper()}{step['cast'][1:]}"
                ends = [one for one in ends if one[0].rpartition(".")[2] == end]
        elif step["target"]:
            targets.append(step["target"])
        elif step["field"]:
            ends = [(f"{path}[{step['field']}={step['value']}]", kind) for path, kind in ends]
        else:
            ends, choice = _named(ends, step["name"], table, release)
        if not ends:
            raise Unreadable(rest)
    return [f"{path}:{kind}" for path, kind in ends], targets


def _named(ends: Iterable[tuple[str, str]], name: str, table: Any, release: str) -> tuple[list[tuple[str, str]], str]:
    found: list[tuple[str, str]] = []
    choice = ""
    for path, kind in ends:
        elements: Mapping[str, Element] = table.get(kind) or type_table(release, kind)[kind]
        for element in elements.values():
            if name in {element.name, element.choice}:
                choice = element.choice
                found.append((f"{path}.{element.name}".lstrip("."), element.type))
    return found, choice


# -------------------------------------------------------------------------------------------------------- the table


def of_release(repository: Path, release: str, bound: dict[str, tuple[str, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield each parameter of a release: base, code, type, paths, targets, systems."""
    for one in definitions(repository, release):
        code, kind = one.get("code", ""), one.get("type", "")
        for base in one.get("base", ()):
            wanted = base in TYPES if base != "Resource" else code in OF_EVERY_TYPE
            if not wanted or kind in LEFT_OUT_TYPES or code in LEFT_OUT:
                continue
            expression = one.get("expression") or STATED.get((release, base, code))
            if expression is None:
                raise Unreadable(f"{release} {base} {code}: no expression")
            paths, narrowed = paths_of(expression, base, release)
            if not paths:
                raise Unreadable(f"{release} {base} {code}: {expression}")
            targets = sorted(set(narrowed or one.get("target", ())))
            # A reference to any type names all of them.
            targets = targets if len(targets) < 60 else []
            named = {
                system
                for path in paths
                if path.endswith(":code")
                for system in bound.get(f"{base}.{path.rpartition(':')[0]}", ())
            }
            yield base, code, kind, tuple(dict.fromkeys(paths)), tuple(targets), tuple(sorted(named))


def table(repository: Path) -> list[Json]:
    """Return the parameters of all releases; those that say the same are one."""
    bound = systems(repository)
    releases: dict[tuple[Any, ...], list[str]] = {}
    for release in ("R4", "R4B", "R5"):
        for one in _once(of_release(repository, release, bound)):
            releases.setdefault(one, []).append(release)
    kinds: dict[tuple[str, str], set[str]] = {}
    for base, code, kind, paths, *_ in releases:
        kinds.setdefault((base, code), set()).add(_matched_as(kind, paths))
    rows = []
    for (base, code, kind, paths, targets, named), known_in in sorted(releases.items()):
        also = [path for path in ALSO.get((base, code, kind), ()) if path not in paths]
        row: Json = {"base": base, "code": code, "type": kind, "releases": known_in, "paths": [*paths, *also]}
        row |= {"targets": list(targets)} if targets else {}
        row |= {"systems": list(named)} if named else {}
        # Where releases differ in the type of a parameter, their index rows are kept apart.
        row |= {"key": f"{code}~{kind}"} if len(kinds[base, code]) > 1 and kind != "token" else {}
        rows.append(row)
    return rows


def _once(found: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return each parameter once: what is defined twice reads what either says (Condition.subject of R5)."""
    merged: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for base, code, kind, *more in found:
        there = merged.get((base, code, kind), ((), (), ()))
        paths, targets, named = ((*old, *new) for old, new in zip(there, more, strict=True))
        merged[base, code, kind] = (tuple(dict.fromkeys(paths)), tuple(sorted(set(targets))), tuple(sorted(set(named))))
    return [(*name, *said) for name, said in merged.items()]


def _matched_as(kind: str, paths: Iterable[str]) -> str:
    """Return how values are compared: what a canonical address refers to is found by the address, like a uri."""
    return "uri" if kind == "reference" and all(path.endswith(":canonical") for path in paths) else kind


def written(repository: Path = REPOSITORY) -> str:
    """Return the text of the file: one parameter a line."""
    lines = [json.dumps(row, ensure_ascii=False) for row in table(repository)]
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    TARGET.write_text(written(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY), encoding="utf-8")
