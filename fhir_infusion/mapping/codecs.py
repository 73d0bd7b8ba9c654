"""Named codecs: what moves a value between the two sides where a path alone does not say it.

A codec is a pair of pure functions with one law: ``write(read(x)) == x`` for every x that ``read`` takes, and
``read(write(y)) == y`` for every y that ``write`` takes. A codec may decline a value (``DECLINED``): the next
alternative of the pair is tried, and where none takes it the input is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fhir_infusion.mapping.residue import read_key, write_key
from fhir_infusion.records.rates import is_rate
from fhir_infusion.records.units import REPAIRS

UCUM: Final = "http://unitsofmeasure.org"

DECLINED: Final = object()
"""What a codec returns for a value that is not its own."""

QUANTITY_TYPES: Final = frozenset(
    {"Quantity", "SimpleQuantity", "Duration", "Age", "Count", "Distance", "MoneyQuantity"}
)

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Codec:
    """A two-way conversion.

    ``members`` are the members of a FHIR object that it takes; ``None``: it takes a primitive.
    ``codes`` are the two columns of a code table: to FHIR, to internal.
    """

    name: str
    read: Convert
    write: Convert
    members: frozenset[str] | None = None
    accepts: str = ""
    codes: tuple[Mapping[str, str], Mapping[str, str]] | None = None

    @property
    def shared(self) -> frozenset[str]:
        """Return the internal codes that share a FHIR code with another and are read back as that other."""
        if self.codes is None:
            return frozenset()
        to_fhir, to_internal = self.codes
        return frozenset(internal for internal, fhir in to_fhir.items() if to_internal[fhir] != internal)


def _same(value: Any) -> Any:
    return value


PLAIN: Final = Codec("plain", _same, _same)


SKIPPED: Final = object()
"""What a codec returns for a value that is rightly not written at all, such as a derived key."""


def _write_key(key: str) -> Any:
    identifier = read_key(key)
    return SKIPPED if identifier is None else identifier


KEY: Final = Codec("key", write_key, _write_key)
"""``Element.id`` as the key of a record element; derived keys are not written."""


def read_quantity(fhir: dict[str, Any]) -> dict[str, Any]:
    """Turn a FHIR Quantity into a record quantity (https://hl7.org/fhir/R4/datatypes.html#Quantity).

    A wrong UCUM code of the repair table becomes the right one; the caller keeps the original aside.
    """
    code, value = fhir.get("code"), fhir.get("value")
    if code is not None and value is not None and fhir.get("system") == UCUM and "comparator" not in fhir:
        # Nearly every quantity: a number with a UCUM code.
        text = fhir.get("unit")
        unit = REPAIRS.get(code, code)
        return {"value": value, "unit": unit} if text is None else {"value": value, "unit": unit, "unit_text": text}
    quantity: dict[str, Any] = {}
    for name, value in fhir.items():
        if name in ("value", "comparator"):
            quantity[name] = value
        elif name == "unit":
            quantity["unit_text"] = value
    system = fhir.get("system")
    if code is not None:
        if system == UCUM:
            quantity["unit"] = REPAIRS.get(code, code)
        else:
            quantity["unit"] = code
            if system is not None:
                quantity["unit_system"] = system
    elif system is not None:
        quantity["unit_system"] = system
    return quantity


def write_quantity(quantity: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a record quantity into a FHIR Quantity: UCUM is implied where the unit names no system."""
    if "unit" in quantity and "value" in quantity:
        # Nearly every quantity has these two, or a text for the unit besides.
        if len(quantity) == 2:
            return {"value": quantity["value"], "system": UCUM, "code": quantity["unit"]}
        text = quantity.get("unit_text")
        if len(quantity) == 3 and text is not None:
            return {"value": quantity["value"], "unit": text, "system": UCUM, "code": quantity["unit"]}
    fhir: dict[str, Any] = {}
    for name, value in quantity.items():
        if name in ("value", "comparator"):
            fhir[name] = value
        elif name == "unit_text":
            fhir["unit"] = value
        elif name == "unit":
            fhir["system"] = quantity.get("unit_system", UCUM)
            fhir["code"] = value
        elif name == "unit_system":
            fhir["system"] = value
    return fhir


def _read_rate(fhir: dict[str, Any]) -> Any:
    quantity = read_quantity(fhir)
    return quantity if is_rate(quantity) else DECLINED


def _write_rate(quantity: Mapping[str, Any]) -> Any:
    return write_quantity(quantity) if is_rate(quantity) else DECLINED


def _read_not_rate(fhir: dict[str, Any]) -> Any:
    quantity = read_quantity(fhir)
    return DECLINED if is_rate(quantity) else quantity


def _write_not_rate(quantity: Mapping[str, Any]) -> Any:
    return DECLINED if is_rate(quantity) else write_quantity(quantity)


QUANTITY_MEMBERS: Final = frozenset({"value", "comparator", "unit", "system", "code"})

QUANTITY: Final = Codec("quantity", read_quantity, write_quantity, QUANTITY_MEMBERS)

NAMED: Final[Mapping[str, Codec]] = {
    "quantity": QUANTITY,
    "ucum": QUANTITY,
    "rate": Codec("rate", _read_rate, _write_rate, QUANTITY_MEMBERS, "a quantity whose unit is per time, such as mL/h"),
    "not-rate": Codec(
        "not-rate",
        _read_not_rate,
        _write_not_rate,
        QUANTITY_MEMBERS,
        "a quantity whose unit is not per time; a rate belongs in `rate`",
    ),
}
"""The codecs that ``as:`` may name."""


SHARED: Final = "the code is shared with another in this mapping, and is read back as that other"
"""The warning of a pair whose code table says so."""


def table(name: str, to_fhir: Mapping[str, str], to_internal: Mapping[str, str]) -> Codec:
    """Return the codec of a ConceptMap read both ways; a code that is in neither column is declined."""
    return Codec(
        f"codes({name})",
        lambda code: to_internal.get(code, DECLINED),
        lambda code: to_fhir.get(code, DECLINED),
        accepts=f"out: {', '.join(sorted(to_fhir))}; in: {', '.join(sorted(to_internal))}",
        codes=(to_fhir, to_internal),
    )
