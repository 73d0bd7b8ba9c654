"""The FHIR releases that are spoken: one entry each.

To add a release: one entry here, its required bindings in ``bindings.py``, a mapping document that ``extends``.
R4 on the wire is read with fhir.resources' R4B models: its types are those of R4B but for what ``Release`` states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

ReleaseName = Literal["R4", "R4B", "R5"]


@dataclass(frozen=True, slots=True)
class Release:
    """One release.

    ``models`` is the package of fhir.resources whose models declare its structure; ``mime_version`` the value of the
    MIME parameter ``fhirVersion`` (https://hl7.org/fhir/R4/http.html#version-parameter). ``without`` and ``added``
    are the differences of the release from these models: elements ("Extension.valueRatioRange") that it lacks, and
    choices ("Extension.valueMeta" -> type) that it has besides. ``unmodelled`` are resource types that exist in the
    release but not, or otherwise, in the models: they are taken as they come.
    """

    name: ReleaseName
    version: str
    models: str
    mime_version: str
    without: frozenset[str] = frozenset()
    added: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unmodelled: frozenset[str] = frozenset()

    @property
    def path(self) -> str:
        """The path segment of the release in URLs: ``r4``."""
        return self.name.lower()


R4: Final = Release(
    "R4",
    "4.0.1",
    "fhir.resources.R4B",
    "4.0",
    without=frozenset({"Extension.valueCodeableReference", "Extension.valueRatioRange"}),
    added=MappingProxyType({"Extension.valueMeta": "Meta"}),
    unmodelled=frozenset(
        {
            *("EffectEvidenceSynthesis", "Evidence", "EvidenceVariable", "MedicinalProduct", "RiskEvidenceSynthesis"),
            *("MedicinalProductAuthorization", "MedicinalProductContraindication", "MedicinalProductIndication"),
            *("MedicinalProductIngredient", "MedicinalProductInteraction", "MedicinalProductManufactured"),
            *("MedicinalProductPackaged", "MedicinalProductPharmaceutical", "MedicinalProductUndesirableEffect"),
            *("SubstanceNucleicAcid", "SubstancePolymer", "SubstanceProtein", "SubstanceReferenceInformation"),
            *("SubstanceSourceMaterial", "SubstanceSpecification"),
        }
    ),
)
R4B: Final = Release("R4B", "4.3.0", "fhir.resources.R4B", "4.3")
R5: Final = Release("R5", "5.0.0", "fhir.resources", "5.0")

RELEASES: Final[Mapping[str, Release]] = MappingProxyType({release.name: release for release in (R4, R4B, R5)})


def release_of(name: str) -> Release:
    """Return the release of a name such as ``R4``.

    Raises:
        KeyError: a name that is not a release.
    """
    return RELEASES[name]


def release_of_mime_version(version: str) -> Release | None:
    """Return the release that a MIME parameter ``fhirVersion`` names: ``4.0``, ``4.3``, ``5.0``; None where unknown."""
    return next((release for release in RELEASES.values() if release.mime_version == version), None)
