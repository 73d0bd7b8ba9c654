"""JSON Patch, strictly: RFC 6902 with the pointers of RFC 6901, on FHIR JSON. Pure.

https://hl7.org/fhir/R4/http.html#patch. Numbers stay as they are written: what an operation does not touch keeps its
spelling, ``test`` compares by value (RFC 6902 section 4.6: 1.50 equals 1.5). All operations hold, or none is done.

The libraries that there are compare with ``==``, for which ``true`` is 1, and know no limit for copies of copies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.patching import MOST_OPERATIONS, Budget, malformed, unappliable, without_empty

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_infusion.fhir.json import Limits, Resource

_MEMBERS: Final = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("from", "path"),
    "copy": ("from", "path"),
    "test": ("path", "value"),
}
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_END: Final = "-"
_NOTHING_TO_DO: Final = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*\][ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``path`` and ``origin`` (``from``) are the names on the way, unescaped; ``place`` is its own."""

    place: str
    op: str
    path: tuple[str, ...]
    origin: tuple[str, ...] = ()
    value: Any = None


def read(body: bytes, limits: Limits = fhir_json.LIMITS) -> tuple[Operation, ...]:
    """Return the operations of a patch document.

    Raises:
        Refused: 400, with every reason found in its JSON, or the first operation that is none.
    """
    if _NOTHING_TO_DO.fullmatch(body):
        return ()
    # The reader of FHIR JSON takes objects; what it holds then must be this array and nothing else.
    tree = fhir_json.read(b'{"patch":' + body + b"}", limits)
    listed = tree.get("patch")
    if set(tree) != {"patch"} or not isinstance(listed, list):
        raise malformed("", "a patch is an array of operations", '[{"op": …, "path": …}]')
    if len(listed) > MOST_OPERATIONS:
        raise malformed("", "too many operations", f"at most {MOST_OPERATIONS}")
    return tuple(_operation(one, f"patch[{number}]") for number, one in enumerate(listed))


def turned(body: bytes, turn: Callable[[Resource], Resource]) -> bytes:
    """Return a patch document that puts in what ``turn`` makes of each value, under the name that it gets.

    What is no patch is returned as it is: whoever applies it refuses it.
    """
    try:
        operations = read(body)
    except Refused:
        return body
    if not operations:
        return body
    listed = fhir_json.read(b'{"patch":' + body + b"}")["patch"]
    for one, operation in zip(listed, operations, strict=True):
        if "value" in one:
            name = operation.path[-1]
            one["value"] = turn({name: one["value"]})[name]
    return fhir_json.write(listed)


def apply(operations: tuple[Operation, ...], resource: Resource) -> Resource:
    """Return what the operations make of a resource, which is not the caller's any more.

    Raises:
        Refused: 422, an operation cannot be done, or its test does not hold; with its place.
    """
    document: Any = resource
    budget = Budget()
    for one in operations:
        _DO[one.op](document, one, budget)
    return without_empty(document)


def equal(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal: numbers by value, and no number equals true or false."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = int | Decimal
    if isinstance(one, numbers) and isinstance(other, numbers):
        return one == other
    return type(one) is type(other) and one == other


# ------------------------------------------------------------------------------------------------------ the six


def _add(document: Any, one: Operation, budget: Budget) -> None:
    _put(document, one, one.path, budget.copied(one.value, one.place))


def _remove(document: Any, one: Operation, budget: Budget) -> None:  # noqa: ARG001  the six are called alike
    _take(document, one, one.path)


def _replace(document: Any, one: Operation, budget: Budget) -> None:
    owner, name = _owner(document, one, one.path)
    _member(owner, name, one)
    value = budget.copied(one.value, one.place)
    owner[int(name) if isinstance(owner, list) else name] = value


def _move(document: Any, one: Operation, budget: Budget) -> None:  # noqa: ARG001  the six are called alike
    if one.path != one.origin and one.path[: len(one.origin)] == one.origin:
        raise unappliable(one.place, "nothing can be moved into itself")
    _put(document, one, one.path, _take(document, one, one.origin))


def _copy(document: Any, one: Operation, budget: Budget) -> None:
    _put(document, one, one.path, budget.copied(_found(document, one, one.origin), one.place))


def _test(document: Any, one: Operation, budget: Budget) -> None:  # noqa: ARG001  the six are called alike
    if not equal(_found(document, one, one.path), one.value):
        raise unappliable(one.place, "the test does not hold: the resource has another value here")


_DO: Final = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _put(document: Any, one: Operation, path: tuple[str, ...], value: Any) -> None:
    owner, name = _owner(document, one, path)
    if isinstance(owner, dict):
        owner[name] = value
        return
    if name != _END and not (_INDEX.fullmatch(name) and int(name) <= len(owner)):
        raise unappliable(one.place, "there is no such index to add at", "0 up to the length of the list, or -")
    owner.insert(len(owner) if name == _END else int(name), value)


def _take(document: Any, one: Operation, path: tuple[str, ...]) -> Any:
    owner, name = _owner(document, one, path)
    _member(owner, name, one)
    return owner.pop(int(name) if isinstance(owner, list) else name)


def _found(document: Any, one: Operation, path: tuple[str, ...]) -> Any:
    owner, name = _owner(document, one, path)
    return _member(owner, name, one)


def _owner(document: Any, one: Operation, path: tuple[str, ...]) -> tuple[Any, str]:
    """Return the object or list in which a path ends, and the last name of the path."""
    node = document
    for name in path[:-1]:
        node = _member(node, name, one)
    if not isinstance(node, dict | list):
        raise _missing(one)
    return node, path[-1]


def _member(node: Any, name: str, one: Operation) -> Any:
    if isinstance(node, dict) and name in node:
        return node[name]
    if isinstance(node, list) and _INDEX.fullmatch(name) and int(name) < len(node):
        return node[int(name)]
    raise _missing(one)


def _missing(one: Operation) -> Exception:
    return unappliable(one.place, "the resource has nothing at this path", "the path of something that is there")


# ------------------------------------------------------------------------------------------------------ reading


def _operation(one: Any, place: str) -> Operation:
    members = one if isinstance(one, dict) else {}
    op = members.get("op")
    wanted = _MEMBERS.get(op) if isinstance(op, str) else None
    if wanted is None:
        raise malformed(f"{place}.op", "no such operation", ", ".join(_MEMBERS))
    missing = [name for name in wanted if name not in members]
    if missing:
        raise malformed(f"{place}.{missing[0]}", "the operation lacks it", ", ".join(("op", *wanted)))
    # RFC 6902 section 4: members that an operation does not know are ignored.
    path = _pointer(members["path"], f"{place}.path")
    origin = _pointer(members["from"], f"{place}.from") if "from" in wanted else ()
    return Operation(place, str(op), path, origin, members.get("value") if "value" in wanted else None)


def _pointer(text: Any, place: str) -> tuple[str, ...]:
    if not isinstance(text, str) or not _POINTER.fullmatch(text):
        # The empty pointer, the whole document, would be an update under another name.
        raise malformed(place, "not the JSON Pointer of a place in a resource", "a text such as /status")
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in text[1:].split("/"))
