"""The kinds of simple values that a record field can have, as annotated types.

Each kind is FHIR's primitive of the same name (https://hl7.org/fhir/R4/datatypes.html#primitive), so that a value
never changes its meaning on the way to FHIR. ``schemas`` and ``check`` read the annotation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any


@dataclass(frozen=True, slots=True)
class Kind:
    """A named kind of simple value; ``name`` is FHIR's name of the primitive."""

    name: str


Text = Annotated[str, Kind("string")]
Markdown = Annotated[str, Kind("markdown")]
Code = Annotated[str, Kind("code")]
Uri = Annotated[str, Kind("uri")]
Canonical = Annotated[str, Kind("canonical")]
Key = Annotated[str, Kind("key")]
ResourceId = Annotated[str, Kind("id")]
Date = Annotated[str, Kind("date")]
DateTime = Annotated[str, Kind("dateTime")]
Instant = Annotated[str, Kind("instant")]
Time = Annotated[str, Kind("time")]
Number = Annotated[Decimal, Kind("decimal")]
PositiveInt = Annotated[int, Kind("positiveInt")]
UnsignedInt = Annotated[int, Kind("unsignedInt")]
Flag = Annotated[bool, Kind("boolean")]


def stated(doc: str, *, key: bool = False, describes: bool = False, required: bool = False) -> Any:
    """Declare an optional record field (``None`` = not stated, never a default meaning).

    ``key`` marks the field that identifies an element of a list; ``describes`` marks text that tells in words what
    its sibling fields say, and so goes stale when one of them is edited; on a field that holds a code it means the
    words of that.
    """
    metadata = {"doc": doc, "key": key, "describes": describes, "required": required}
    return field(metadata=metadata) if required else field(default=None, metadata=metadata)


def several(doc: str) -> Any:
    """Declare a list field; empty means not stated."""
    return field(default=(), metadata={"doc": doc, "key": False, "describes": False, "required": False})
