"""Which codec moves a value: the one that the pair names, a code table, or the one that both types fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping import codecs
from fhir_infusion.mapping.codecs import KEY, NAMED, PLAIN, QUANTITY, Codec
from fhir_infusion.mapping.complaints import Complaints, near

if TYPE_CHECKING:
    from fhir_infusion.mapping.document import Mark, Table
    from fhir_infusion.mapping.types import End
    from fhir_infusion.records.fields import Field

FITS: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"string", "markdown", "id", "code", "xhtml"}),
    "markdown": frozenset({"markdown", "string"}),
    "code": frozenset({"code"}),
    "uri": frozenset({"uri", "url", "canonical", "oid", "uuid"}),
    "canonical": frozenset({"canonical", "uri"}),
    "id": frozenset({"id"}),
    "date": frozenset({"date"}),
    "dateTime": frozenset({"dateTime"}),
    "instant": frozenset({"instant"}),
    "time": frozenset({"time"}),
    "decimal": frozenset({"decimal"}),
    "positiveInt": frozenset({"positiveInt"}),
    "unsignedInt": frozenset({"unsignedInt"}),
    "integer": frozenset({"integer"}),
    "boolean": frozenset({"boolean"}),
}
"""Which FHIR primitives a record kind fits: the same values on both sides."""


@dataclass(frozen=True, slots=True)
class Fits:
    """The code tables of the library, and where complaints go."""

    codes: Mapping[str, Codec]
    complaints: Complaints

    def codec(self, target: Field, end: End, table: Table, mark: Mark) -> Codec | None:
        """Return the codec of a pair; ``None`` where no codec fits both sides, which is a complaint."""
        if "codes" in table:
            return self._code_table(target, end, table)
        if "as" in table:
            if table["as"] not in NAMED:
                accepted = ", ".join(sorted(NAMED))
                self.complaints.add(table.marks["as"], f"there is no codec '{table['as']}'; accepted: {accepted}")
                return None
            return NAMED[table["as"]]
        if target.nested:
            return QUANTITY
        if target.key and end.type in ("string", "id"):
            return KEY
        if target.kind != "key" and end.type not in FITS.get(target.kind, frozenset()):
            accepted = ", ".join(sorted(FITS.get(target.kind, ())))
            what = f"a record value of kind {target.kind} does not fit FHIR's {end.type}"
            self.complaints.add(mark, f"{what}; accepted: {accepted}")
            return None
        return self._coded(target, end, mark) if target.codes else PLAIN

    def _coded(self, target: Field, end: End, mark: Mark) -> Codec | None:
        """Return the codec of a field that holds one of some codes: nothing else is taken."""
        bound = end.element.codes if end.element is not None else ()
        extra = sorted(set(target.codes) - set(bound))
        if bound and extra:
            what = f"the record allows {', '.join(extra)}, which FHIR's '{end.element.name if end.element else ''}' does not"
            self.complaints.add(mark, f"{what}; give `codes`")
            return None
        if bound and set(bound) <= set(target.codes):
            return PLAIN
        same = {code: code for code in target.codes}
        return codecs.table(target.name, same, same)

    def _code_table(self, target: Field, end: End, table: Table) -> Codec | None:
        name, mark = table["codes"], table.marks["codes"]
        codec = self.codes.get(name)
        if codec is None or codec.codes is None:
            self.complaints.add(mark, f"there is no code table '{name}'; accepted: {near(name, self.codes)}")
            return None
        bound = end.element.codes if end.element is not None else ()
        for column, allowed, owner in zip(codec.codes, (target.codes, bound), ("the record", "FHIR"), strict=True):
            for code in column if allowed else ():
                if code not in allowed:
                    what = f"a code of {owner}'s '{target.name if owner == 'the record' else end.element.name}'"  # type: ignore[union-attr]  # it has codes
                    self.complaints.unknown(mark, code, what, allowed)
        return codec

    def constant(self, target: Field, value: Any, mark: Mark) -> None:
        """Complain where a constant could not stand in the field."""
        if target.nested or target.is_list:
            self.complaints.add(mark, f"'{target.name}' holds more than one value, so it can be no constant")
        elif target.codes and value not in target.codes:
            self.complaints.unknown(mark, str(value), f"a code of {target.name}", target.codes)
