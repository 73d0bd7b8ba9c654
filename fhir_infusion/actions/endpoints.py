"""Where notifications may be sent: never to where only this machine or its network should reach (SSRF).

A client names an address and we connect to it: whoever may subscribe could otherwise make us talk to the metadata
service of a cloud, to a database beside us, or to ourselves. So: https; no credentials in the address; and each address
that its name leads to is one of the public network, unless the setting ``subscription_hosts`` names the host. The same
is asked again at each connection, of the very address that is connected to, since a name may lead elsewhere by then.

Where the service itself runs open on loopback, for trying out, http to loopback is taken, too.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from fhir_infusion.config import is_loopback
from fhir_infusion.errors import BREAKS_RULE, Issue, Refused

if TYPE_CHECKING:
    from fhir_infusion.config import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MOST_CHARACTERS: Final = 2048
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_PORTS: Final = {"https": 443, "http": 80}


def check(settings: Settings, url: str, path: str) -> None:
    """Refuse an endpoint that notifications may not be sent to; ``path`` names the element.

    Raises:
        Refused: 422; the address is not repeated.
    """
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        raise _refused(path, "it is no address") from None
    if reason := _form(settings, url, split, port):
        raise _refused(path, reason)
    try:
        addresses(settings, split.hostname or "", port or _PORTS[split.scheme])
    except OSError:
        raise _refused(path, "nothing may be sent there, or its name leads nowhere") from None


def addresses(settings: Settings, host: str, port: int) -> tuple[str, ...]:
    """Return the addresses that a host leads to, where each may be connected to.

    Raises:
        OSError: it leads nowhere, or one of them may not.
    """
    found = tuple(resolved(host, port))
    if not found:
        raise OSError("the name leads nowhere")
    if not _is_listed(settings, host) and not all(_may(settings, host, one) for one in found):
        raise OSError("the address may not be connected to")
    return found


def resolved(host: str, port: int) -> list[str]:
    """Return the addresses that the resolver of this machine gives; the tests put another in its place.

    Raises:
        OSError: there is no such name.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a part of it is longer than a name may have, or empty
        raise OSError("there can be no such name") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_open(settings: Settings) -> bool:
    """Say whether the service runs open on loopback, for trying out."""
    return settings.tokens is None and is_loopback(settings.host)


def _form(settings: Settings, url: str, split: SplitResult, port: int | None) -> str:
    """Return what is wrong with the form of an address, empty where nothing is."""
    host = split.hostname or ""
    plain = split.scheme == "http" and is_open(settings) and is_loopback(host)
    if split.scheme != "https" and not plain:
        return "it is not https"
    if not host or port == 0:
        return "it names no host"
    if split.username is not None or split.password is not None:
        return "there are credentials in it"
    if split.fragment or len(url) > _MOST_CHARACTERS or any(ord(sign) <= 32 or ord(sign) > 126 for sign in url):
        return "it is not written as one"
    return "there is a backslash in it" if "\\" in url else ""


def _is_listed(settings: Settings, host: str) -> bool:
    return host.lower().rstrip(".") in {one.lower().strip("[]") for one in settings.subscription_hosts}


def _may(settings: Settings, host: str, address: str) -> bool:
    """Say whether an address may be connected to under the name that led to it."""
    try:
        real = _meant(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if is_open(settings) and is_loopback(host):
        return real.is_loopback
    return real.is_global and not (real.is_multicast or real.is_reserved or real.is_unspecified)


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address carries, where it carries one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
    return address


def _refused(path: str, reason: str) -> Refused:
    accepted = "an https address of the public network, or a host that the setting subscription_hosts names"
    return Refused(Issue("error", "business-rule", path, reason, accepted, "subscription-endpoint", BREAKS_RULE))
