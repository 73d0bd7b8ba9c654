"""Translating between our records and FHIR resources: checked on both sides, with its ledger and findings.

To internal, in this order: 1. validate the resource; 2. read it through the lens; 3. ask the arithmetic for findings.
To FHIR: 1. check the record, without the texts of edited units; 2. split an administration into the records that become
one resource each; 3. write each through the lens; 4. validate what was written; 5. findings.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.config import Settings, mapping_texts, mappings_dir
from fhir_infusion.errors import BREAKS_FHIR, BREAKS_RULE, DocumentError, Findings, Issue, Refused, SettingsError
from fhir_infusion.fhir import elements, targets
from fhir_infusion.fhir.models import check_with_models
from fhir_infusion.fhir.validate import validate
from fhir_infusion.mapping.lens import Ledger, Lens, Translation
from fhir_infusion.mapping.library import Library, digest, load
from fhir_infusion.mapping.trace import Line
from fhir_infusion.records import check, parts, pauses
from fhir_infusion.records.arithmetic import findings as computed

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

Json = dict[str, Any]

RELEASES = ("R4", "R4B", "R5")

_COMPILING: Final = threading.Lock()
"""What is asked for first is compiled then, such as an overlay: by one thread at a time (``Lens.compile``)."""

_HELD: Final[ContextVar[tuple[object, Library] | None]] = ContextVar("held", default=None)
"""A translator, and the library that it keeps to the end of the block that runs here."""


@dataclass(frozen=True, slots=True)
class Translated:
    """The results in order, what became of each element of the input, and the findings.

    To FHIR, ``results`` are the resources of one record: a split administration gives the parent first. To internal it
    is one record.
    """

    results: list[Json]
    ledgers: tuple[Ledger, ...]
    findings: Sequence[Issue] = ()

    @property
    def lines(self) -> list[Line]:
        """Return one line per element instance of the input."""
        return [line for ledger in self.ledgers for line in ledger.lines()]

    @property
    def told(self) -> tuple[Issue, ...]:
        """Return the findings, and a warning for what was dropped, for those to whom no ledger is shown."""
        lost = (line for line in self.exceptions if line.state == "dropped")
        return (
            *self.findings,
            *(Issue("warning", "informational", line.path, line.why, "", "dropped") for line in lost),
        )

    @property
    def exceptions(self) -> list[Line]:
        """Return the lines of what was not mapped: carried or dropped."""
        return [line for ledger in self.ledgers for line in ledger.exceptions]


class Translator:
    """Every lens of the library in use, with the checks around it.

    The library may be exchanged while others translate. Whoever takes several steps that belong to one mapping, such as
    a request, takes them in a block of :meth:`held`.
    """

    def __init__(self, library: Library, settings: Settings) -> None:
        """Keep the library; nothing is read later."""
        self.in_use = library
        self._settings = settings

    @property
    def library(self) -> Library:
        """Return the library that is held here, else the one in use."""
        held = _HELD.get()
        return held[1] if held is not None and held[0] is self else self.in_use

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the library that is in use now to the end of the block, whatever is exchanged meanwhile.

        It holds for what the block does here, and for what it has the store do (``Store.transact``).
        """
        held = _HELD.get()
        if held is not None and held[0] is self:
            yield
            return
        token = _HELD.set((self, self.in_use))
        try:
            yield
        finally:
            _HELD.reset(token)

    def exchange(self, library: Library) -> None:
        """Use another library from now on."""
        self.in_use = library

    @property
    def overlays(self) -> tuple[str, ...]:
        """Name the overlays that may be asked for."""
        return tuple(self.library.overlays())

    @property
    def types(self) -> frozenset[str]:
        """Name the resource types that have a mapping."""
        return frozenset(fhir_type for _, fhir_type, _ in self.library.lenses)

    def lens(self, release: str, fhir_type: str, overlay: str | None = None) -> Lens:
        """Return the lens of a resource type in a release.

        Raises:
            Refused: there is no such release, overlay or mapping; says what is accepted.
        """
        overlay = overlay or self._settings.overlay or None
        try:
            with _COMPILING:
                found = self.library.lens(release, fhir_type, overlay)
        except DocumentError:
            raise _unknown("overlay", self.overlays, BREAKS_RULE) from None
        if release not in RELEASES:
            raise _unknown("release", RELEASES)
        if found is None:
            reason, accepted = "there is no mapping for this resource type", ", ".join(sorted(self.types))
            raise Refused(Issue("error", "structure", "resourceType", reason, accepted, "resource-type"))
        return found

    def to_internal(
        self, resource: Json, release: str, overlay: str | None = None, *, strict: bool = False
    ) -> Translated:
        """Translate a FHIR resource into a record.

        Raises:
            Refused: the resource is not valid, or holds what must not be carried unread; every reason at once.
        """
        lens = self.lens(release, str(resource.get("resourceType", "")), overlay)
        issues = _demand_valid([resource], release)
        if strict and (doubts := check_with_models(resource, release)):
            raise Refused(*doubts)
        translation = lens.read(resource)
        record = translation.result
        if parts.is_total_unsaid(record):
            record.setdefault("residue", []).append({"release": release, "path": parts.UNSAID, "value": True})
        if pauses.READING in lens.readings and pauses.is_pause(record):
            record = pauses.marked(record, release)
        # What could not be written back must not be accepted: two elements of one id, a length of time in milligrams.
        ours = check.check(record)
        if not ours:
            check.refuse(record, as_sent=not strict)
            record.setdefault("residue", []).append({"release": release, "path": AS_SENT, "value": True})
        found = Findings(lambda: (*issues, *translation.findings, *computed(record, as_sent=not ours)))
        self.gate(found, (translation.ledger,), strict=strict)
        return Translated([record], (translation.ledger,), found)

    def to_fhir(
        self,
        record: Json,
        release: str,
        overlay: str | None = None,
        *,
        strict: bool = False,
        as_sent: bool | None = None,
    ) -> Translated:
        """Translate a record into the FHIR resources that carry it.

        ``as_sent`` says that the record was read from FHIR, where what base FHIR allows is not refused; by default the
        record says so itself, which whoever stores it must not rely on.

        Raises:
            Refused: the record is not right, or FHIR has no place for a part of it; every reason at once.
        """
        internal = record.get("record") if isinstance(record, dict) else None
        if not isinstance(internal, str) or internal not in FHIR_TYPE:
            accepted = ", ".join(FHIR_TYPE)
            raise Refused(
                Issue("error", "required", "record", "the record does not say what it is", accepted, "record")
            )
        lens = self.lens(release, FHIR_TYPE[internal], overlay)
        read_from_fhir = _is_as_sent(record) if as_sent is None else as_sent
        right = check.check(record, as_sent=read_from_fhir)
        record, stale = _renewed(record, lens, right=right)
        if stale or not right:
            check.refuse(record, as_sent=read_from_fhir)
        record = _with_defaults(record, lens)
        whole = [record]
        if internal == "Administration":
            whole = parts.split(parts.with_total(record), self._settings.administration_system)
        sent = [pauses.untold(part) for part in whole]
        stale = stale + [_BY_STATE for part, own in zip(whole, sent, strict=True) if own is not part]
        translations = [_written(lens, part, release) for part in sent]
        resources = [translation.result for translation in translations]
        warned = [issue for translation in translations for issue in translation.findings]
        found = Findings(lambda: (*warned, *computed(record, as_sent=read_from_fhir)))
        ledgers = tuple(translation.ledger for translation in translations)
        if stale:
            ledgers = (Ledger(tuple(stale), lambda: stale), *ledgers)
        self.gate(found, ledgers, strict=strict)
        return Translated(resources, ledgers, found)

    def renewed(self, record: Json, release: str, overlay: str | None = None) -> Json:
        """Return an edited record without the texts of units that were edited, as ``to_fhir`` sends it.

        What is no right record at all comes back as it is.
        """
        internal = record.get("record")
        if internal not in FHIR_TYPE:
            return record
        return _renewed(record, self.lens(release, FHIR_TYPE[internal], overlay), right=False)[0]

    def settled(self, record: Json, release: str, overlay: str | None = None) -> Json:
        """Return a right record of one resource as it is to be kept: without texts that describe what was edited.

        What is sent is without them (``to_fhir``); kept, they would be read beside the new dose.
        """
        return pauses.told(self.lens(release, FHIR_TYPE[record["record"]], overlay).settled(pauses.untold(record)))

    def gate(self, found: Sequence[Issue], ledgers: tuple[Ledger, ...] = (), *, strict: bool = False) -> None:
        """Refuse findings (but information) where they are to be refused, and in strict mode whatever would be dropped.

        Raises:
            Refused: with each of them.
        """
        refused: list[Issue] = []
        if strict or self._settings.findings == "refuse":
            doubts = (issue for issue in found if issue.severity != "information")
            refused.extend(replace(issue, severity="error", status=BREAKS_RULE) for issue in doubts)
        if strict:
            refused.extend(_lost(line) for ledger in ledgers for line in ledger.exceptions if line.state == "dropped")
        if refused:
            raise Refused(*refused)


FHIR_TYPE = {"InfusionOrder": "MedicationRequest", "Administration": "MedicationAdministration"}
"""The resource type of each kind of record."""


AS_SENT = "$as-sent"
"""The path of the residue entry of a record that was read from FHIR and breaks a rule of our own JSON."""


_BY_STATE: Final = Line("segments[0].event", "carried", "status", "the state says it: on-hold, and nothing runs")


def _is_as_sent(record: Json) -> bool:
    entries = record.get("residue")
    paths = [entry.get("path") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return any(isinstance(path, str) and path.rpartition(".")[2] == AS_SENT for path in paths)


def _renewed(record: Json, lens: Lens, *, right: bool) -> tuple[Json, list[Line]]:
    """Return a record without the texts of edited units; ``right`` says that it was checked, else its shape is."""
    if "residue" in record and (right or check.check(record, as_sent=True)):
        return lens.renewed(record)
    return record, []


def _unknown(what: str, accepted: Iterable[str], status: int = BREAKS_FHIR) -> Refused:
    reason = f"there is no such {what}"
    return Refused(Issue("error", "not-supported", what, reason, ", ".join(accepted), what, status))


def _lost(line: Line) -> Issue:
    """Return the refusal of what strict mode does not let go."""
    accepted = "nothing that is dropped, in strict mode"
    return Issue("error", "not-supported", line.path, f"would be dropped: {line.why}", accepted, "strict", BREAKS_RULE)


def _demand_valid(resources: list[Json], release: str) -> tuple[Issue, ...]:
    """Return what validation finds and lets pass.

    Raises:
        Refused: with every error.
    """
    issues = tuple(issue for resource in resources for issue in validate(resource, release))
    errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
    if errors:
        raise Refused(*errors)
    return issues


def _written(lens: Lens, record: Json, release: str) -> Translation:
    """Write a record; what it contains of another release goes along as far as it is right in this one.

    Raises:
        Refused: what was written is not valid.
    """
    foreign = lens.foreign(record)
    unsent: frozenset[str] = frozenset()
    while True:
        contained: list[Json] = []
        try:
            written = lens.write(record, unsent=unsent)
            contained = written.result.get("contained", [])
            return _checked(lens, written, release)
        except Refused as refused:
            wrong = _at_fault(refused, contained) & foreign - unsent or foreign - unsent
            if not wrong:
                raise
            unsent |= wrong


def _at_fault(refused: Refused, contained: list[Json]) -> frozenset[str]:
    """Return the references to the contained resources that a refusal names."""
    places = (_CONTAINED.match(issue.path) for issue in refused.issues if contained)
    return frozenset(f"#{contained[int(place[1])].get('id')}" for place in places if place)


_CONTAINED: Final = re.compile(r"\w+\.contained\[([0-9]+)\]")


def _checked(lens: Lens, written: Translation, release: str) -> Translation:
    issues = _demand_valid([written.result], release)
    lens.demand_same(written)
    wrong = tuple(issue for issue in issues if issue.rule == targets.RULE)
    return replace(written, findings=(*written.findings, *wrong)) if wrong else written


def _with_defaults(record: Json, lens: Lens) -> Json:
    """Return a record of our own JSON with what the overlay sets where the record does not say it itself."""
    representation = lens.defaults.get("representation")
    several = len(record.get("segments", ())) > 1
    if representation and several and "representation" not in record and "residue" not in record:
        return {**record, "representation": representation}
    return record


def digest_of(settings: Settings, texts: Mapping[str, str]) -> str:
    """Return the digest that a library of these texts has under these settings."""
    return digest(texts, _systems(settings))


def _systems(settings: Settings) -> dict[str, str]:
    return {"order_system": settings.order_system, "administration_system": settings.administration_system}


def compile_all(library: Library) -> None:
    """Compile every lens, while others compile what they ask for."""
    for lens in library.lenses.values():
        with _COMPILING:
            lens.compile()


def load_library(
    settings: Settings,
    texts: Callable[[], dict[str, str]] | None = None,
    *,
    overlays: Container[str] | None = None,
) -> Library:
    """Load the mapping documents of the settings; see ``mapping.library.load`` for ``overlays``.

    Raises:
        DocumentError: with every complaint, each with file:line.
        SettingsError: the directory holds none.
    """
    found = texts() if texts is not None else mapping_texts(mappings_dir(settings))
    library = load(
        found, {"R4": elements.table("R4"), "R5": elements.table("R5")}, _systems(settings), overlays=overlays
    )
    if not library.lenses:
        accepted = "a directory like the shipped one, with files such as r4/infusion-order.yaml"
        raise SettingsError(f"mappings: no document with `pairs` is in {mappings_dir(settings)}; accepted: {accepted}")
    return library


def open_translator(settings: Settings, *, overlays: Container[str] | None = None) -> Translator:
    """Return the translator of the settings; see ``mapping.library.load`` for ``overlays``.

    Raises:
        DocumentError: with every complaint, each with file:line.
        SettingsError: the directory holds none.
    """
    return Translator(load_library(settings, overlays=overlays), settings)
