"""The settings of other FHIR servers, each a section ``[remotes.<name>]`` of the settings file, and their checks."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from fhir_infusion.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

Release = Literal["R4", "R4B", "R5"]
Auth = Literal["none", "basic", "bearer", "smart"]
Direction = Literal["push", "pull", "both"]
Owner = Literal["ours", "theirs", "either"]
Feed = Literal["auto", "history", "search"]

TYPES: Final = ("MedicationRequest", "MedicationAdministration")
"""What can be kept in step, in causal order."""
PATIENT: Final = "Patient"
"""May stand beside them in ``resources``: the patients of what is pulled come along, and what
is corrected of them there. They are not told of there."""
ORDER_INTENTS: Final = ("order", "original-order", "reflex-order", "filler-order", "instance-order")
"""Intents that ask for something to be done; a plan, a proposal or an option does not."""
INTENTS: Final = ("proposal", "plan", *ORDER_INTENTS, "option")
MOST_SENDERS: Final = 16

MOST_IN_A_BUNDLE: Final = 100
TENANT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
TENANT_ACCEPTED: Final = "tenant: accepted are lower-case letters, digits and hyphens, 63 at most"


@dataclass(frozen=True, slots=True)
class Remote:
    """One FHIR server that is kept in step. In the file: the section ``[remotes.<name>]``.

    Times are whole seconds. ``token_file`` holds the bearer token, or ``user:password`` for basic. ``overlap_seconds``
    is how far a pull reaches back behind its watermark, for rows that the server makes visible late. ``tenant`` is
    whose versions are sent there, and who gets what is pulled: a server belongs to one tenant. ``owns_orders`` and
    ``owns_administrations`` say whose clinical changes stand; those of the other side are held for a person.
    ``bundle_size`` is how many writes go in one request where the server takes batches; 1 sends each by itself.
    """

    name: str
    base_url: str
    tenant: str = "default"
    release: Release = "R4"
    auth: Auth = "none"
    token_file: Path | None = None
    client_id: str = ""
    key_file: Path | None = None
    token_url: str = ""
    scope: str = ""
    ca_file: Path | None = None
    cert_file: Path | None = None
    cert_key_file: Path | None = None
    direction: Direction = "both"
    poll_seconds: int = 30
    overlap_seconds: int = 300
    deadline_seconds: int = 30
    max_bytes: int = 16 * 1024 * 1024
    bundle_size: int = 20
    allow_plain_http: bool = False
    owns_orders: Owner = "either"
    owns_administrations: Owner = "either"
    resources: tuple[str, ...] = TYPES
    intents: tuple[str, ...] = ORDER_INTENTS
    overlay: str = ""
    pull_filter: str = ""
    feed: Feed = "auto"
    senders: int = 4
    hook_base: str = ""
    hook_token_file: Path | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The types kept in step, in causal order."""
        return tuple(one for one in TYPES if one in self.resources)

    @property
    def feeds(self) -> tuple[str, ...]:
        """The types that are read there: those kept in step, then the patients, where they come along."""
        return (*self.types, *((PATIENT,) if PATIENT in self.resources else ()))

    def filter_of(self, fhir_type: str) -> str:
        """Return what narrows the feed of a type, as written: ``pull_filter``, which says nothing of patients."""
        return self.pull_filter if fhir_type in TYPES else ""

    def is_told(self, tenant: str, fhir_type: str, intent: object, *, known: bool = False) -> bool:
        """Say whether this server is told of a resource of a tenant.

        ``intent`` counts for orders. One that is ``known`` there is told of, whatever ``intents`` says, if it is an
        order: what has been sent or pulled must not miss its stop.
        """
        if tenant != self.tenant or self.direction == "pull" or fhir_type not in self.types:
            return False
        told = fhir_type != "MedicationRequest" or intent in self.intents
        return told or (known and intent in ORDER_INTENTS)

    def owner(self, fhir_type: str) -> Owner:
        """Return who owns the clinical content of resources of this type."""
        owners: dict[str, Owner] = {
            "MedicationRequest": self.owns_orders,
            "MedicationAdministration": self.owns_administrations,
        }
        return owners.get(fhir_type, "either")


def is_loopback(host: str) -> bool:
    """Say whether ``host`` can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_remotes(remotes: Sequence[Remote], where: str) -> None:
    """Refuse sections that are not fit for use, and two of one server.

    Raises:
        SettingsError: names the section, after ``where``, and what would be accepted.
    """
    known: dict[str, str] = {}
    for remote in remotes:
        _check_remote(remote, f"{where}[remotes.{remote.name}]")
        other = known.setdefault(address(remote.base_url), remote.name)
        if other != remote.name:
            # What one tells that server the other would pull as a change made there, and tell it again.
            reason = f"base_url: this server stands in [remotes.{other}] already; accepted is one section a server"
            raise SettingsError(f"{where}[remotes.{remote.name}]: {reason}")


def address(base_url: str) -> str:
    """Return which server a URL names, however it is spelled; each name of loopback is one."""
    url = urlsplit(base_url)
    host = "localhost" if is_loopback(url.hostname or "") else url.hostname
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    return f"{url.scheme}://{host}:{port}{url.path.rstrip('/')}"


def is_safe_url(remote: Remote, text: str) -> bool:
    """Say whether credentials of this remote may go to a URL: https, or http where the settings allow that.

    Raises:
        ValueError: it is not a URL.
    """
    url = urlsplit(text)
    plain = url.scheme == "http" and (remote.allow_plain_http or is_loopback(url.hostname or ""))
    return (url.scheme == "https" or plain) and url.port != 0


def is_bare_url(text: str) -> bool:
    """Say whether a URL has scheme, host and path only."""
    url = urlsplit(text)
    return bool(url.hostname) and not (url.username or url.password or url.query or url.fragment)


def _check_remote(remote: Remote, where: str) -> None:
    _check_url(remote, where, "base_url", remote.base_url)
    _check_auth(remote, where)
    if not TENANT.fullmatch(remote.tenant):
        raise SettingsError(f"{where}: {TENANT_ACCEPTED}")
    for name in ("poll_seconds", "deadline_seconds", "max_bytes"):
        if getattr(remote, name) < 1:
            raise SettingsError(f"{where}: {name}: accepted is a number above 0")
    if not 1 <= remote.bundle_size <= MOST_IN_A_BUNDLE:
        raise SettingsError(f"{where}: bundle_size: accepted is 1 to {MOST_IN_A_BUNDLE}")
    if remote.overlap_seconds < 0:
        raise SettingsError(f"{where}: overlap_seconds: accepted is 0 or more")
    if not 1 <= remote.senders <= MOST_SENDERS:
        raise SettingsError(f"{where}: senders: accepted is a number from 1 to {MOST_SENDERS}")
    _check_lists(remote, where)
    if not re.fullmatch(r"[a-z0-9-]{0,63}", remote.overlay):
        raise SettingsError(f"{where}: overlay: accepted is the name of a file in mappings/overlays, without .yaml")
    _check_filter(remote, where)
    _check_hook(remote, where)


def _check_lists(remote: Remote, where: str) -> None:
    for name, accepted in (("resources", (*TYPES, PATIENT)), ("intents", INTENTS)):
        given = getattr(remote, name)
        if not given or len(set(given)) < len(given) or not set(given) <= set(accepted):
            raise SettingsError(f"{where}: {name}: accepted are one or more, each once, of {', '.join(accepted)}")
    if not remote.types:
        raise SettingsError(f"{where}: resources: accepted is {PATIENT} only beside one of {', '.join(TYPES)}")


def _check_hook(remote: Remote, where: str) -> None:
    if bool(remote.hook_base) != (remote.hook_token_file is not None):
        raise SettingsError(f"{where}: hook_base, hook_token_file: accepted are both, or none")
    if remote.hook_base:
        _check_url(remote, where, "hook_base", remote.hook_base)


def _check_filter(remote: Remote, where: str) -> None:
    try:
        pairs = filter_parameters(remote, TYPES[0])
    except ValueError as error:
        raise SettingsError(f"{where}: pull_filter: accepted is a search, such as patient.organization=9") from error
    if any(not re.fullmatch(_FILTERED, name) or not value for name, value in pairs):
        accepted = "accepted are parameters with a value; of those with _, _tag, _security, _source, _profile and _has"
        raise SettingsError(f"{where}: pull_filter: {accepted}")
    if pairs and remote.feed == "history":
        raise SettingsError(f"{where}: pull_filter: a history cannot be filtered; accepted is feed auto or search")


def filter_parameters(remote: Remote, fhir_type: str) -> list[tuple[str, str]]:
    """Return the parameters of what narrows the feed of a type, which is written as in a URL.

    Raises:
        ValueError: it is not so.
    """
    text = remote.filter_of(fhir_type)
    if not text:
        return []
    return parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")


def _check_url(remote: Remote, where: str, name: str, text: str) -> None:
    try:
        safe = is_safe_url(remote, text)
    except ValueError as error:
        raise SettingsError(f"{where}: {name}: not a URL") from error
    if not safe:
        raise SettingsError(f"{where}: {name}: accepted is https; http on loopback or with allow_plain_http = true")
    if not is_bare_url(text):
        raise SettingsError(f"{where}: {name}: accepted is scheme, host and path only")


def _check_auth(remote: Remote, where: str) -> None:
    if (remote.auth in {"basic", "bearer"}) != (remote.token_file is not None):
        raise SettingsError(f"{where}: token_file: goes with auth basic or bearer, and only with these")
    for name in ("client_id", "key_file", "scope"):
        if (remote.auth == "smart") != bool(getattr(remote, name)):
            raise SettingsError(f"{where}: {name}: goes with auth smart, and only with this")
    if remote.token_url:
        if remote.auth != "smart":
            raise SettingsError(f"{where}: token_url: goes with auth smart, and only with this")
        _check_url(remote, where, "token_url", remote.token_url)
    if not re.fullmatch(_SCOPE, remote.scope):
        raise SettingsError(f"{where}: scope: accepted are words apart by one space, such as system/*.cruds")
    if (remote.cert_key_file is None) != (remote.cert_file is None):
        raise SettingsError(f"{where}: cert_key_file: cert_file and cert_key_file go together")
    if (remote.ca_file or remote.cert_file) and not remote.base_url.startswith("https:"):
        raise SettingsError(f"{where}: ca_file, cert_file: accepted with https only")


_FILTERED: Final = (
    r"_tag|_security|_source|_profile|_has:[A-Za-z:_.-]+|[a-z][A-Za-z0-9.-]*(:[A-Za-z-]+(\.[A-Za-z.-]+)?)?"
)
"""What else begins with an underscore says how to answer, which is for us to say."""

# https://www.rfc-editor.org/rfc/rfc6749#section-3.3
_SCOPE: Final = r"([!#-\[\]-~]+( [!#-\[\]-~]+)*)?"
