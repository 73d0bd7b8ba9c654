"""What one reading keeps while the interpreter walks: the record, the residue, the refusals and the keys in use."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fhir_infusion.errors import BREAKS_RULE, Issue
from fhir_infusion.mapping.plan import Items, Leaf, Plan, leaves_of
from fhir_infusion.mapping.residue import (
    MARKED,
    Entry,
    derived_key,
    display_residue,
    holds_only_marks,
    left_over,
    plain_token,
)
from fhir_infusion.mapping.trace import Recorder

if TYPE_CHECKING:
    from fhir_infusion.mapping.paths import IStep

Json = dict[str, Any]


@dataclass(slots=True)
class Reading:
    """The state of one reading.

    ``guarded``: the member of the resource that is being read must be mapped or refused. ``firsts`` are the elements
    already put first into a list, by the list's record object and name. ``late`` are the pairs that took a value where
    another pair might be the one that writing chooses.
    """

    plan: Plan
    contained: dict[str, Json]
    recorder: Recorder
    entries: list[Entry] = field(default_factory=list)
    used_contained: set[str] = field(default_factory=set)
    used_keys: dict[str, int] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    guarded: bool = False
    firsts: dict[tuple[int, str], Any] = field(default_factory=dict)
    late: list[tuple[Leaf | Items, Json, str]] = field(default_factory=list)

    def refuse(self, at: str, reason: str, accepted: str, code: str = "not-supported", rule: str = "") -> None:
        """Note a refusal; reading goes on, so that all are told at once."""
        self.issues.append(Issue("error", code, at, reason, accepted, rule, BREAKS_RULE))
        self.recorder.refused(at, reason)

    def refuse_twice(self, at: str) -> None:
        """Refuse what another element of the resource has said already."""
        reason = "the same is said in another place of this resource"
        self.refuse(at, reason, "it said once", "business-rule", "alternative")

    def refuse_unread(self, at: str) -> None:
        """Refuse an element below a guarded member: it could change what the patient gets."""
        reason = "this element has no place in the record and must not be carried unread"
        self.refuse(at, reason, "an element that the mapping takes", rule="mapped-or-refused")

    def leave_contained(self, contained: list[Json]) -> None:
        """Keep the contained resources that no reference of a pair leads to, and the order of the others."""
        mapped: list[str] = []
        for index, item in enumerate(contained):
            identifier = item.get("id")
            if identifier in self.used_contained:
                mapped.append(str(identifier))
            else:
                self.entries.append(["contained[]", mapped[-1] if mapped else None, item])
                self.recorder.carried(f"{self.plan.fhir_type}.contained[{index}]", "residue", value=item)
        if mapped != sorted(mapped):
            self.entries.append(["contained[*]", None, mapped])

    def key_of(self, items: Items, elements: list[Any], index: int) -> str:
        """Return the key of a record element, deriving one where it has none; a simple value is named by itself."""
        if items.scope.plain:
            return plain_token(elements, index, items.fhir[-1].token)
        item = elements[index]
        key = item.get(items.scope.key)
        if key is None:
            key = derived_key(item, self.used_keys)
            item[items.scope.key] = key
        self.used_keys.setdefault(key, 1)
        return str(key)

    def check_chosen(self) -> None:
        """Refuse what was read from a place that writing would not choose: it would come back elsewhere."""
        for pair, record, at in self.late:
            if isinstance(pair, Items) and pair.mode == "rest":
                if self._first_is_elsewhere(pair, record):
                    reason = "the first of these belongs in a place of its own, which is empty"
                    self.refuse(at, reason, "the first in its place", "business-rule", "alternative")
                continue
            chosen = next((rival for rival in pair.rivals if _holds(rival, record)), None)
            if chosen is not pair:
                accepted = "it said in the place that the mapping writes"
                self.refuse(at, "this is not the place for it here", accepted, "business-rule", "alternative")

    def _first_is_elsewhere(self, rest: Items, record: Json) -> bool:
        """Whether writing would put the first element of a list into its own place, where none was read."""
        if rest.owner is None or rest.owner.only is None:
            return False
        holder = get(record, rest.internal[:-1])
        if (id(holder), rest.internal[-1].name) in self.firsts:
            return False
        return any(_holds(place, record) for place in leaves_of(rest.owner.only))

    def put(self, record: Json, steps: tuple[IStep, ...], value: Any) -> bool:
        """Set a record field; return whether it was free."""
        for step in steps[:-1]:
            inner = self._enter(record, step)
            if inner is None:
                return False
            record = inner
        last = steps[-1]
        if last.mode == "first" and (id(record), last.name) not in self.firsts:
            self.firsts[id(record), last.name] = value
            record.setdefault(last.name, []).insert(0, value)
        elif last.mode == "rest":
            record.setdefault(last.name, []).extend(value)
        elif last.name in record:
            return False
        else:
            record[last.name] = [value] if last.mode == "only" else value
        return True

    def _enter(self, record: Json, step: IStep) -> Json | None:
        """Return the record object behind a step, made where it is not there yet; ``None`` where it is not alone."""
        if step.mode == "first":
            first: Json | None = self.firsts.get((id(record), step.name))
            if first is None:
                first = self.firsts[id(record), step.name] = {}
                record.setdefault(step.name, []).insert(0, first)
            return first
        if step.mode == "only":
            inner: list[Json] = record.setdefault(step.name, [{}])
            return inner[0] if len(inner) == 1 else None
        found: Json = record.setdefault(step.name, {})
        return found


@dataclass(frozen=True, slots=True)
class Root:
    """The record and FHIR object of the scope that paths and conditions are relative to, and its record path."""

    record: Json
    fhir: Json
    path: str = ""

    def join(self, path: str) -> str:
        """Return the whole record path of a path in this scope."""
        return f"{self.path}.{path}" if self.path and path != "." else self.path or path


@dataclass(frozen=True, slots=True)
class Here:
    """Where reading stands: ``at`` is the path in the input."""

    state: Reading
    root: Root
    at: str

    def into(self, more: str) -> Here:
        """Go on to a member (``.name``), an element (``[2]``) or a contained resource (``->Type``)."""
        return replace(self, at=self.at + more)

    def leave(self, name: str, value: Any, marks: frozenset[str], holder: Json, described: Json | None = None) -> None:
        """Keep a member of ``holder`` as residue, or refuse it where meaning must not be; ``marks`` may always be kept.

        A display goes with a digest of what it describes, of the holder where that is not said, and goes back only
        beside the same.
        """
        state, at = self.state, f"{self.at}.{name}"
        if name == "display":
            state.entries.append([name + MARKED, None, display_residue(value, described or holder)])
            state.recorder.carried(at, "residue", value=value)
            return
        if name == "modifierExtension":
            reason = "an unknown modifier extension can change the meaning of what it stands in"
            state.refuse(at, reason, "no modifierExtension", "extension", "modifier-extension")
        elif state.guarded and not is_mark(name, marks) and not holds_only_marks(value):
            state.refuse_unread(at)
        state.entries.extend([path, None, kept] for path, kept in left_over(name, value, holder))
        state.recorder.carried(at, "residue", value=value)


def is_mark(name: str, marks: frozenset[str]) -> bool:
    """Whether a member says nothing of what the patient gets: an id, an extension, what stands beside a primitive."""
    return name in ("id", "extension") or name.startswith("_") or name in marks


def get(record: Json, steps: tuple[IStep, ...]) -> Any:
    """Return what stands at a record path, ``None`` where nothing does."""
    value: Any = record
    for step in steps:
        value = value.get(step.name) if isinstance(value, dict) else None
        if step.mode in ("only", "first") and isinstance(value, list):
            value = value[0]
    return value


def _holds(pair: Leaf | Items, record: Json) -> bool:
    """Whether writing would choose the place of a pair."""
    return all(condition.side == "fhir" or condition.holds(record) for condition in pair.conditions)
