"""FHIR JSON, exactly: what is read is what is written, digit for digit; what is not right is refused with its place.

https://hl7.org/fhir/R4/json.html. Numbers become ``int`` or ``Decimal`` (``Spelled`` where a Decimal would print
otherwise), never float.

Reading goes two ways. The quick way decodes with msgspec, writes the tree again and compares the two texts: equal
texts prove that nothing was dropped, doubled or respelled (a doubled property is lost from the tree, ``-0`` becomes
``0``). Only what the quick way does not accept at once is read again by ``exact.read``, slowly and with every place;
it alone decides what is refused.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from fhir_infusion.errors import Issue, Refused
from fhir_infusion.fhir import exact
from fhir_infusion.fhir.exact import LIMITS, Faults, Json, Limits, Resource
from fhir_infusion.records.number import MAX_DIGITS, beyond_limits, from_spelling, plain, spelling_of

__all__ = [
    "LIMITS",
    "Faults",
    "Json",
    "Limits",
    "Resource",
    "read",
    "read_again",
    "read_batch",
    "write",
    "write_pretty",
]

if TYPE_CHECKING:
    from collections.abc import Callable

_TOO_LONG_INT: Final = 10**MAX_DIGITS


def read(data: bytes | str, limits: Limits = LIMITS) -> Resource:
    """Return the object that a JSON text holds.

    Raises:
        Refused: with every reason found and its place: not JSON, a doubled property, null or nothing where FHIR
            wants a value, a character or number that FHIR JSON cannot hold, or more than ``limits`` allow (413 for
            the length of the body).
    """
    return _read(data, limits, exact.read)


def read_batch(data: bytes | str, limits: Limits = LIMITS) -> tuple[Resource, Faults]:
    """Return the object that a JSON text holds, and of a batch what is wrong in its entries, by their index.

    Raises:
        Refused: as ``read``, but for the entries of a batch (``exact.read_batch``).
    """
    faults: Faults = {}

    def slowly(body: bytes, limits: Limits) -> Resource:
        tree, found = exact.read_batch(body, limits)
        faults.update(found)
        return tree

    return _read(data, limits, slowly), faults


def _read(data: bytes | str, limits: Limits, slowly: Callable[[bytes, Limits], Resource]) -> Resource:
    body = data if isinstance(data, bytes) else data.encode(errors="surrogatepass")
    if len(body) > limits.bundle:
        raise Refused(_too_long_a_body(limits.bundle))
    tree = _quick(body, limits)
    if tree is None:
        tree = slowly(body, limits)
    if len(body) > limits.body and tree.get("resourceType") != "Bundle":
        raise Refused(_too_long_a_body(limits.body))
    return tree


def read_again(text: str) -> Resource:
    """Return the object of a text that :func:`write` wrote, and that was checked before; every digit is kept."""
    # The one spelling of ``write`` that msgspec reads as another number.
    tree = exact.parse(text, _ANY) if _NEGATIVE_ZERO.search(text) else _DECODER.decode(text)
    return cast("Resource", tree)


def write(value: Json) -> bytes:
    """Return the JSON text of a value, without spaces; a computed number is written in plain digits.

    Raises:
        TypeError: a value that JSON does not know.
    """
    text = _ENCODER.encode(value)
    # Only a Decimal that was computed prints an exponent without being Spelled; rare, so looked for afterwards.
    if (b"E-" in text or b"E+" in text) and _EXPONENT.search(text):
        return _ENCODER.encode(_plain_digits(value))
    return text


def write_pretty(value: Json) -> bytes:
    """Return the JSON text of a value, two spaces a level, with a line feed at its end."""
    return msgspec.json.format(write(value), indent=2) + b"\n"


# ------------------------------------------------------------------------------------------------ the quick way


class _NumberBeyondLimitsError(ValueError):
    """Stops the quick way; ``exact.read`` finds the place."""


def _decimal(text: str) -> Decimal:
    if (len(text) > MAX_DIGITS or "e" in text or "E" in text) and beyond_limits(text):
        raise _NumberBeyondLimitsError
    return from_spelling(text)


def _encode_other(value: object) -> msgspec.Raw:
    if isinstance(value, Decimal):
        return msgspec.Raw(spelling_of(value).encode())
    raise TypeError(f"JSON does not know {type(value).__name__}")


_EXPONENT: Final = re.compile(rb"E[-+](?<=[0-9]E.)")  # begins with what is rare, which is found at once

_NEGATIVE_ZERO: Final = re.compile(r"[:\[,]-0[,}\]]")  # not within an id, where -0 is as likely as anything
_MUCH: Final = 64 * 1024 * 1024
_ANY: Final = Limits(body=_MUCH, bundle=_MUCH, entries=100_000, elements=10_000_000, depth=512, text=_MUCH)
"""What was written was within the limits when it came in; a record with its residue is larger than its resource."""

_DECODER: Final = msgspec.json.Decoder(float_hook=_decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_encode_other)


def _quick(body: bytes, limits: Limits) -> Resource | None:
    """Return the tree where the text is right at first sight, else None."""
    try:
        tree = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, ArithmeticError):
        return None
    if type(tree) is not dict or not _is_plain(tree, limits.depth):
        return None
    if len(body) > 2 * limits.elements and _may_be_too_much(body, tree, limits):
        return None
    if not _says_the_same(_ENCODER.encode(tree), body):
        return None
    if tree.get("resourceType") == "Bundle" and _too_many_entries(tree, limits):
        return None
    return tree


def _says_the_same(again: bytes, body: bytes) -> bool:
    """Tell whether a text written from the tree is the text read, but for spaces and the way of escaping."""
    if b"\\" not in body:
        return again == body or again == msgspec.json.format(body, indent=-1)
    return again == _escaped_as_written(msgspec.json.format(body, indent=-1))


def _escaped_as_written(text: bytes) -> bytes | None:
    """Return the text with each character escaped as ``write`` does it; None where that is not sure or not allowed."""
    if b"\\\\" in text or b"\\b" in text or b"\\f" in text:
        return None
    # Here every backslash begins an escape, so that each kind of escape can be replaced at one stroke.
    for escape in set(_UNICODE_ESCAPE.findall(text)):
        character = chr(int(escape[-4:], 16))
        if character < " " or "\ud800" <= character <= "\udfff":
            return None
        text = text.replace(escape, _ENCODER.encode(character)[1:-1])
    return text.replace(b"\\/", b"/")


_UNICODE_ESCAPE: Final = re.compile(rb"\\u[0-9a-fA-F]{4}")


def _is_plain(node: Any, levels: int) -> bool:
    """Tell whether a tree holds no null, nothing empty, no long text or number, and is not too deep."""
    if not levels or not node:
        return False
    for value in node.values() if type(node) is dict else node:
        kind = type(value)
        if kind is str:
            if not 0 < len(value) <= 16_384:  # times 4 bytes a character at most: 64 kB
                return False
        elif kind is dict or kind is list:
            if not _is_plain(value, levels - 1):
                return False
        elif kind is int:
            if not -_TOO_LONG_INT < value < _TOO_LONG_INT:
                return False
        elif value is None:
            return False
    return True


def _most_elements(body: bytes) -> int:
    return body.count(b",") + body.count(b"{") + body.count(b"[")


def _may_be_too_much(body: bytes, tree: Resource, limits: Limits) -> bool:
    """Tell whether a resource may hold too many elements; in a Bundle each entry holds a resource of its own."""
    whole = _most_elements(body)
    entries = tree.get("entry")
    if whole <= limits.elements or tree.get("resourceType") != "Bundle" or type(entries) is not list:
        return whole > limits.elements
    each = [
        _most_elements(_ENCODER.encode(one["resource"])) for one in entries if type(one) is dict and "resource" in one
    ]
    return max([whole - sum(each), *each]) > limits.elements


def _too_many_entries(tree: Resource, limits: Limits) -> bool:
    entries = tree.get("entry")
    return isinstance(entries, list) and len(entries) > limits.entries


def _too_long_a_body(limit: int) -> Issue:
    most = f"{limit} bytes"
    return Issue("error", "too-long", "", f"the body is longer than {most}", f"at most {most}", status=413)


def _plain_digits(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain_digits(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain_digits(item) for item in value]
    return plain(value) if isinstance(value, Decimal) else value
