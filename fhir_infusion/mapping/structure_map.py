"""The pairs of a mapping document as rules of a FHIR StructureMap: to be read by people and tools, not to be run.

https://hl7.org/fhir/R4/structuremap.html, https://hl7.org/fhir/R5/structuremap.html. A pair is a rule: its way through
the source and how the value is carried over, with both whole paths in its documentation. A way through the target has a
place only where it is one step: for more the types of both sides have to be published, and those of a record are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal

from fhir_infusion.mapping.code_tables import CodeTable
from fhir_infusion.mapping.inspect import Pair, pairs

if TYPE_CHECKING:
    from fhir_infusion.mapping.lens import Lens

Json = dict[str, Any]
To = Literal["fhir", "internal"]

CANNOT: Final = (
    "Made from the mapping document, for documentation: it is not what runs, and running it would not give the same. "
    "A StructureMap cannot say: what becomes of elements that no rule takes (they are kept with the record and go back "
    "to where they were, or are refused where they could change what the patient gets); that both directions are one "
    "table, whose laws are proven before it is used; that what has no place is refused; that every digit of a number "
    "is kept. The whole paths of both sides, the criteria of slices, conditions and codes stand in the documentation "
    "of each rule."
)


def rules(lens: Lens, codes: Mapping[str, CodeTable], to: To, release: str) -> list[Json]:
    """Return the rules of one direction, for a group whose inputs are ``source`` and ``target``.

    ``codes`` are the code tables by name; one that has a URL is named by it.
    """
    maker = _Maker(codes, to, release)
    return list(maker.rules(_nested(list(pairs(lens))), ("", lens.plan.fhir_type), "source"))


@dataclass(slots=True)
class _Node:
    """A pair with those inside it."""

    pair: Pair
    inner: list[_Node] = field(default_factory=list)


def _nested(found: Sequence[Pair]) -> list[_Node]:
    """Return the pairs with those inside a list below it."""
    top: list[_Node] = []
    around: list[_Node] = []
    for pair in found:
        while around and not _is_inside(pair, around[-1].pair):
            around.pop()
        node = _Node(pair)
        (around[-1].inner if around else top).append(node)
        if pair.how.startswith("list"):
            around.append(node)
    return top


def _is_inside(pair: Pair, outer: Pair) -> bool:
    return pair.internal.startswith(f"{outer.internal}.") and pair.fhir.startswith(f"{outer.fhir}.")


@dataclass(slots=True)
class _Maker:
    """Makes the rules of one direction; ``numbers`` name rules and variables."""

    codes: Mapping[str, CodeTable]
    to: To
    release: str
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def rules(self, nodes: Sequence[_Node], outer: tuple[str, str], context: str) -> Iterator[Json]:
        """Yield a rule a pair. ``outer`` are the paths of both sides behind the variable ``context``."""
        for node in nodes:
            number, pair = next(self.numbers), node.pair
            record = [step.partition("[")[0] for step in _inside(pair.internal, outer[0]).split(".")]
            resource = _elements(_inside(pair.fhir, outer[1]))
            source, target = (record, resource) if self.to == "fhir" else (resource, record)
            sources: list[Json] = []
            variable = context
            for at, step in enumerate(source):
                following = f"s{number}v{at}"
                sources.append({"context": variable, "element": step, "variable": following})
                variable = following
            rule: Json = {"name": f"rule{number}", "source": sources}
            if context == "source" and len(target) == 1:
                rule["target"] = [self._target(target[0], pair, variable)]
            if node.inner:
                rule["rule"] = list(self.rules(node.inner, (pair.internal, pair.fhir), variable))
            yield {**rule, "documentation": self._documentation(pair)}

    def _target(self, element: str, pair: Pair, value: str) -> Json:
        made: Json = {"context": "target", "element": element}
        if self.release != "R5":
            made["contextType"] = "variable"
        table = self.codes.get(pair.codes)
        if table is None or not table.url or pair.how.startswith("list"):
            return {**made, "transform": "copy", "parameter": [{"valueId": value}]}
        parameters = [{"valueId": value}, {"valueString": table.url}, {"valueString": "code"}]
        return {**made, "transform": "translate", "parameter": parameters}

    def _documentation(self, pair: Pair) -> str:
        ways = (pair.internal, pair.fhir) if self.to == "fhir" else (pair.fhir, pair.internal)
        said = [" -> ".join(ways), f"how: {pair.how}"]
        if pair.codes:
            said.append(f"codes: the table {pair.codes}, which is read in both directions")
        if pair.when:
            said.append(f"when: {pair.when} (a condition on fhir: decides reading, else writing)")
        return "; ".join([*said, pair.mark])


def _inside(path: str, outer: str) -> str:
    return path[len(outer) + 1 :] if outer else path


def _elements(path: str) -> list[str]:
    """Return the names of the elements on a FHIR path; a reference that is followed goes on in what it refers to."""
    return re.findall(r"[A-Za-z_]\w*", re.sub(r"\[[^\]]*\]|->\w+", "", path))
