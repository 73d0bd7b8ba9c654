"""Building what commands work with: a store, a service, a running service."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import UUID

from fhir_infusion.actions.mappings.live import Live
from fhir_infusion.actions.prove import SHORT, ensure_all_proven, ensure_proven, is_known, parts_of
from fhir_infusion.cli.run import tell
from fhir_infusion.errors import DocumentError
from fhir_infusion.fhir import validate
from fhir_infusion.fhir.releases import RELEASES
from fhir_infusion.service import Service
from fhir_infusion.store import dialect, open_reader, open_shared, open_store, postgresql
from fhir_infusion.translator import Translator, open_translator
from fhir_infusion.web.running import Running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.config import Settings
    from fhir_infusion.mapping.library import Library
    from fhir_infusion.store import Shared, Store


def clock() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return a resource id that nobody has used: a UUID of version 7 (RFC 9562, section 5.7, method 3 of 6.2).

    It begins with the moment, so that what is made together lies together in the database's trees. Most that a new
    order writes are index rows by value, which this does not touch: measured, it saves 3 % of what is written.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    return str(UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62)))


def load_translator(settings: Settings) -> Translator:
    """Return what translates, whole: no thread, lock or connection, so that processes forked afterwards share it.

    Raises ``DocumentError`` or ``SettingsError``.
    """
    translator = open_translator(settings)
    # The first request of any other overlay waits for its lenses.
    translator.library.compile({None, *_overlays(settings)})
    for release in RELEASES:
        validate.prepare(release)  # nothing is built while requests wait, and nothing by several threads at once
    return translator


def build_service(
    settings: Settings, wait_seconds: float = 0, translator: Translator | None = None, held: Shared | None = None
) -> Service:
    """Return a service that writes. Call it after the last fork; close its store at the end.

    ``translator`` and ``held`` are what several processes have from before their fork.

    Raises ``DocumentError``, ``SettingsError``, or ``Unavailable`` where another process writes the database.
    """
    translator = translator or load_translator(settings)
    if held is not None:
        return Service(open_shared(held, clock), translator, clock, new_id, settings)
    store = open_store(
        settings.database, clock, wait_seconds=wait_seconds, password_file=settings.database_password_file
    )
    return Service(store, translator, clock, new_id, settings)


@contextmanager
def writing_service(settings: Settings) -> Iterator[Service]:
    """Give a service that writes, and close it at the end.

    Raises as :func:`build_service`.
    """
    service = build_service(settings)
    try:
        yield service
    finally:
        service.store.close()


@contextmanager
def reading_service(settings: Settings) -> Iterator[Service]:
    """Give a service that reads and translates nothing: loading the mappings takes seconds.

    Raises as :func:`reading_store`.
    """
    with reading_store(settings) as store:
        yield Service(store, cast("Translator", None), clock, new_id, settings)


@contextmanager
def reading_store(settings: Settings) -> Iterator[Store]:
    """Give the store for reading, beside whoever writes it.

    Raises ``Unavailable`` where there is no database.
    """
    store = open_reader(settings.database, clock, password_file=settings.database_password_file)
    try:
        yield store
    finally:
        store.close()


def build_running(
    settings: Settings,
    address: str,
    wait_seconds: float,
    translator: Translator | None = None,
    held: Shared | None = None,
) -> Running:
    """Return a service with its threads running, for ``serve``; its mapping documents keep the laws.

    ``translator`` and ``held`` as of :func:`build_service`.

    Raises as :func:`build_service`.
    """
    service = build_service(settings, wait_seconds, translator, held)
    try:
        live = live_mappings(service)
        if translator is not None:
            # Loaded before the fork, maybe long ago: another process of these may have reloaded since.
            live.reload()
        return Running(service, address, live)
    except BaseException:
        service.store.close()
        raise


def live_mappings(service: Service) -> Live:
    """Ask the laws of the documents that a service uses, and return these, to be read anew while it runs.

    Raises ``DocumentError`` as :func:`keep_proven`.
    """
    known = _known(service.settings.database)
    with _in_turn(known):
        if not is_known(service.translator.library, known):
            tell("the mapping documents are proven first, as after each change of them: up to a minute")
        keep_proven(service.translator.library, service.settings, known)

    def prove(library: Library) -> None:
        with _in_turn(known):
            ensure_all_proven(library, service.settings, known, SHORT)

    return Live(service.translator, service.settings, service.clock, prove, service.clock())


def _overlays(settings: Settings) -> set[str]:
    return {settings.overlay, *(remote.overlay for remote in settings.remotes)}


def _known(database: str) -> Path | None:
    """Return the file of the digests of proven documents, so that the next start need not ask again.

    It lies beside SQLite's file; with PostgreSQL in the user's cache, or nowhere where that cannot be made.
    """
    if not postgresql.is_url(database):
        beside = dialect.path_of(database)
        return beside.with_name(f"{beside.name}.proven")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fhir-infusion"
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return cache / "proven" if os.access(cache, os.W_OK) else None


@contextmanager
def _in_turn(known: Path | None) -> Iterator[None]:
    """Let one process of this machine prove the documents, so that the others that start with it find it done."""
    if known is None:
        yield
        return
    descriptor = os.open(known.with_name(f"{known.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def keep_proven(library: Library, settings: Settings, known: Path | None) -> None:
    """Ask the laws of every document, and leave out overlays that do not keep them.

    One site's overlay that is wrong must not keep the others from being served, unless it is one that is set.

    Raises ``DocumentError`` where a shipped document, or an overlay of the settings, does not keep a law.
    """
    for overlay, part in list(parts_of(library)):
        try:
            ensure_proven(part, settings, known, SHORT)
        except DocumentError as error:
            if overlay is None or overlay in _overlays(settings):
                raise
            for complaint in error.complaints:
                tell(f"overlay {overlay} is left out: {complaint}")
            for key in part.lenses:
                del library.lenses[key]
            del library.defaults[overlay]
