"""JSON for tests, with every digit: what is read as 1.50 is written as 1.50.

This is deliberately not the package's reader and writer: a test that used them could not see their faults.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Self


class Written(Decimal):
    """A number that remembers how it was written: two of them are equal only if written the same."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Make it of a JSON number."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __eq__(self, other: object) -> bool:
        """Compare with another by what was written (1.50 is not 1.5), with an int or Decimal by value."""
        if isinstance(other, Written):
            return self.text == other.text
        return super().__eq__(other)

    __hash__ = Decimal.__hash__


def loads(text: str | bytes) -> object:
    """Read JSON; every number becomes a :class:`Written`."""
    return json.loads(text, parse_float=Written, parse_int=Written)


def dumps(value: object) -> str:
    """Write JSON on one line; a Decimal goes out as it was written, or with all its digits.

    Raises:
        TypeError: a float, or anything else that is not JSON.
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(dumps, value)) + "]"
    if isinstance(value, Decimal):
        return str(getattr(value, "text", None) or getattr(value, "spelling", None) or value)
    if value is None or isinstance(value, bool | int | str):
        return json.dumps(value)
    raise TypeError(f"not exact JSON: {type(value).__name__}")
