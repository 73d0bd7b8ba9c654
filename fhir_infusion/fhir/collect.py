"""The validator that finds everything: each fault of a resource, with its place.

Walks a resource along the element table of its release. It is the measure of right and wrong; ``generate`` makes the
quick one, which only tells that nothing is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Issue
from fhir_infusion.fhir import gates, narrative, references
from fhir_infusion.fhir.conditions import exists
from fhir_infusion.fhir.elements import Element, is_resource_type, type_names, type_table
from fhir_infusion.fhir.exact import name_in_path
from fhir_infusion.fhir.invariants import invariants_of
from fhir_infusion.fhir.primitives import HIDDEN, fault, json_kind
from fhir_infusion.fhir.releases import RELEASES

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRIMITIVE_PARTS: Final = frozenset({"id", "extension"})
_ADDRESSES: Final = frozenset({"uri", "url", "canonical"})


def collect(resource: Any, release: str) -> tuple[Issue, ...]:
    """Return every issue of a resource.

    Raises:
        KeyError: ``release`` is not R4, R4B or R5.
    """
    issues: list[Issue] = []
    _Walk(release, issues).root(resource, "")
    return tuple(issues)


_TREATED: Final = {"Patient", "Group"}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object stands.

    Its path, whether drug or dose is said there, the targets of a reference there, and whether it is within an
    extension (where a part may have a relative URL).
    """

    path: str
    medical: bool = False
    targets: tuple[str, ...] = ()
    nested: bool = False


@dataclass(slots=True)
class _Walk:
    """One walk through one resource and what it contains; an entry of a Bundle is a walk of its own."""

    release: str
    issues: list[Issue]
    local: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    inside_contained: bool = False

    # ------------------------------------------------------------------------------------------------- resources

    def root(self, node: Any, path: str) -> None:
        """Visit a resource that stands for itself."""
        if not isinstance(node, dict):
            self.report("structure", path, f"{json_kind(node)} for a resource", "an object")
            return
        self.local = references.local_types(node)
        name = self.resource(node, path)
        if name and not self.inside_contained:
            self.containment(node, path or name)

    def resource(self, node: dict[str, Any], path: str) -> str:
        """Visit a resource; return its type, empty where that is not known."""
        name = node.get("resourceType")
        where = f"{path}.resourceType" if path else "resourceType"
        if not isinstance(name, str):
            self.report("structure", where, "no resourceType", "the name of a resource type")
            return ""
        if name in RELEASES[self.release].unmodelled:
            return name
        if not is_resource_type(self.release, name):
            self.report("structure", where, "not a resource type", f"a resource type of {self.release}")
            return ""
        members = {key: value for key, value in node.items() if key != "resourceType"}
        self.members(members, name, _Place(path or name))
        if name == "MedicationAdministration" and not gates.zero_is_right(node):
            self.issues.append(gates.zero_dose(f"{path or name}.dosage.dose.value"))
        return name

    def inner(self, node: Any, element: Element, path: str) -> None:
        """Visit a resource within a resource: contained, or of its own (an entry of a Bundle, a parameter)."""
        if element.name != "contained":
            _Walk(self.release, self.issues).root(node, path)
            return
        if not isinstance(node, dict):
            self.report("structure", path, f"{json_kind(node)} for a resource", "an object")
            return
        if self.inside_contained:
            self.report("invariant", path, "a contained resource within a contained one", "one level", "dom-2")
            return
        self.inside_contained, used = True, self.used
        self.used = set()
        self.resource(node, path)
        points_back, self.inside_contained = "" in self.used, False
        self.used |= used
        if points_back and isinstance(node.get("id"), str):
            self.used.add(node["id"])

    def containment(self, node: dict[str, Any], path: str) -> None:
        """Check that each contained resource is referred to, and claims no life of its own (dom-3 to dom-5)."""
        contained = node.get("contained")
        seen: set[str] = set()
        for index, item in enumerate(contained if isinstance(contained, list) else ()):
            if not isinstance(item, dict):
                continue
            place = f"{path}.contained[{index}]"
            name = item.get("id") if isinstance(item.get("id"), str) else None
            if name is not None and name in seen:
                self.report("structure", f"{place}.id", "two contained resources of one id", "an id of its own")
            seen |= {name} if name is not None else set()
            if name is None or name not in self.used:
                self.report("invariant", place, "a contained resource that nothing refers to", "a reference", "dom-3")
            meta = item.get("meta")
            if isinstance(meta, dict) and any(exists(meta, name) for name in ("versionId", "lastUpdated")):
                self.report("invariant", f"{place}.meta", "a version of a contained resource", "none", "dom-4")
            if isinstance(meta, dict) and "security" in meta:
                self.report("invariant", f"{place}.meta.security", "a label on a contained resource", "none", "dom-5")

    # --------------------------------------------------------------------------------------------------- objects

    def members(self, node: dict[str, Any], type_name: str, place: _Place) -> None:
        """Visit the members of an object of a type of the table."""
        before = len(self.issues)
        elements = type_table(self.release, type_name.partition(".")[0])[type_name]
        if not node and not is_resource_type(self.release, type_name):
            self.report("structure", place.path, "an object without content", "at least one element", "ele-1")
        for key, value in node.items():
            element = elements.get(key.removeprefix("_"))
            if element is None or (key.startswith("_") and not element.extensible):
                self.unknown(key, type_name, place)
            elif key.startswith("_"):
                self.sibling(value, node.get(element.name), element, f"{place.path}.{element.path_name}")
            elif element.is_list:
                self.array(value, node.get(f"_{key}"), type_name, element, place)
            elif isinstance(value, list):
                path = f"{place.path}.{element.path_name}"
                self.report("structure", path, "an array for a single element", "one value, not an array")
            else:
                self.value(value, element, self.below(place, type_name, element))
        self.presence(node, elements, place.path)
        if len(self.issues) == before:
            for invariant in invariants_of(self.release, type_name):
                if not invariant.holds(node):
                    self.report("invariant", place.path, invariant.reason, invariant.accepted, invariant.rule)
        self.gates(node, type_name, place)

    def below(self, place: _Place, type_name: str, element: Element, index: str = "") -> _Place:
        """Return the place of an element of an object."""
        path = f"{place.path}.{element.path_name}{index}"
        medical = element.name != "extension" and (place.medical or gates.is_medical(type_name, element.name))
        inherited = place.targets if type_name == "CodeableReference" and element.name == "reference" else ()
        return _Place(path, medical, element.targets or inherited, type_name == "Extension")

    def array(self, node: Any, twin: Any, type_name: str, element: Element, place: _Place) -> None:
        """Visit an element that repeats; null is right where the ``_`` twin has something."""
        path = f"{place.path}.{element.path_name}"
        if not isinstance(node, list):
            self.report("structure", path, f"{json_kind(node)} for an array", "an array")
            return
        if not node:
            self.report("structure", path, "an empty array", "at least one item, or no array")
        for index, item in enumerate(node):
            if item is None and element.primitive and _item(twin, index) is not None:
                continue
            if isinstance(item, list):
                self.report("structure", f"{path}[{index}]", "an array within an array", "a single value")
                continue
            self.value(item, element, self.below(place, type_name, element, f"[{index}]"))

    def value(self, value: Any, element: Element, place: _Place) -> None:
        """Visit one value of an element."""
        if value is None:
            self.report("value", place.path, "null is not a value", "a value, or no property")
        elif element.primitive:
            self.primitive(value, element, place)
        elif element.type == "Resource":
            self.inner(value, element, place.path)
        elif not isinstance(value, dict):
            self.report("structure", place.path, f"{json_kind(value)} for a {element.type}", "an object")
        else:
            self.members(value, element.type, place)

    def primitive(self, value: Any, element: Element, place: _Place) -> None:
        """Visit the value of a primitive."""
        found = fault("string" if element.type == "xhtml" else element.type, value)
        if found is not None:
            # A string in place of an object or array is a matter of structure; of number or boolean, of value.
            code = "structure" if isinstance(value, dict | list) else found.code
            self.report(code, place.path, found.reason, found.accepted)
        elif element.codes and value not in element.codes:
            self.report("code-invalid", place.path, "a code outside the required binding", ", ".join(element.codes))
        elif element.type == "xhtml":
            reason = narrative.fault(value)
            if reason:
                self.issues.append(gates.narrative(place.path, reason))
        elif isinstance(value, str):
            if place.medical and HIDDEN.search(value):
                self.issues.append(gates.hidden_character(place.path))
            if element.type in _ADDRESSES and value.startswith("#"):
                self.used.add(value[1:])

    def sibling(self, node: Any, value: Any, element: Element, path: str) -> None:
        """Visit the ``_`` twin of a primitive: its id and extensions."""
        if not element.is_list:
            self.primitive_parts(node, path)
            if value is None and isinstance(node, dict) and "extension" not in node:
                self.report("structure", path, "neither a value nor an extension", "one of the two", "ele-1")
            return
        if not isinstance(node, list):
            self.report("structure", path, f"{json_kind(node)} for an array", "an array")
            return
        for index, item in enumerate(node):
            if item is not None:
                self.primitive_parts(item, f"{path}[{index}]")
            elif _item(value, index) is None:
                self.report("value", f"{path}[{index}]", "null on both sides", "a value or an extension")

    def primitive_parts(self, node: Any, path: str) -> None:
        """Visit id and extension of a primitive."""
        if not isinstance(node, dict):
            self.report("structure", path, f"{json_kind(node)} for id and extension", "an object")
            return
        if not node:
            self.report("structure", path, "an object without content", "at least one element", "ele-1")
        for key in node:
            if key not in _PRIMITIVE_PARTS:
                self.report("structure", f"{path}.{name_in_path(key)}", "an unknown element", "id, extension")
        element = type_table(self.release, "Period")["Period"]
        if "id" in node:
            self.value(node["id"], element["id"], _Place(f"{path}.id"))
        if "extension" in node:
            self.array(node["extension"], None, "Element", element["extension"], _Place(path))

    # ------------------------------------------------------------------------------------------------- the checks

    def unknown(self, key: str, type_name: str, place: _Place) -> None:
        """Report an element that the type does not have."""
        if type_name == "SimpleQuantity" and key == "comparator":
            self.report("invariant", place.path, "a comparator", "an exact quantity", "sqty-1")
            return
        others = [other for other in RELEASES if other != self.release and _knows(other, type_name, key)]
        hint = f"an element of {self.release}" + (f"; try --release {others[-1]}" if others else "")
        self.report("structure", f"{place.path}.{name_in_path(key)}", "an unknown element", hint)

    def presence(self, node: dict[str, Any], elements: Mapping[str, Element], path: str) -> None:
        """Check that what is required is there, and of each choice no more than one."""
        wanted: dict[str, bool] = {}
        found: dict[str, int] = {}
        for name, element in elements.items():
            group = element.path_name
            wanted[group] = wanted.get(group, False) or element.required
            if exists(node, name):
                found[group] = found.get(group, 0) + 1
        for group, required in wanted.items():
            if required and group not in found:
                self.report("required", f"{path}.{group}", "a required element is missing", f"{group}")
            if found.get(group, 0) > 1:
                self.report("structure", f"{path}.{group}", "more than one of a choice", f"one {group}[x]")

    def gates(self, node: dict[str, Any], type_name: str, place: _Place) -> None:
        """Check the rules of safety."""
        if "modifierExtension" in node:
            self.issues.append(gates.modifier_extension(place.path))
        if exists(node, "implicitRules") and "." not in type_name:
            self.issues.append(gates.implicit_rules(place.path))
        if type_name == "MedicationRequest" and node.get("doNotPerform") is True:
            self.issues.append(gates.prohibition(place.path))
        if type_name == "Reference":
            self.reference(node, place)
        self.absolute(node, type_name, place)
        value = node.get("value")
        if place.medical and type_name in gates.AMOUNTS and isinstance(value, int | Decimal) and value < 0:
            self.issues.append(gates.negative_amount(f"{place.path}.value"))

    def absolute(self, node: dict[str, Any], type_name: str, place: _Place) -> None:
        """Check the two addresses that must be absolute: a system of identifiers, and what an extension is."""
        name = {"Identifier": "system", "Extension": "" if place.nested else "url"}.get(type_name, "")
        address = node.get(name)
        if isinstance(address, str) and ":" not in address:
            self.report("value", f"{place.path}.{name}", "not an absolute URI", "a URI with its scheme")

    def reference(self, node: dict[str, Any], place: _Place) -> None:
        """Check where a reference points to, as far as its text tells."""
        text, stated = node.get("reference"), node.get("type")
        stated = stated if isinstance(stated, str) else ""
        path = f"{place.path}.reference"
        if not isinstance(text, str):
            self.target(stated, place)
        elif references.is_unsafe(text):
            self.issues.append(gates.unsafe_reference(path))
        elif references.has_space(text):
            self.report("value", path, "not a reference", "Type/id, #id, urn:uuid:… or an address without spaces")
        elif text.startswith("#"):
            self.local_reference(text[1:], place, path)
        else:
            spelled = references.literal_type(text)
            if stated and spelled and stated != spelled and stated in type_names(self.release):
                self.report("structure", f"{place.path}.type", "another type than the reference spells", spelled)
            else:
                self.target(spelled or stated, place, spelled=bool(spelled) and ":" not in text)

    def local_reference(self, name: str, place: _Place, path: str) -> None:
        """Check a reference to something contained, whose type is known for sure."""
        self.used.add(name)
        if name in self.local:
            if place.targets and self.local[name] not in place.targets:
                reason = "a reference to a contained resource of another type"
                self.report("structure", path, reason, ", ".join(place.targets))
        elif name or not self.inside_contained:
            self.report("invariant", path, "nothing contained by that id", "#id of a contained resource", "ref-1")

    def target(self, name: str, place: _Place, *, spelled: bool = False) -> None:
        """Warn of a target of another type: HL7's validator lets it pass unless it sees the target itself.

        Who is treated is never in doubt: a subject that is spelled, and is no one who can be, is an error.
        """
        if place.targets and name not in place.targets and name in type_names(self.release):
            reason, accepted = "a reference to a resource of another type", ", ".join(place.targets)
            if spelled and place.path.endswith(".subject") and set(place.targets) == _TREATED:
                self.report("structure", place.path, reason, accepted, "reference-target")
                return
            self.issues.append(Issue("warning", "structure", place.path, reason, accepted, "reference-target"))

    def report(self, code: str, path: str, reason: str, accepted: str, rule: str = "") -> None:
        """Keep an error against base FHIR."""
        self.issues.append(Issue("error", code, path, reason, accepted, rule))


def _item(items: Any, index: int) -> Any:
    return items[index] if isinstance(items, list) and index < len(items) else None


def _knows(release: str, type_name: str, name: str) -> bool:
    try:
        return name in type_table(release, type_name.partition(".")[0]).get(type_name, {})
    except KeyError:
        return False
