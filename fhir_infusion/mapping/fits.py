"""Which codec moves a value: the one that the pair names, a code table, or the one that both types fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.mapping import codecs
from fhir_infusion.mapping.code_tables import CodeTable
from fhir_infusion.mapping.codecs import KEY, NAMED, PLAIN, QUANTITY, QUANTITY_TYPES, Codec
from fhir_infusion.mapping.complaints import Complaints, near

if TYPE_CHECKING:
    from fhir_infusion.mapping.code_tables import Recoding
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
    "key": frozenset({"id", "string"}),
}
"""Which FHIR primitives a record kind fits: the same values on both sides."""


CODED: Final = frozenset({"code", "string", "uri"})
"""What a code table may stand between."""


@dataclass(frozen=True, slots=True)
class Fits:
    """The code tables of the library, where complaints go, and which types a record kind fits."""

    codes: Mapping[str, CodeTable]
    complaints: Complaints
    fits: Mapping[str, frozenset[str]] = field(default_factory=lambda: FITS)

    def codec(self, target: Field, end: End, table: Table, mark: Mark) -> Codec | None:
        """Return the codec of a pair; ``None`` where no codec fits both sides, which is a complaint."""
        if "codes" in table:
            return self._code_table(target, end, table)
        if "as" in table:
            return self._named(table["as"], target, end, table.marks["as"])
        if target.nested:
            return QUANTITY
        fitting = self.fits.get(target.kind, frozenset())
        if end.type not in fitting:
            what = f"a record value of kind {target.kind} does not fit FHIR's {end.type}"
            self.complaints.add(mark, f"{what}; accepted: {', '.join(sorted(fitting))}")
            return None
        if target.codes:
            return self._coded(target, end, mark)
        return KEY if target.key else PLAIN

    def _named(self, name: str, target: Field, end: End, mark: Mark) -> Codec | None:
        if name not in NAMED:
            self.complaints.add(mark, f"there is no codec '{name}'; accepted: {', '.join(sorted(NAMED))}")
        elif target.type != "Quantity" or end.type not in QUANTITY_TYPES:
            what = f"the codec '{name}' is between Quantity and Quantity, not {target.type} and {end.type}"
            self.complaints.add(mark, what)
        return NAMED.get(name)

    def _coded(self, target: Field, end: End, mark: Mark) -> Codec | None:
        """Return the codec of a field that holds one of some codes: nothing else is taken."""
        if end.element is not None and end.element.codes:
            extra = sorted(set(target.codes) - set(end.element.codes))
            if extra:
                what = f"the record allows {', '.join(extra)}, which FHIR's {end.element.name} does not"
                self.complaints.add(mark, f"{what}; give `codes`")
                return None
            if set(end.element.codes) <= set(target.codes):
                return PLAIN
        same = {code: code for code in target.codes}
        return codecs.table(target.name, same, same)

    def _code_table(self, target: Field, end: End, table: Table) -> Codec | None:
        mark, found = table.marks["codes"], self._named_table(table)
        if found is None:
            return None
        if target.kind not in CODED or end.type not in CODED:
            what = f"a code table is between codes or texts, not {target.type} and {end.type}"
            self.complaints.add(mark, f"{what}; accepted: {', '.join(sorted(CODED))}")
            return None
        self._demand_known(found.to_fhir, target.codes, f"a code of the record's '{target.name}'", mark)
        if end.element is not None:
            self._demand_known(found.to_internal, end.element.codes, f"a code of FHIR's '{end.element.name}'", mark)
        return found.codec

    def recoding(self, target: Field, fhir_type: str, table: Table) -> Recoding | None:
        """Return what a pair's code table does to the elements of a list; ``None`` where it names none."""
        found = self._named_table(table) if "codes" in table else None
        if found is None:
            return None
        mark = table.marks["codes"]
        if (target.type, fhir_type) != ("Coding", "Coding"):
            what = f"a code table on a list is between Coding and Coding, not {target.type} and {fhir_type}"
            self.complaints.add(mark, what)
        elif not found.source or not found.target or found.source == found.target:
            self.complaints.add(mark, f"the table '{found.name}' needs a `source` and another `target` on codings")
        elif found.codec.shared:
            shared = ", ".join(sorted(found.codec.shared))
            self.complaints.add(mark, f"a table on codings is one to one, and '{found.name}' has a `back` for {shared}")
        return found.recoding()

    def _named_table(self, table: Table) -> CodeTable | None:
        name = table["codes"]
        found = self.codes.get(name)
        if found is None:
            self.complaints.add(
                table.marks["codes"], f"there is no code table '{name}'; accepted: {near(name, self.codes)}"
            )
        return found

    def _demand_known(self, column: Mapping[str, str], allowed: tuple[str, ...], what: str, mark: Mark) -> None:
        """Complain of the codes of a column that can never stand on their side; nothing allowed means anything is."""
        for code in column if allowed else ():
            if code not in allowed:
                self.complaints.unknown(mark, code, what, allowed)

    def check_constant(self, target: Field, value: Any, mark: Mark) -> None:
        """Complain where a constant could not stand in the field."""
        if target.nested or target.is_list:
            self.complaints.add(mark, f"'{target.name}' holds more than one value, so it can be no constant")
        elif target.codes and value not in target.codes:
            self.complaints.unknown(mark, str(value), f"a code of {target.name}", target.codes)
