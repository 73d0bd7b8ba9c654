"""The settings of other FHIR servers, each a section ``[remotes.<name>]`` of the settings file, and their checks."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from fhir_infusion.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

Release = Literal["R4", "R4B", "R5"]
Auth = Literal["none", "basic", "bearer"]
Direction = Literal["push", "pull", "both"]
Owner = Literal["ours", "theirs", "either"]

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
    direction: Direction = "both"
    poll_seconds: int = 30
    overlap_seconds: int = 300
    deadline_seconds: int = 30
    max_bytes: int = 16 * 1024 * 1024
    bundle_size: int = 20
    allow_plain_http: bool = False
    owns_orders: Owner = "either"
    owns_administrations: Owner = "either"

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
        other = known.setdefault(_address(remote.base_url), remote.name)
        if other != remote.name:
            # What one tells that server the other would pull as a change made there, and tell it again.
            reason = f"base_url: this server stands in [remotes.{other}] already; accepted is one section a server"
            raise SettingsError(f"{where}[remotes.{remote.name}]: {reason}")


def _address(base_url: str) -> str:
    url = urlsplit(base_url)
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    return f"{url.scheme}://{url.hostname}:{port}{url.path.rstrip('/')}"


def _check_remote(remote: Remote, where: str) -> None:
    try:
        url = urlsplit(remote.base_url)
        port = url.port
    except ValueError as error:
        raise SettingsError(f"{where}: base_url: not a URL") from error
    plain = url.scheme == "http" and (remote.allow_plain_http or is_loopback(url.hostname or ""))
    if not (url.scheme == "https" or plain) or port == 0:
        raise SettingsError(f"{where}: base_url: accepted is https; http on loopback or with allow_plain_http = true")
    if not url.hostname or url.username or url.password or url.query or url.fragment:
        raise SettingsError(f"{where}: base_url: accepted is scheme, host and path only")
    if (remote.auth == "none") != (remote.token_file is None):
        raise SettingsError(f"{where}: token_file: goes with auth basic or bearer, and only with these")
    if not TENANT.fullmatch(remote.tenant):
        raise SettingsError(f"{where}: {TENANT_ACCEPTED}")
    for name in ("poll_seconds", "deadline_seconds", "max_bytes"):
        if getattr(remote, name) < 1:
            raise SettingsError(f"{where}: {name}: accepted is a number above 0")
    if not 1 <= remote.bundle_size <= MOST_IN_A_BUNDLE:
        raise SettingsError(f"{where}: bundle_size: accepted is 1 to {MOST_IN_A_BUNDLE}")
    if remote.overlap_seconds < 0:
        raise SettingsError(f"{where}: overlap_seconds: accepted is 0 or more")
