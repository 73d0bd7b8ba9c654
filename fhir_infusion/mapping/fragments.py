"""Finding the fragment for an object: the one that the pair names, or the only one between its two types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_infusion.mapping.complaints import Complaints, near
from fhir_infusion.mapping.document import Table

if TYPE_CHECKING:
    from fhir_infusion.mapping.document import Mark


@dataclass(frozen=True, slots=True)
class Fragments:
    """The fragments that a document uses, and where complaints go."""

    known: Mapping[str, Table]
    complaints: Complaints

    def find(self, wanted: str | None, itype: str, ftype: str, mark: Mark) -> Table | None:
        """Return the fragment between two types; ``None`` where no single one fits, which is a complaint."""
        if wanted is not None:
            return self._named(wanted, (itype, ftype), mark)
        fitting = [fragment for fragment in self.known.values() if _between(fragment) == (itype, ftype)]
        if len(fitting) == 1:
            return fitting[0]
        found = "several fragments are" if fitting else "no fragment is"
        self.complaints.add(mark, f"{found} between {itype} and {ftype}; name one with `from`, or give `pairs`")
        return None

    def _named(self, wanted: str, types: tuple[str, str], mark: Mark) -> Table | None:
        fragment = self.known.get(wanted)
        if fragment is None:
            self.complaints.add(mark, f"there is no fragment '{wanted}'; accepted: {near(wanted, self.known)}")
            return None
        have = _between(fragment)
        if have != types:
            what = f"fragment '{wanted}' is between {' and '.join(map(str, have))}, not {' and '.join(types)}"
            self.complaints.add(mark, what)
            return None
        return fragment


def _between(fragment: Table) -> tuple[str | None, str | None]:
    between = fragment.get("between") or Table()
    return between.get("internal"), between.get("fhir")
