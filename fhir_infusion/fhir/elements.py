"""The structure of a release as plain data: type name -> element name -> ``Element``.

Derived from the models of fhir.resources, which HL7's StructureDefinitions generate; what the models leave out
(required bindings, SimpleQuantity, differences of R4) comes from ``bindings`` and ``releases``. A type is a resource
("MedicationRequest"), a datatype ("Quantity") or a part of either, named by its path
("MedicationRequest.dispenseRequest", "Dosage.doseAndRate", "Timing.repeat").
"""

from __future__ import annotations

import functools
import importlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir.bindings import codes_of, is_simple_quantity
from fhir_infusion.fhir.releases import RELEASES, Release

if TYPE_CHECKING:
    from fhir_core.fhirabstractmodel import FHIRAbstractModel
    from pydantic.fields import FieldInfo

Table = Mapping[str, Mapping[str, "Element"]]

ROOTS: Final = (
    "MedicationRequest",
    "MedicationAdministration",
    "Medication",
    "Substance",
    "BodyStructure",
    "Patient",
    "Encounter",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "Device",
    "Observation",
    "Condition",
    "RelatedPerson",
    "EpisodeOfCare",
    "MedicationDispense",
    "CarePlan",
    "Provenance",
    "Bundle",
    "OperationOutcome",
)
"""The resources of ``table``; others are worked out when one is met (``type_table``)."""

PRIMITIVES: Final = frozenset(
    {
        "base64Binary",
        "boolean",
        "canonical",
        "code",
        "date",
        "dateTime",
        "decimal",
        "id",
        "instant",
        "integer",
        "integer64",
        "markdown",
        "oid",
        "positiveInt",
        "string",
        "time",
        "unsignedInt",
        "uri",
        "url",
        "uuid",
        "xhtml",
    }
)

_PRIMITIVE_OF: Final = {name.lower(): name for name in PRIMITIVES} | {"uuidversion": "uuid"}
_ABSTRACT: Final = frozenset({"Resource", "DomainResource", "CanonicalResource", "MetadataResource"})
_NOT_AN_ELEMENT: Final = frozenset({"fhir_comments", "resource_type"})


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type, under its JSON name (a choice once for each of its types: ``doseQuantity``).

    ``type`` names a primitive, another type of the table, or ``Resource`` (any resource). ``choice`` is the name of
    the choice it belongs to (``dose``) or empty; ``required`` then tells whether one of the choice must be there.
    ``targets`` are the resource types a Reference or CodeableReference may point to (empty: any); ``codes`` the
    required binding (empty: none, or too large to list). ``extensible`` tells whether ``_name`` may stand beside it,
    ``in_summary`` whether it is of the summary (https://hl7.org/fhir/R4/search.html#summary).
    """

    name: str
    type: str
    is_list: bool
    required: bool
    choice: str
    targets: tuple[str, ...]
    codes: tuple[str, ...]
    primitive: bool
    extensible: bool
    order: int
    in_summary: bool = False

    @property
    def path_name(self) -> str:
        """The name in a FHIRPath expression: ``dose`` for ``doseQuantity``."""
        return self.choice or self.name


@functools.cache
def table(release: str) -> Table:
    """Return the element table of a release: the types of ``ROOTS`` and every type that they reach.

    Raises:
        KeyError: ``release`` is not R4, R4B or R5.
    """
    types: dict[str, Mapping[str, Element]] = {}
    for root in ROOTS:
        types |= type_table(release, root)
    return MappingProxyType(types)


@functools.cache
def type_table(release: str, name: str) -> Table:
    """Return the table of one resource type or datatype and every type that it reaches.

    Raises:
        KeyError: the release has no type of this name.
    """
    found: dict[str, Mapping[str, Element]] = {}
    to_do = [name]
    while to_do:
        current = to_do.pop()
        if current in found:
            continue
        found[current] = elements = _elements(release, current)
        to_do += [element.type for element in elements.values() if not element.primitive and element.type != "Resource"]
    return MappingProxyType(found)


@functools.cache
def is_resource_type(release: str, name: str) -> bool:
    """Tell whether a release has a resource type of this name whose structure is known."""
    module = importlib.import_module(f"{RELEASES[release].models}.fhirtypes")
    declared = getattr(getattr(module, f"{name}Type", None), "_model_klass", None)
    if declared != f"{RELEASES[release].models}.{name.lower()}.{name}" or name in _ABSTRACT:
        return False
    return issubclass(_model(RELEASES[release], name), _model(RELEASES[release], "Resource"))


@functools.cache
def type_names(release: str) -> frozenset[str]:
    """Return the names of the resource types and datatypes of a release, without loading any."""
    origin = RELEASES[release]
    declared = vars(importlib.import_module(f"{origin.models}.fhirtypes")).values()
    models = [getattr(hint, "_model_klass", "") for hint in declared]
    pairs = [model.rsplit(".", 2)[-2:] for model in models if isinstance(model, str) and model.count(".") > 1]
    return frozenset(name for module, name in pairs if module == name.lower()) - _ABSTRACT | origin.unmodelled


# ------------------------------------------------------------------------------------- reading fhir.resources' models


def _elements(release: str, type_name: str) -> Mapping[str, Element]:
    """Return the elements of one type, in the order of the standard."""
    origin = RELEASES[release]
    model = _model(origin, _model_name(origin, type_name))
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    sequence = [name for name in model.elements_sequence() if f"{type_name}.{name}" not in origin.without]
    if type_name == "SimpleQuantity":
        sequence.remove("comparator")
    elements = {}
    for order, name in enumerate(sequence):
        elements[name] = _element(origin, type_name, name, fields, order)
    for path, added in origin.added.items():
        owner, _, name = path.rpartition(".")
        if owner == type_name:
            sibling = next(iter(item for item in elements.values() if item.choice == name.removesuffix(added)))
            elements[name] = replace(
                sibling, name=name, type=added, primitive=False, extensible=False, order=len(elements)
            )
    return MappingProxyType(elements)


def _element(origin: Release, type_name: str, name: str, fields: Mapping[str, FieldInfo], order: int) -> Element:
    field = fields[name]
    extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    declared, is_list = _declared_type(field)
    path = f"{type_name}.{name}"
    choice = str(extra.get("one_of_many", ""))
    required = bool(
        extra.get("one_of_many_required") if choice else field.is_required() or extra.get("element_required")
    )
    primitive = declared in PRIMITIVES
    targets = tuple(extra.get("enum_reference_types", ())) if not primitive else ()
    return Element(
        name=name,
        type=declared if primitive else _type_name(origin, path, declared),
        is_list=is_list,
        required=required,
        choice=choice,
        targets=() if "Resource" in targets else targets,
        codes=codes_of(origin.name, path, tuple(extra.get("enum_values", ()))) if primitive else (),
        primitive=primitive,
        # The id of a resource is FHIR's own type, that of an element and the url of an extension are plain strings.
        extensible=primitive and (name != "id" or declared == "id") and path != "Extension.url",
        order=order,
        in_summary=bool(extra.get("summary_element_property")),
    )


def _declared_type(field: FieldInfo) -> tuple[str, bool]:
    """Return the type that a model's field declares and whether it is a list.

    Declared are: ``bool``, ``Annotated[python type, FHIR primitive]``, the stand-in ``XType`` of a model, and lists
    and unions with None of these. A field's own metadata holds the primitive where the annotation was unpacked.
    """
    is_list = False
    to_do = [field.annotation, *field.metadata]
    while to_do:
        hint = to_do.pop(0)
        origin = typing.get_origin(hint)
        if origin is list:
            is_list = True
        if origin is typing.Annotated:
            to_do = [*hint.__metadata__, *to_do]
        elif origin is not None:
            to_do += typing.get_args(hint)
        elif hint is bool:
            return "boolean", is_list
        elif isinstance(hint, type):
            if hasattr(hint, "_model_klass"):
                return hint.__name__.removesuffix("Type"), is_list
        else:
            primitive = _PRIMITIVE_OF.get(type(hint).__name__.lower())
            if primitive:
                return primitive, is_list
    raise TypeError(f"fhir.resources declares a type that is not known: {field.annotation}")


def _type_name(origin: Release, path: str, declared: str) -> str:
    """Return the name of a declared type: a part of a type by its path, SimpleQuantity where the standard says so."""
    if declared == "Quantity" and is_simple_quantity(origin.name, path):
        return "SimpleQuantity"
    return _parts(origin.name, path.partition(".")[0]).get(declared, declared)


def _model_name(origin: Release, type_name: str) -> str:
    """Return the name of the model of a type."""
    root, dot, _ = type_name.partition(".")
    if not dot:
        return type_name
    models = {path: model for model, path in _parts(origin.name, root).items()}
    return models[type_name]


@functools.cache
def _parts(release: str, root: str) -> Mapping[str, str]:
    """Return model name -> path for each part of a resource or datatype (``TimingRepeat`` -> ``Timing.repeat``).

    A part's model is named by joining the names on its path; an element that refers to a part declared elsewhere
    (``Observation.component.referenceRange``) has another model's name, and adds nothing here.
    """
    paths: dict[str, str] = {}
    to_do = [(root, root)]
    while to_do:
        name, path = to_do.pop()
        for field_name, field in _model(RELEASES[release], name).model_fields.items():
            json_name = field.alias or field_name
            part = f"{name}{json_name[:1].upper()}{json_name[1:]}"
            if field_name not in _NOT_AN_ELEMENT and _declared_type(field)[0] == part:
                paths[part] = f"{path}.{json_name}"
                to_do.append((part, paths[part]))
    return MappingProxyType(paths)


def _model(origin: Release, name: str) -> type[FHIRAbstractModel]:
    """Return the model of a type; ``name`` as fhir.resources writes it.

    Raises:
        KeyError: no such type.
    """
    package = importlib.import_module(origin.models)
    try:  # SimpleQuantity is a profile of Quantity, and has no model of its own
        model: type[FHIRAbstractModel] = package.get_fhir_model_class("Quantity" if name == "SimpleQuantity" else name)
    except ValueError:
        raise KeyError(name) from None
    return model
