"""Certificates made by a test: an authority of its own, and what it signs, wrong ones too."""

from __future__ import annotations

import ipaddress
import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, each in a file."""

    certificate: Path
    key: Path

    def loaded(self, into: ssl.SSLContext) -> ssl.SSLContext:
        into.load_cert_chain(self.certificate, self.key)
        return into


class Authority:
    """Signs certificates; ``pair.certificate`` is the file to trust."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.pair = self._written(name, self._key, self._built(self._name, self._key, ends=365 * DAY, authority=True))

    def sign(self, name: str, host: str = "127.0.0.1", *, ends: timedelta = DAY, own: bool = False) -> Pair:
        """Return a certificate for a host, signed by this authority, or by itself (``own``)."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._written(name, key, self._built(_named(name), key, host, ends=ends, own=own))

    def _built(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        host: str = "",
        *,
        ends: timedelta,
        authority: bool = False,
        own: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        alone = authority or own
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if alone else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(host)]), critical=False)
        return builder.sign(key if alone else self._key, hashes.SHA256())

    def _written(self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Pair:
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return pair


def server(pair: Pair, *, clients: Path | None = None, old: bool = False) -> ssl.SSLContext:
    """Return the context of a server: one that asks for certificates of an authority, or speaks TLS 1.1 only."""
    context = pair.loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    if old:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
