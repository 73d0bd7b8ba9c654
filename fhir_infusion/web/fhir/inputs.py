"""The inputs of an operation, from the address or from a Parameters resource, read strictly.

https://hl7.org/fhir/R4/operations.html#request: what is simple may stand in the address; all of it in Parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.web.refusals import parameter_refusal, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from fhir_infusion.web.parameters import Parameters

Json = dict[str, Any]
TEXT: Final = "value[x]"
"""The kind of an input that is a text, code, address, moment or whole number, of whatever type it is sent as."""
RESOURCE: Final = "resource"
EITHER: Final = "resource or value[x]"
"""The kind of an input that is a resource, or a text that holds one."""
_KINDS: Final[Mapping[str, type]] = {"valueBoolean": bool}


def read(body: Json, known: Mapping[str, str], many: Collection[str] = ()) -> dict[str, list[Any]]:
    """Return the values of each input that Parameters hold, those of ``TEXT`` as text.

    Args:
        body: the Parameters.
        known: name to kind: ``TEXT``, ``RESOURCE``, ``EITHER``, or the member of the value (``valueReference``).
        many: names that may stand there several times.

    Raises:
        Refused: 400, it is no Parameters, or one is not known, has no such value, or stands there twice.
    """
    if body.get("resourceType") != "Parameters":
        raise refusal(400, "structure", "Parameters belong here", path="resourceType", accepted="Parameters")
    found: dict[str, list[Any]] = {name: [] for name in known}
    listed = body.get("parameter", [])
    for place, one in enumerate(listed if isinstance(listed, list) else [listed]):
        at = f"Parameters.parameter[{place}]"
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or name not in known:
            raise refusal(400, "not-supported", "there is no such parameter", path=at, accepted=", ".join(known))
        if found[name] and name not in many:
            raise refusal(400, "invalid", "this parameter stands there twice", path=at, accepted="it once")
        found[name].append(_value(one, known[name], at))
    return found


def texts(body: Json, known: Collection[str], many: Collection[str] = ()) -> Parameters:
    """Return the inputs that Parameters hold, where all of them are texts, as if they stood in the address.

    Raises:
        Refused: as :func:`read`.
    """
    found = read(body, dict.fromkeys(known, TEXT), many)
    return [(name, value) for name, values in found.items() for value in values]


def stated(given: Parameters, known: Collection[str]) -> Parameters:
    """Return the inputs that stand in the address. Raises ``Refused``: 400, one is not known."""
    if any(name not in known for name, _ in given):
        raise parameter_refusal("", "there is no such parameter", ", ".join(known), "not-supported")
    return given


def parsed(read: Callable[[bytes], Any], text: str | bytes, place: str) -> Any:
    """Return what ``read`` makes of an input that is a text of JSON. Raises ``Refused``: with its place."""
    try:
        return read(text.encode() if isinstance(text, str) else text)
    except Refused as refused:
        raise Refused(*(issue.under(place) for issue in refused.issues)) from None


def _value(one: Json, kind: str, at: str) -> Any:
    values = {name: value for name, value in one.items() if name not in {"name", "id"}}
    if kind == EITHER:
        kind = RESOURCE if RESOURCE in values else TEXT
    if kind != TEXT:
        if set(values) != {kind} or not isinstance(values[kind], _KINDS.get(kind, dict)):
            raise refusal(400, "value", "it has no such value", path=at, accepted=kind)
        return values[kind]
    told = [value for name, value in values.items() if name.startswith("value") and _is_plain(value)]
    if len(values) != 1 or len(told) != 1:
        raise refusal(400, "structure", "it is no named text", path=at, accepted=kind)
    return str(told[0])


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
