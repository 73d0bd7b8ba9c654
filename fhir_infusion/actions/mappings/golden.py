"""Golden folders of a site: inputs with the outcomes that they are to have; mappings/README.md has the layout.

``NAME.json`` is a record and ``NAME.r4.json`` (``r4b``, ``r5``) what it is to become; ``NAME.r4.record.json`` is what
the resources in ``NAME.r4.json`` are to be read into. A refusal is expected as ``{"refused": [paths]}``.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.actions.mappings.turning import Change, changes, turn
from fhir_infusion.errors import Refused, SettingsError
from fhir_infusion.fhir import json as fhir_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fhir_infusion.translator import Translator

FOLDER_FILE: Final = "golden.toml"
"""What holds for a folder and those in it: ``overlay``, ``releases`` to write for new records, ``ignore``."""

RELEASES: Final = {"r4": "R4", "r4b": "R4B", "r5": "R5"}
_MEMBERS: Final = ("overlay", "releases", "ignore")
_NAMES: Final = "NAME.json, NAME.r4.json and NAME.r4.record.json (or r4b, r5), NAME without dots"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a folder says of its cases."""

    overlay: str | None = None
    releases: tuple[str, ...] = ("R4",)
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One input and the file of what it is to become in ``release``, which need not be there yet."""

    given: Path
    expected: Path
    release: str
    rules: Rules


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a case: what differs, and how much more of that is ignored.

    ``is_new``: nothing was expected yet. ``got`` is the outcome as it would be written.
    """

    case: Case
    got: bytes
    changes: tuple[Change, ...] = ()
    ignored: int = 0
    is_new: bool = False

    @property
    def is_same(self) -> bool:
        """Whether it came out as expected, but for what is ignored."""
        return not self.changes and not self.is_new

    def update(self) -> None:
        """Make what was got the expected outcome."""
        self.case.expected.write_bytes(self.got)


@dataclass(frozen=True, slots=True)
class Ignored:
    """Paths whose differences are counted, not told, each as its steps.

    ``*`` is any name, ``[*]`` any index, ``**`` any way, none at all too; what lies below a path is ignored with it.
    """

    paths: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, paths: Iterable[str]) -> Ignored:
        """Return the list of these paths.

        Raises:
            SettingsError: one is no path.
        """
        found = tuple(paths)
        if not all(re.fullmatch(_PATH, path) for path in found):
            accepted = "a path such as meta.lastUpdated, identifier[*].value, **.display"
            raise SettingsError(f"an ignored path is not readable; accepted: {accepted}")
        return cls(tuple(tuple(_STEP.findall(path)) for path in found))

    def holds(self, path: str) -> bool:
        """Whether a difference at a path is to be ignored."""
        steps = tuple(_STEP.findall(path))
        return any(_begins(steps, pattern) for pattern in self.paths)


_NAMED: Final = r"(?:\*\*|\*|[\w$-]+)(?:\[(?:\d+|\*)\])*"
_PATH: Final = rf"{_NAMED}(?:\.{_NAMED})*"
_STEP: Final = re.compile(r"\[(?:\d+|\*)\]|\*\*|\*|[\w$-]+")


def _begins(steps: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path, or one that it lies below, is of a pattern."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_begins(steps[skipped:], pattern[1:]) for skipped in range(len(steps) + 1))
    if not steps:
        return False
    is_index = steps[0].startswith("[")
    fits = pattern[0] == steps[0] or pattern[0] == ("[*]" if is_index else "*")
    return fits and _begins(steps[1:], pattern[1:])


def cases(folder: Path) -> list[Case]:
    """Return every case in a folder and those below it, in the order of their names.

    Raises:
        SettingsError: there is none, a file has a name that is none of the layout, or a ``golden.toml`` is wrong.
    """
    found: list[Case] = []
    known: dict[Path, Rules] = {}
    for path in sorted(folder.rglob("*.json")):
        rules = _rules(path.parent, folder, known)
        found += _cases_of(path, rules)
    if not found:
        raise SettingsError(f"{folder}: there is no case in it; accepted are files {_NAMES}")
    return found


def _cases_of(path: Path, rules: Rules) -> Iterator[Case]:
    """Yield the cases whose input is in a file."""
    name, *kind = path.name.split(".")[:-1]
    if not kind:
        written = {one: path.with_name(f"{name}.{one}.json") for one in RELEASES}
        there = [one for one, expected in written.items() if expected.is_file()]
        for one in there or map(str.lower, rules.releases):
            yield Case(path, written[one], RELEASES[one], rules)
    elif kind[0] not in RELEASES or kind[1:] not in ([], ["record"]):
        raise SettingsError(f"{path}: the name is none of a golden folder; accepted: {_NAMES}")
    elif len(kind) == 1:
        record = path.with_name(f"{name}.{kind[0]}.record.json")
        if record.is_file() or not path.with_name(f"{name}.json").is_file():
            yield Case(path, record, RELEASES[kind[0]], rules)
    elif not path.with_name(f"{name}.{kind[0]}.json").is_file():
        raise SettingsError(f"{path}: {name}.{kind[0]}.json, which is to be read into it, is not there")


def _rules(folder: Path, top: Path, known: dict[Path, Rules]) -> Rules:
    """Return what holds in a folder: its own word before that of the folder that it is in; ignored paths add up."""
    if folder not in known:
        above = Rules() if folder == top else _rules(folder.parent, top, known)
        own = folder / FOLDER_FILE
        known[folder] = _with(above, own) if own.is_file() else above
    return known[folder]


def _with(above: Rules, file: Path) -> Rules:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SettingsError(f"{file}: not TOML") from None
    overlay, releases, ignore = (table.get(name, []) for name in ("overlay", "releases", "ignore"))
    complaints = {
        f"known are {', '.join(_MEMBERS)}": not set(table) <= set(_MEMBERS),
        "overlay: accepted is the name of an overlay": "overlay" in table and not isinstance(overlay, str),
        f"releases: accepted are {', '.join(RELEASES.values())}": (
            not isinstance(releases, list) or any(one not in RELEASES.values() for one in releases)
        ),
        "ignore: accepted are paths": not isinstance(ignore, list) or any(not isinstance(one, str) for one in ignore),
    }
    wrong = [complaint for complaint, applies in complaints.items() if applies]
    if wrong:
        raise SettingsError(f"{file}: {'; '.join(wrong)}")
    Ignored.of(ignore)
    return Rules(overlay or above.overlay, tuple(releases) or above.releases, (*above.ignore, *ignore))


def attempt(translator: Translator, case: Case, ignore: Sequence[str] = ()) -> Tried:
    """Translate the input of a case and compare what comes with what is expected.

    Raises:
        SettingsError: a file is not strict JSON, there is no such overlay or mapping, or ``ignore`` has no paths.
    """
    overlay = case.rules.overlay
    if overlay is not None and overlay not in translator.overlays:
        accepted = ", ".join(sorted(translator.overlays))
        raise SettingsError(f"{case.given}: {FOLDER_FILE}: there is no overlay '{overlay}'; accepted: {accepted}")
    outcome = turn(translator, _read(case.given), case.release, overlay)
    if outcome is None:
        raise SettingsError(f"{case.given}: there is no mapping for this resource type")
    got: dict[str, Any] = {"refused": list(outcome)} if isinstance(outcome, tuple) else outcome
    written = fhir_json.write_pretty(got)
    if not case.expected.is_file():
        return Tried(case, written, is_new=True)
    ignored = Ignored.of((*case.rules.ignore, *ignore))
    found = list(changes(_read(case.expected), got))
    told = tuple(change for change in found if not ignored.holds(change.path))
    return Tried(case, written, told, len(found) - len(told))


def _read(path: Path) -> dict[str, Any]:
    try:
        return fhir_json.read(path.read_bytes())
    except Refused as error:
        place = error.issues[0].path or "the whole"
        raise SettingsError(f"{path}: {place}: {error.issues[0].reason}") from None
