"""Code tables: ConceptMaps that are read both ways.

On a code a table moves the code; on a list of codings it moves system and code together, and everything else of the
coding stays. There the law of a codec holds because no coding has two ways: one that the table names on the other side
only would come back as something else, so it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping import codecs
from fhir_infusion.mapping.codecs import DECLINED, Codec
from fhir_infusion.mapping.document import CODE_TABLE_SHAPES, Table, misshapen

_Code = tuple[str, str]
"""System and code."""

RELEASES: Final = ("R4", "R5")
UNCHANGED: Final[Mapping[str, str]] = {}
NO_WAY_BACK: Final = "this mapping writes another code on this side, and would not give this one back"
"""Why a coding is refused."""


@dataclass(frozen=True, slots=True)
class Recoding:
    """What a table does to a coding: the members that change, none, or ``DECLINED`` for one that has no way back.

    A coding with a ``version`` is not changed: the version is one of its own system.
    """

    name: str
    to_fhir: Mapping[_Code, _Code]
    to_internal: Mapping[_Code, _Code]

    def read(self, coding: Mapping[str, Any]) -> Any:
        """Return what changes in a coding that comes from FHIR."""
        return _changed(coding, self.to_internal, self.to_fhir)

    def write(self, coding: Mapping[str, Any]) -> Any:
        """Return what changes in a coding that goes to FHIR."""
        return _changed(coding, self.to_fhir, self.to_internal)

    def accepts(self, coding: Mapping[str, Any], column: Mapping[_Code, _Code]) -> str:
        """Return what to send instead of a coding that was declined."""
        return "|".join(column[coding["system"], coding["code"]])


def _changed(coding: Mapping[str, Any], column: Mapping[_Code, _Code], other: Mapping[_Code, _Code]) -> Any:
    if "version" in coding:
        return UNCHANGED
    code = (coding.get("system", ""), coding.get("code", ""))
    if code in column:
        system, name = column[code]
        return {"system": system, "code": name}
    return DECLINED if code in other else UNCHANGED


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A code table as its file has it: the codes of ``source`` are the record's, those of ``target`` FHIR's.

    ``release`` is the one that ``target`` is of, R4 for R4B too; empty where both have the same codes.
    """

    name: str
    url: str
    description: str
    source: str
    target: str
    release: str
    codec: Codec

    @property
    def to_fhir(self) -> Mapping[str, str]:
        """Internal code to FHIR code."""
        return self.codec.codes[0] if self.codec.codes else {}

    @property
    def to_internal(self) -> Mapping[str, str]:
        """FHIR code to internal code."""
        return self.codec.codes[1] if self.codec.codes else {}

    def is_for(self, release: str) -> bool:
        """Whether a release has the codes of ``target``."""
        return self.release in ("", "R4" if release == "R4B" else release)

    def recoding(self) -> Recoding:
        """Return the table as it is used on codings."""
        source, target = self.source, self.target
        return Recoding(
            self.codec.name,
            {(source, internal): (target, fhir) for internal, fhir in self.to_fhir.items()},
            {(target, fhir): (source, internal) for fhir, internal in self.to_internal.items()},
        )


def code_table(table: Table) -> CodeTable:
    """Build a code table: ``map`` internal to FHIR; ``back`` names the way where several share a code.

    Raises:
        DocumentError: the file is misshapen, or a code has no single way back.
    """
    wrong = misshapen(table, CODE_TABLE_SHAPES, "a code table")
    if wrong:
        raise DocumentError(*wrong)
    if table.get("release", "R4") not in RELEASES:
        raise DocumentError(f"{table.marks['release']}: the release of a code table is {' or '.join(RELEASES)}")
    forward = table.get("map")
    if not forward:
        raise DocumentError(f"{table.mark}: a code table has a `map` of internal codes to FHIR codes")
    back = table.get("back") or Table()
    to_internal: dict[str, str] = {}
    for internal, fhir in forward.items():
        if str(fhir) in to_internal and str(fhir) not in back:
            what = f"'{fhir}' stands for two internal codes; name the way back under `back`"
            raise DocumentError(f"{forward.marks[internal]}: {what}")
        to_internal[str(fhir)] = internal
    for fhir, internal in back.items():
        if internal not in forward:
            what = f"'{internal}' is not an internal code of this table; accepted: {', '.join(forward)}"
            raise DocumentError(f"{back.marks[fhir]}: {what}")
        if str(forward[internal]) != fhir:
            what = f"'{internal}' becomes '{forward[internal]}', so '{fhir}' cannot come back as it"
            raise DocumentError(f"{back.marks[fhir]}: {what}")
        to_internal[fhir] = str(internal)
    codec = codecs.table(table["codes"], {key: str(value) for key, value in forward.items()}, to_internal)
    head = {name: str(table.get(name) or "") for name in ("url", "description", "source", "target", "release")}
    return CodeTable(name=table["codes"], codec=codec, **head)
