"""The kinds of faults: what each does, to which requests, and with which parameters.

To add a kind: an entry here, what it does in ``telling``, a row in ``every-fault.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bool

INTERACTIONS: Final = (
    "create",
    "read",
    "vread",
    "update",
    "delete",
    "search-type",
    "history-type",
    "history-instance",
    "next-page",
    "batch",
    "capabilities",
    "export",
)
"""The names of https://hl7.org/fhir/R4/valueset-type-restful-interaction.html, where ``batch`` is a transaction, too.

``next-page`` is a page of a search or history that a next link led to.
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a kind. ``choices`` are all values that are taken, ``least`` and ``most`` bound a number.

    The type of ``default`` is the type of the value; a decimal parameter takes whole numbers, too.
    """

    name: str
    default: Value
    meaning: str
    choices: tuple[Value, ...] = ()
    least: float | None = None
    most: float | None = None

    @property
    def accepted(self) -> str:
        """What would be accepted, in words."""
        if self.choices:
            return ", ".join(str(choice) for choice in self.choices)
        if isinstance(self.default, bool):
            return "true, false"
        if isinstance(self.default, str):
            return "a text"
        number = "a whole number" if isinstance(self.default, int) else "a number"
        bounds = [f"from {self.least:g}"] if self.least is not None else []
        bounds += [f"to {self.most:g}"] if self.most is not None else []
        return " ".join([number, *bounds])


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. ``interactions`` are those that it can befall, and befalls where ``when`` names none."""

    name: str
    does: str
    interactions: frozenset[str]
    parameters: tuple[Parameter, ...] = ()


_ANY: Final = frozenset(INTERACTIONS)
_WRITES: Final = frozenset({"create", "update"})
_CHANGES: Final = frozenset({"create", "update", "delete", "batch"})
_PAGES: Final = frozenset({"next-page"})
_LISTS: Final = frozenset({"search-type", "history-type", "history-instance", "next-page"})
_ONE: Final = frozenset({"read", "update"})

_EFFECT: Final = Parameter("effect", False, "whether the request is carried out all the same")  # noqa: FBT003  the default of a parameter
_DAYS: Final = 86_400.0 * 365
_SHORT: Final = 3600.0


def _seconds(default: float, meaning: str, most: float = _SHORT, least: float = 0.0) -> Parameter:
    return Parameter("seconds", default, meaning, least=least, most=most)


_ALL: Final = (
    Kind(
        "late-commit",
        "what was written is shown by searches and histories only later; a read finds it at once",
        _WRITES,
        (_seconds(30.0, "how much later", _DAYS),),
    ),
    Kind("lost-answer", "it is done, then the connection is closed without an answer", _ANY),
    Kind("request-lost", "nothing is done, the connection is closed", _ANY),
    Kind(
        "cut-answer",
        "it is done, then the connection is closed in the middle of the answer",
        _ANY,
        (Parameter("share", 0.5, "how much of the body is sent", least=0.0, most=0.99),),
    ),
    Kind("cut-request", "half of the body is read, then the connection is closed; nothing is done", _CHANGES),
    Kind("double-create", "a create makes two resources, whatever its condition", frozenset({"create"})),
    Kind(
        "status",
        "a status is answered, with an OperationOutcome",
        _ANY,
        (Parameter("status", 500, "which", least=400, most=599), _EFFECT),
    ),
    Kind(
        "storm",
        "429 or 503 is answered and nothing done; `when.run` says how many times in a row",
        _ANY,
        (
            Parameter("status", 503, "which", (429, 503)),
            Parameter("retry_after", "seconds", "how Retry-After is written", ("seconds", "date", "absurd", "absent")),
            _seconds(5.0, "what Retry-After asks for", _DAYS),
        ),
    ),
    Kind(
        "latency",
        "the request is done after a pause; others go on meanwhile",
        _ANY,
        (
            _seconds(2.0, "the fixed part"),
            Parameter("jitter", 0.0, "up to how much more", least=0.0, most=_SHORT),
        ),
    ),
    Kind(
        "drip",
        "the answer comes a few bytes at a time",
        _ANY,
        (
            Parameter("bytes", 16, "how many bytes at a time", least=1, most=65_536),
            _seconds(0.1, "the pause between"),
        ),
    ),
    Kind(
        "stall",
        "it is done, the answer begins, stands still, and the connection is closed",
        _ANY,
        (
            Parameter("bytes", 10, "how much of the body comes before", least=0, most=1_000_000),
            _seconds(60.0, "how long it stands still"),
        ),
    ),
    Kind(
        "altered-content",
        "what is stored and answered is not what was sent",
        _WRITES,
        (
            Parameter(
                "how",
                "round-decimals",
                "1.50 becomes 1.5; all extensions are gone; the first dose or rate is doubled",
                ("round-decimals", "drop-extensions", "change-dose"),
            ),
        ),
    ),
    Kind(
        "page-drift",
        "before a following page is answered, rows change; pages are cut by offset",
        _PAGES,
        (
            Parameter(
                "how",
                "insert",
                "a stranger's resource comes, or one of them is changed, or the oldest of them is deleted",
                ("insert", "update", "delete"),
            ),
        ),
    ),
    Kind(
        "expired-next",
        "a next link has expired",
        _PAGES,
        (Parameter("status", 410, "what is answered", (404, 410)),),
    ),
    Kind("no-next", "a page has no next link though more rows match, and no total", _LISTS),
    Kind(
        "foreign-next",
        "a next link leads to another host; given on a last page, too",
        _LISTS,
        (Parameter("to", "http://192.0.2.1/fhir", "the other server (an address of no one)"),),
    ),
    Kind(
        "clock-jump",
        "the server's clock jumps and stays so: the header Date, and lastUpdated of what is written",
        _ANY,
        (_seconds(600.0, "how far; below 0 it jumps back", _DAYS, -_DAYS),),
    ),
    Kind(
        "same-version",
        "before the request the resource gets other content under the versionId that it has; in a search it is the "
        "one of the type that was changed longest ago",
        _ONE | {"search-type"},
    ),
    Kind(
        "restore",
        "before the request the server is as it was some writes ago; versionIds are given again",
        _ANY,
        (
            Parameter("writes", 1, "how many writes are undone", least=1, most=1_000_000),
            Parameter("reuse_ids", False, "whether ids are given again, too"),  # noqa: FBT003  the default of a parameter
        ),
    ),
    Kind(
        "deleted",
        "before the request the resource is deleted by somebody else",
        _ONE,
        (
            Parameter(
                "status", 410, "410: a deletion that a read and a history tell; 404: no trace is left", (404, 410)
            ),
        ),
    ),
    Kind(
        "concurrent-editor",
        "before the request somebody else changes the resource",
        _ONE,
        (Parameter("what", "note", "a note is added, or the first dose or rate doubled", ("note", "dose")),),
    ),
    Kind(
        "access-refused",
        "the credentials are refused and nothing is done; `when.run` or its seconds make a window",
        _ANY,
        (Parameter("status", 401, "401: not known; 403: not allowed", (401, 403)),),
    ),
    Kind("conflict-after-effect", "it is done, and 409 is answered", _CHANGES),
    Kind(
        "bad-body",
        "it is done and the status is right; the body is not",
        _ANY,
        (
            Parameter(
                "how",
                "html",
                "no JSON; a page of HTML; nothing; a small gzip that grows; JSON of many levels",
                ("not-json", "html", "empty", "gzip-bomb", "deep-json"),
            ),
            Parameter("size", 100_000_000, "bytes of the gzip unpacked, at most", least=1, most=2_000_000_000),
            Parameter("levels", 100_000, "levels of the JSON", least=1, most=1_000_000),
        ),
    ),
    Kind(
        "redirect",
        "the request is sent elsewhere; nothing is done",
        _ANY,
        (
            Parameter("status", 307, "which", (301, 302, 303, 307, 308)),
            Parameter("to", "http://192.0.2.1/fhir", "the other server (an address of no one)"),
        ),
    ),
)

KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in _ALL})


def described() -> str:
    """Return all kinds with their parameters, as text for a reader."""
    lines = []
    for kind in KINDS.values():
        lines.append(f"{kind.name}: {kind.does}")
        which = "any request" if kind.interactions == _ANY else ", ".join(_in_order(kind.interactions))
        lines.append(f"    befalls: {which}")
        lines += [f"    {one.name} = {_shown(one.default)}  {one.meaning} ({one.accepted})" for one in kind.parameters]
    return "\n".join(lines)


def _in_order(names: frozenset[str]) -> list[str]:
    return [name for name in INTERACTIONS if name in names]


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
