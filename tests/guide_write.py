"""The implementation guides that list our definitions, one for each release: ``python -m tests.guide_write`` writes them.

https://hl7.org/fhir/R4/implementationguide.html. HL7's publisher takes them with ``profiles/`` as its input.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

PROFILES: Final = Path(__file__).parents[1] / "profiles"
BASE: Final = "https://w3id.org/fhir-infusion"
FHIR_VERSION: Final = {"R4": "4.0.1", "R5": "5.0.0"}
CROSS_VERSION: Final = {"R4": "hl7.fhir.uv.xver-r5.r4", "R5": "hl7.fhir.uv.xver-r4.r5"}
"""HL7's package of extensions for the elements that only the other release has."""

Json = dict[str, Any]


def path_of(release: str) -> Path:
    """Return the file of a release's guide."""
    return PROFILES / release.lower() / f"ImplementationGuide-fhir-infusion-{release.lower()}.json"


def definitions(release: str) -> list[Json]:
    """Return the definitions that a guide lists: those of every release, then its own profiles."""
    found = [*PROFILES.glob("*.json"), *(PROFILES / release.lower()).glob("*.json")]
    read = [json.loads(path.read_text(encoding="utf-8")) for path in found if path != path_of(release)]
    return sorted(read, key=lambda one: (one["resourceType"], one["id"]))


def guide(release: str) -> Json:
    """Return the guide of a release."""
    name = f"fhir-infusion-{release.lower()}"
    package = CROSS_VERSION[release]
    mark = {"exampleBoolean": False} if release == "R4" else {"isExample": False}
    listed = definitions(release)
    return {
        "resourceType": "ImplementationGuide",
        "id": name,
        "url": f"{BASE}/ImplementationGuide/{name}",
        "version": listed[0]["version"],
        "name": f"FhirInfusion{release}",
        "title": f"Infusion orders and administrations in FHIR {release}",
        "status": "active",
        "experimental": False,
        "date": max(one["date"] for one in listed),
        "publisher": "fhir-infusion",
        "description": "What fhir-infusion sends: profiles of the infusion order and administration, the extensions for "
        "what FHIR has no place for, and their codes.",
        "packageId": f"org.w3id.{name}",
        "license": "Apache-2.0",
        "fhirVersion": [FHIR_VERSION[release]],
        "dependsOn": [
            {
                "id": "xver",
                "uri": f"http://hl7.org/fhir/uv/xver/ImplementationGuide/{package}",
                "packageId": package,
                "version": "0.1.0",
            }
        ],
        "definition": {
            "resource": [
                {
                    "reference": {"reference": f"{one['resourceType']}/{one['id']}"},
                    "name": one.get("title", one["id"]),
                    "description": one["description"],
                    **mark,
                }
                for one in listed
            ],
            "page": page(release),
        },
    }


def page(release: str) -> Json:
    """Return the one page, whose text is the README of the definitions."""
    title = {"title": "Definitions", "generation": "markdown"}
    return (
        {"nameUrl": "README.html", **title}
        if release == "R4"
        else {"sourceUrl": "README.md", "name": "README.html", **title}
    )


def written(release: str) -> str:
    """Return the text of a guide's file."""
    return json.dumps(guide(release), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in FHIR_VERSION:
        path_of(each).write_text(written(each), encoding="utf-8")
