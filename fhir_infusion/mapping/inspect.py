"""What an engineer asks of the documents: which pair takes a path, and what a corpus leaves over."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.mapping.paths import show_fhir, show_internal
from fhir_infusion.mapping.plan import IObj, Items, Leaf, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fhir_infusion.mapping.lens import Lens
    from fhir_infusion.mapping.paths import Condition
    from fhir_infusion.mapping.trace import Line

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair as the plan holds it: whole paths on both sides, its codec or list, its conditions and its file:line.

    ``codes`` names its code table, ``warn`` is what is told where it is used; both may be empty.
    """

    internal: str
    fhir: str
    how: str
    when: str
    mark: str
    codes: str = ""
    warn: str = ""


def pairs(lens: Lens) -> Iterator[Pair]:
    """Return every pair of a lens, inlined fragments included."""
    yield from _pairs(lens.plan.root, "", lens.plan.fhir_type, ())


def _pairs(scope: Scope, internal: str, fhir: str, above: tuple[int, ...]) -> Iterator[Pair]:
    for leaf in _of(scope.iobj):
        if isinstance(leaf, Leaf):
            yield _pair(leaf, internal, fhir, leaf.codec.name)
        else:
            inner = _pair(leaf, internal, fhir, f"list, key {leaf.scope.key}" if leaf.scope.key else "list")
            yield inner
            if leaf.scope.number not in above:
                yield from _pairs(leaf.scope, inner.internal, inner.fhir, (*above, leaf.scope.number))


def _of(iobj: IObj) -> Iterator[Leaf | Items]:
    for member in iobj.members.values():
        for one in (member, member.only):
            if one is not None:
                yield from one.leaves
                yield from one.items
                if one.obj is not None:
                    yield from _of(one.obj)


def _pair(pair: Leaf | Items, internal: str, fhir: str, how: str) -> Pair:
    inside = show_internal(pair.internal)
    when = "; ".join(map(_show, pair.conditions))
    whole = internal if inside == "." else f"{internal}.{inside}" if internal else inside
    recoding = pair.scope.recoding if isinstance(pair, Items) else None
    named = recoding.name if recoding is not None else how
    codes = named.removeprefix("codes(").removesuffix(")") if named.startswith("codes(") else ""
    return Pair(whole, f"{fhir}.{show_fhir(pair.fhir)}", how, when, str(pair.mark), codes, pair.warn)


def _show(condition: Condition) -> str:
    side = "fhir:" if condition.side == "fhir" else ""
    return f"{side}{'.'.join(condition.path)} {condition.test} {', '.join(condition.values)}".strip()


def explain(lens: Lens, path: str) -> list[Pair]:
    """Return the pairs whose internal or FHIR path is the path, or lies below it.

    What stands in brackets is disregarded. A FHIR path may begin with the resource type.
    """
    wanted = plain(path)
    root = lens.plan.fhir_type + "."
    whole = root + wanted.removeprefix(root)
    return [pair for pair in pairs(lens) if _is_at(pair.internal, wanted) or _is_at(pair.fhir, whole)]


def _is_at(path: str, wanted: str) -> bool:
    """Whether a path is the wanted one or lies below it."""
    return f"{plain(path)}.".startswith(wanted + ".")


def plain(path: str) -> str:
    """Return a path without brackets."""
    return re.sub(r"\[[^\]]*\]", "", path)


INFUSION: Final = re.compile(
    r"(?:contained\.|medicationReference->Medication\.|medication\.reference->Medication\.)?"
    r"(?:dosageInstruction|dosage|ingredient|device|performer|performerType|authoredOn|recorded|effective\w*|occurence\w*|"
    r"effectiveDosePeriod)\b"
)
"""The elements that say how an infusion runs: dosage, ingredients, device, performer and times."""

_ASIDE: Final = re.compile(r"(?:contained\.|.*->\w+\.)?(?:text\.(?:div|status)|meta)\b")


@dataclass(slots=True)
class Coverage:
    """What became of the element instances of a corpus.

    Narrative, meta and unknown extensions are carried whole by design: they are counted ``aside``, not in ``states``.
    ``reasons`` counts, by path and reason, the resources that were refused for it.
    """

    resources: int = 0
    changed: int = 0
    refused: int = 0
    states: Counter[str] = field(default_factory=Counter)
    infusion: Counter[str] = field(default_factory=Counter)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Return the share of element instances that are mapped, 0 to 1 (a report, never a dose)."""
        return _share(self.states)

    @property
    def infusion_share(self) -> float:
        """Return the share of the infusion elements alone (``INFUSION``)."""
        return _share(self.infusion)

    def take(self, lines: Iterable[Line]) -> None:
        """Count the ledger of one resource."""
        for line in lines:
            path = plain(line.path.partition(".")[2])
            if not path:
                continue  # resourceType of a choice of documents
            is_aside = bool(_ASIDE.match(path)) or (line.state == "carried" and "xtension" in path)
            if line.state != "mapped":
                self.left["aside" if is_aside else line.state, path] += 1
            if not is_aside:
                self.states[line.state] += 1
                if INFUSION.match(path):
                    self.infusion[line.state] += 1


def _share(states: Counter[str]) -> float:
    return states["mapped"] / states.total() if states else 1


def coverage(judge: Callable[[Json], tuple[Iterable[Line], bool]], resources: Iterable[Json]) -> Coverage:
    """Count what becomes of a corpus; ``judge`` gives the ledger of a resource and whether it comes back equal.

    It may raise ``Refused``.
    """
    found = Coverage()
    for resource in resources:
        found.resources += 1
        try:
            lines, is_same = judge(resource)
        except Refused as error:
            found.refused += 1
            found.reasons.update({(plain(issue.path), issue.reason) for issue in error.issues})
            continue
        found.changed += not is_same
        found.take(lines)
    return found
