"""The values of a search parameter, read strictly: https://hl7.org/fhir/R4/search.html#ptypes.

Values are separated by commas, parts of a value by ``|``; a backslash before ``,``, ``|``, ``$`` or itself says that
the sign is meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import amounts, words
from fhir_infusion.fhir.dates import stretch
from fhir_infusion.fhir.ordered import ordered
from fhir_infusion.fhir.primitives import ID
from fhir_infusion.fhir.query import Wanted
from fhir_infusion.fhir.references import is_unsafe, literal_type, resource_named

if TYPE_CHECKING:
    from fhir_infusion.fhir.parameters import Parameter

PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")

_PREFIXED: Final = re.compile(rf"({'|'.join(PREFIXES)})?(-?[0-9].*)")
_MOST_VALUES: Final = 100
_MOST_TEXT: Final = 2048


@dataclass(frozen=True, slots=True)
class Here:
    """Where a search is read: the release asked, and our own address, which is left out of references."""

    release: str
    home: str = ""

    def relative(self, reference: str) -> str:
        """Return a reference below our own address as it is kept: relative."""
        if self.home and reference.startswith(f"{self.home}/fhir/"):
            return re.sub(r"\A(?:r4|r4b|r5)/", "", reference.removeprefix(f"{self.home}/fhir/"))
        return reference


def split(name: str, value: str) -> list[str]:
    """Return the alternatives of a value. Raises ``Refused``: one is empty, or there are too many."""
    if len(value) > _MOST_TEXT:
        invalid(name, "the value is too long", f"at most {_MOST_TEXT} characters")
    ends = [at for at, sign in enumerate(value) if sign == "," and not _is_escaped(value, at)]
    parts = [value[start + 1 : end] for start, end in zip([-1, *ends], [*ends, len(value)], strict=True)]
    if not all(part.strip() for part in parts):
        invalid(name, "an empty value", "a value")
    if len(parts) > _MOST_VALUES:
        invalid(name, "too many values", f"at most {_MOST_VALUES}")
    return parts


def token(parameter: Parameter, value: str) -> Wanted:
    """Read ``code``, ``system|code``, ``|code`` or ``system|``."""
    system, *more = _parts(value)
    # What carries no system is looked up by code and no system, in the order of the index.
    if not more:
        return Wanted(system="" if parameter.is_code else None, value=system)
    if len(more) > 1:
        invalid(parameter.name, "more than a system and a code", "system|code")
    code = more[0]
    if not system and not code:
        invalid(parameter.name, "neither system nor code", "system|code")
    # A code element carries no system: asked for with its own, it is found by the code.
    if system in parameter.systems:
        system = ""
    return Wanted(system=system, value=code or None)


def typed_identifier(name: str, value: str) -> Wanted:
    """Read ``system|code|value``: an identifier by the type that it has."""
    parts = _parts(value)
    if len(parts) != 3 or not all(parts[1:]):
        invalid(name, "not the type and value of an identifier", "type system|type code|value")
    return Wanted(system=parts[0] or None, value=f"{parts[1]}|{parts[2]}")


def references(name: str, targets: tuple[str, ...], value: str, here: Here) -> list[Wanted]:
    """Read one reference; an id alone may mean each of the targets."""
    text = here.relative(_unescape(value))
    if ID.fullmatch(text):
        if not targets:
            invalid(name, "an id alone, where any type may be meant", "Type/id")
        return [Wanted(value=f"{target}/{text}") for target in targets]
    spelled = literal_type(text)
    if "|" in text and not spelled:
        invalid(name, "a business identifier is not a reference", f"{name}:identifier=system|value")
    if is_unsafe(text) or not (spelled or text.startswith(("urn:uuid:", "urn:oid:", "http://", "https://"))):
        invalid(name, "not a reference", "an id, Type/id or an absolute address")
    if spelled and targets and spelled not in targets:
        invalid(name, "a reference to another type", ", ".join(targets))
    return [Wanted(value=resource_named(text))]


def date(name: str, value: str) -> Wanted:
    """Read a date with its prefix; ``ap`` widens it by its own length, for want of a clock."""
    found = _PREFIXED.fullmatch(value)
    covered = stretch(found.group(2)) if found else None
    if found is None or covered is None:
        accepted = f"[{'|'.join(PREFIXES)}]YYYY[-MM[-DD[Thh:mm[:ss]Z]]]"
        invalid(name, "not a date", accepted)
    prefix = found.group(1) or "eq"
    start, end = covered
    width = end - start if prefix == "ap" else 0
    return Wanted(prefix, start=start - width, end=end + width)


def quantity(name: str, value: str) -> Wanted:
    """Read ``number``, ``number|system|code`` or ``number||unit``: https://hl7.org/fhir/R4/search.html#quantity.

    Equal is what rounds to the digits given; the other prefixes take the number as it is; ``ap`` is a tenth around it.
    """
    accepted = f"[{'|'.join(PREFIXES)}]number, number|system|code or number||unit"
    amount, *unit = _parts(value)
    found = _PREFIXED.fullmatch(amount)
    stated = amounts.number(found.group(2)) if found else None
    if found is None or stated is None or len(unit) not in {0, 2} or (unit and not unit[1]):
        invalid(name, "not a quantity", accepted)
    prefix = found.group(1) or "eq"
    key, factor = amounts.unit_asked(*unit) if unit else amounts.unit_asked("", "")
    at, half = stated
    if prefix in {"eq", "ne"}:
        low, high = ordered((at - half) * factor), ordered((at + half) * factor, -1)
    elif prefix == "ap":
        low, high = ordered((at - abs(at) / 10) * factor), ordered((at + abs(at) / 10) * factor)
    else:
        low = high = ordered(at * factor)
    return Wanted(prefix, unit=key, low=low, high=high)


def string(name: str, value: str, *, exact: bool) -> Wanted:
    """Read a text, folded unless it is to be exact."""
    text = _unescape(value)
    asked = text if exact else words.folded(text)
    if not asked or len(asked) >= words.MOST_KEPT:
        invalid(name, "no text to look for, or too long a one", f"1 to {words.MOST_KEPT - 1} characters")
    return Wanted(value=asked)


def uri(name: str, value: str) -> Wanted:
    """Read an address."""
    text = _unescape(value)
    if any(sign.isspace() for sign in text):
        invalid(name, "not an address", "a URI")
    return Wanted(value=text)


def plain(value: str) -> Wanted:
    """Read the beginning of a code."""
    return Wanted(value=_unescape(value).casefold())


def resource_id(value: str) -> Wanted:
    """Read the id of a resource."""
    if not ID.fullmatch(value):
        invalid("_id", "not an id", "1 to 64 letters, digits, '-' and '.'")
    return Wanted(value=value)


def yes_or_no(name: str, value: str) -> bool:
    """Read ``true`` or ``false``."""
    if value not in {"true", "false"}:
        invalid(name, "neither true nor false", "true or false")
    return value == "true"


def unknown(name: str, reason: str, accepted: str) -> NoReturn:
    """Refuse (400) what is not offered; ``name`` is of ours, or safe to be told."""
    raise Refused(Issue("error", "not-supported", name, reason, accepted, "search"))


def invalid(name: str, reason: str, accepted: str) -> NoReturn:
    """Refuse (400) a value that cannot be read."""
    raise Refused(Issue("error", "invalid", name.partition(":")[0], reason, accepted, "search"))


def _parts(value: str) -> list[str]:
    r"""Cut at each ``|`` that is not escaped (``\|``)."""
    bars = [at for at, sign in enumerate(value) if sign == "|" and not _is_escaped(value, at)]
    return [_unescape(value[a + 1 : b]) for a, b in zip([-1, *bars], [*bars, len(value)], strict=True)]


def _is_escaped(value: str, at: int) -> bool:
    before = value[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value)
