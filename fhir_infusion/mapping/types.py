"""What the two sides are made of, as tables handed in; asking them whether a path exists and what stands at its end."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from fhir_infusion.mapping.complaints import Complaints
from fhir_infusion.mapping.paths import Condition, Criterion, FStep, IStep, show_internal
from fhir_infusion.records.fields import Field

if TYPE_CHECKING:
    from fhir_infusion.mapping.document import Mark


class Element(Protocol):
    """What the mapping needs to know of a FHIR element; the table is handed in as plain data."""

    @property
    def name(self) -> str:
        """The JSON name, of a choice the concrete one."""
        ...

    @property
    def type(self) -> str:
        """The primitive, or the name of a type of the table."""
        ...

    @property
    def is_list(self) -> bool:
        """Whether it may repeat."""
        ...

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of a required binding; empty where any may stand."""
        ...


ElementTable = Mapping[str, Mapping[str, Element]]
"""Type name -> element name -> element, of one release."""

FieldTable = Mapping[str, Mapping[str, Field]]
"""Record type name -> field name -> field."""

Constants = tuple[tuple[tuple[str, ...], str], ...]
"""Paths inside an element of a slice, and the values that stand there."""


BESIDE: Final = "Element"
"""The type of ``_name``: the id and the extensions of a primitive."""


@dataclass(frozen=True, slots=True)
class End:
    """What stands at the end of a FHIR path. ``element`` is ``None`` for what stands beside a primitive."""

    type: str
    is_list: bool
    element: Element | None


@dataclass(frozen=True, slots=True)
class Types:
    """Both tables; a path that does not exist is a complaint, and the answer ``None``."""

    elements: ElementTable
    fields: FieldTable
    complaints: Complaints

    def key_of(self, record_type: str) -> str:
        """Name the field that is the key of a record type; empty where it has none."""
        return next((name for name, item in self.fields[record_type].items() if item.key), "")

    def members(self, ftype: str) -> Mapping[str, Element]:
        """Return the elements of a FHIR type; none where it is a primitive. What stands beside one is an Element."""
        if ftype == BESIDE:
            return {name: self.elements["Extension"][name] for name in ("id", "extension")}
        return self.elements.get(ftype, {})

    def internal_end(self, itype: str, steps: tuple[IStep, ...], mark: Mark) -> Field | None:
        """Return the field at the end of an internal path; the element itself where the path is empty."""
        if not steps:
            return Field(".", itype, False, "", False, False, False, (), "")  # noqa: FBT003  the columns of the table
        item: Field | None = None
        for index, step in enumerate(steps):
            members = self.fields.get(itype, {})
            item = members.get(step.name)
            if item is None:
                self.complaints.unknown(mark, step.name, f"a field of {itype}", members)
                return None
            if step.mode and not item.is_list:
                self.complaints.add(mark, f"'{step.name}' is not a list; '{show_internal((step,))}' does not apply")
                return None
            if item.is_list and index < len(steps) - 1 and step.mode not in ("only", "first"):
                self.complaints.add(mark, f"'{step.name}' is a list; its elements are mapped under `pairs`")
                return None
            itype = item.type
        return item

    def meant(self, itype: str, key: str) -> tuple[str, ...]:
        """Return the fields that an internal path, right or wrong, most likely means."""
        found = []
        for name in re.findall(r"\w+", re.sub(r"\[[^\]]*\]?", "", key)):
            members = self.fields.get(itype, {})
            meant = next(iter(difflib.get_close_matches(name, members, n=1)), name)
            found.append(meant)
            itype = members[meant].type if meant in members else ""
        return tuple(found)

    def fhir_end(self, ftype: str, steps: tuple[FStep, ...], mark: Mark) -> End | None:
        """Return what stands at the end of a FHIR path; ``[]`` may stand at its end only, and means each element."""
        end = End(ftype, is_list=False, element=None)
        for index, step in enumerate(steps):
            if end.is_list:
                name = steps[index - 1].name
                self.complaints.add(
                    mark, f"'{name}' repeats: take each element ({name}[]) or a slice; there is no first"
                )
                return None
            found = self._step(end.type, step, mark)
            if found is None:
                return None
            end = found
        return end

    def _step(self, ftype: str, step: FStep, mark: Mark) -> End | None:
        members = self.members(ftype)
        element = members.get(step.name.removeprefix("_"))
        if element is None:
            self.complaints.unknown_element(mark, step.name.removeprefix("_"), ftype, members)
            return None
        if step.name.startswith("_"):
            return End(BESIDE, is_list=False, element=None)
        if (step.criteria or step.repeats) and not element.is_list:
            self.complaints.add(mark, f"'{step.name}' does not repeat in {ftype}")
            return None
        inner = asked = step.follow or element.type
        for criterion in step.criteria:
            if criterion.test != "->":
                self._check_criterion(criterion, asked, mark)
            elif criterion.value not in self.elements:
                self.complaints.unknown(mark, criterion.value, "a FHIR type", self.elements)
                return None
            else:
                asked = criterion.value  # the others ask the resource that is referred to
        return End(inner, element.is_list and not step.criteria and not step.repeats, element)

    def _check_criterion(self, criterion: Criterion, ftype: str, mark: Mark) -> None:
        for name in criterion.path:
            members = self.members(ftype)
            if name not in members:
                self.complaints.unknown_element(mark, name, ftype, members)
                return
            ftype = members[name].type

    def check_condition(self, condition: Condition, itype: str, ftype: str, mark: Mark) -> None:
        """Complain where a condition asks for what does not exist, or for a code that cannot be there."""
        allowed: tuple[str, ...]
        if condition.side == "internal":
            item = self.internal_end(itype, tuple(IStep(name) for name in condition.path), mark)
            if item is None:
                return
            held, allowed = item.type, item.codes
        else:
            end = self.fhir_end(ftype, tuple(FStep(name) for name in condition.path), mark)
            if end is None:
                return
            held, allowed = end.type, end.element.codes if end.element is not None else ()
        if condition.test == "refers" and held != "Reference":
            self.complaints.add(mark, f"'{'.'.join(condition.path)}' is not a reference, so it refers to nothing")
        if condition.test == "in" and allowed:
            for value in condition.values:
                if value not in allowed:
                    self.complaints.unknown(mark, value, f"a code of {'.'.join(condition.path)}", allowed)

    def constants(self, step: FStep, ftype: str) -> Constants:
        """Return what writing an element of a slice sets; a criterion through a list is met by the pairs inside it."""
        start = next((criterion.value for criterion in step.criteria if criterion.test == "->"), ftype)
        found = []
        for criterion in step.criteria:
            inner, single = start, criterion.test == "="
            for name in criterion.path:
                element = self.members(inner).get(name)
                single = single and element is not None and not element.is_list
                inner = element.type if element is not None else ""
            if single:
                found.append((criterion.path, criterion.value))
        return tuple(found)
