"""TLS to an endpoint: the files of the settings are checked at the start, and a failed handshake gets a name.

A certificate is always verified: against the public authorities, or against those of ``ca_file`` and no others. Below
TLS 1.2 nothing is spoken. The files are read anew for each connection, so that a renewed certificate is used.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from fhir_infusion.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_infusion.remotes import Remote


def check_files(remote: Remote) -> None:
    """Refuse files that cannot be used.

    Raises:
        SettingsError: names the setting.
    """
    where = f"[remotes.{remote.name}]"
    context = ssl.create_default_context()
    if remote.ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(remote.ca_file))
        except OSError as error:
            raise SettingsError(f"{where}: ca_file: accepted is a readable file of certificates in PEM") from error
    if remote.cert_file is not None and remote.cert_key_file is not None:
        try:
            # An encrypted key would ask for its password on the terminal; this answer opens none.
            context.load_cert_chain(str(remote.cert_file), str(remote.cert_key_file), password=lambda: "-")
        except (OSError, ValueError) as error:
            accepted = "accepted is a certificate in PEM and its private key, not encrypted"
            raise SettingsError(f"{where}: cert_file, cert_key_file: {accepted}") from error


def fault(error: BaseException) -> str:
    """Return the code of what made a handshake fail; empty where that is not what happened."""
    for one in causes(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return _OF_CERTIFICATES.get(one.verify_code, "certificate-untrusted")
        if isinstance(one, ssl.SSLError) and one.reason in _OF_HANDSHAKES:
            return _OF_HANDSHAKES[one.reason]
    return ""


REFUSED: Final = "client-certificate-refused"
"""In TLS 1.3 the server says so with its first answer; then, too, it has looked at nothing that was sent."""

# X509_V_ERR_... of OpenSSL: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/#error-codes
_OF_CERTIFICATES: Final = {
    9: "certificate-not-yet-valid",
    10: "certificate-expired",
    18: "certificate-self-signed",
    19: "certificate-self-signed",
    62: "certificate-wrong-host",
    64: "certificate-wrong-host",
}

_OF_HANDSHAKES: Final = {
    "UNSUPPORTED_PROTOCOL": "tls-version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "tls-version",
    "WRONG_VERSION_NUMBER": "tls-version",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "tls-handshake",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": REFUSED,
    "SSLV3_ALERT_BAD_CERTIFICATE": REFUSED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": REFUSED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": REFUSED,
    "TLSV1_ALERT_UNKNOWN_CA": REFUSED,
}
"""By OpenSSL's reason."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was made of: ``requests`` and urllib3 wrap each other's in several ways."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        one = pending.pop()
        if id(one) in seen or not isinstance(one, BaseException):
            continue
        seen.add(id(one))
        yield one
        pending += [getattr(one, "reason", None), one.__cause__, *one.args]
