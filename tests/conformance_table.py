"""The conformance page in the README, made from the CapabilityStatement: ``python -m tests.conformance_table``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir.releases import RELEASES
from fhir_infusion.fhir.served import SERVED
from fhir_infusion.web.fhir.definition import TYPES
from fhir_infusion.web.fhir.metadata import statement

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

README: Final = Path(__file__).parents[1] / "README.md"
BEGIN: Final = "<!-- conformance: python -m tests.conformance_table -->\n"
END: Final = "<!-- /conformance -->\n"

ALL_OF_A_TYPE: Final = (
    *("read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"),
)
"""http://hl7.org/fhir/type-restful-interaction."""
ALL_OF_THE_SYSTEM: Final = ("transaction", "batch", "search-system", "history-system")
"""http://hl7.org/fhir/system-restful-interaction."""

REFUSED: Final = {
    "MedicationRequest?_filter=status eq active": "`_filter`",
    "MedicationRequest?_contained=true": "`_contained`, `_containedType`",
    "MedicationRequest?_text=dobutamine": "`_text`, `_content`",
    "MedicationRequest?_query=named": "named queries (`_query`)",
    "MedicationRequest?_list=7": "`_list`",
    "MedicationRequest?_language=en": "`_language`, `_in`",
    "Observation?code-value-quantity=29463-7$gt70": "composite parameters (Observation)",
    "Patient?phonetic=Smith": "`phonetic`",
    "Location?near=42.2|-83.7|11|km": "`near`, `contains` (Location)",
    "MedicationRequest?code:in=http://example.org/vs": "`:in`, `:not-in`, `:above`, `:below` (no terminology server)",
}
"""Searches of the standard that are answered with 400, and what they stand for; a test asks each."""


def table() -> str:
    """Return the page: what there is of each type in each release, and what there is not."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    rests = {release: statement(release, is_open=True)["rest"][0] for release in RELEASES}
    first: Json = next(iter(rests.values()))
    # Subscriptions and topics are no resources that are kept: the README tells of them in words.
    kept = {release: [one for one in rest["resource"] if one["type"] in SERVED] for release, rest in rests.items()}
    of_types = [
        {one["code"] for one in resource["interaction"]} for resources in kept.values() for resource in resources
    ]
    everywhere = [code for code in ALL_OF_A_TYPE if all(code in codes for codes in of_types)]
    of_system = [one["code"] for one in first["interaction"]]
    yield f"Interactions of every type: {', '.join(everywhere)}; of the system: {', '.join(of_system)}. Conditional: create,"
    yield "update, patch, delete (of a single match), read. Operations and numbers of search parameters:"
    yield ""
    yield f"| type | operations | {' | '.join(rests)} | `_include` | `_revinclude` |"
    yield f"|---|---|{'---|' * len(rests)}---|---|"
    for place, resource in enumerate(next(iter(kept.values()))):
        counts = [str(len(resources[place]["searchParam"])) for resources in kept.values()]
        operations = ", ".join(f"`${one['name']}`" for one in resource["operation"])
        includes = [str(len(resource[name])) for name in ("searchInclude", "searchRevInclude")]
        yield f"| {resource['type']} | {operations} | {' | '.join(counts)} | {' | '.join(includes)} |"
    system = ", ".join(f"`${one['name']}`" for one in first["operation"])
    yield ""
    yield f"Of the system: {system}. `$validate` asks our own profiles, and those of base FHIR only."
    yield "Subscription: read, create, update, delete, search, `$status`, `$events`; topics: read, search. Our own"
    own = [one for one in first["resource"] if one["type"] in TYPES]
    asked = [f"; {one['type']} `${each['name']}`" for one in own for each in one.get("operation", ())]
    yield f"definitions ({', '.join(TYPES)}): read, search by `url`{''.join(asked)}."
    missing = [code for code in (*ALL_OF_A_TYPE, *ALL_OF_THE_SYSTEM) if code not in {*everywhere, *of_system}]
    yield ""
    yield f"Not there: {', '.join([*missing, *REFUSED.values()])}; XML (415); other types of resources (404)."


def main() -> None:
    """Write the page into the README."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    README.write_text(before + BEGIN + table() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
