"""Certificates, good and bad, and the authority that a user may trust."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_HOSTS = [f"{n}.example.com" for n in "works half others near direct leads".split()]
NAMES = ("127.0.0.1", "localhost", *_HOSTS)
_NOW = dt.datetime.now(dt.UTC)
_DAY = dt.timedelta(days=1)


_AUTHORITY = trustme.CA(organization_name="laboratory")  # several threads use it


def authority() -> trustme.CA:
    return _AUTHORITY


def trusted(folder: Path) -> dict[str, str]:
    """The variables with which Claude Code and mcpconf trust the authority."""
    file = folder / "ca.pem"
    authority().cert_pem.write_to_path(str(file))
    return {"NODE_EXTRA_CA_CERTS": str(file), "SSL_CERT_FILE": str(file)}


@cache
def good() -> ssl.SSLContext:
    return _context(authority().issue_cert(*NAMES))


@cache
def for_another_name() -> ssl.SSLContext:
    return _context(authority().issue_cert("intranet.example"))


@cache
def expired() -> ssl.SSLContext:
    made = authority().issue_cert(*NAMES, not_before=_NOW - 9 * _DAY, not_after=_NOW - 2 * _DAY)
    return _context(made)


@cache
def not_yet() -> ssl.SSLContext:
    made = authority().issue_cert(*NAMES, not_before=_NOW + 2 * _DAY, not_after=_NOW + 9 * _DAY)
    return _context(made)


@cache
def of_an_unknown_authority() -> ssl.SSLContext:
    return _context(trustme.CA(organization_name="a company").issue_cert(*NAMES))


@cache
def wants_a_certificate() -> ssl.SSLContext:
    """Refuses whoever has no certificate of its own, within the handshake."""
    context = _context(authority().issue_cert(*NAMES))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    authority().configure_trust(context)
    return context


@cache
def self_signed() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName(each) for each in NAMES if not each[0].isdigit()]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - _DAY)
        .not_valid_after(_NOW + 9 * _DAY)
        .add_extension(x509.SubjectAlternativeName([*names, _address("127.0.0.1")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    kept = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return _loaded(kept + made.public_bytes(pem))


def _address(text: str) -> Any:

    return x509.IPAddress(ipaddress.ip_address(text))


def _context(made: trustme.LeafCert) -> ssl.SSLContext:
    return _loaded(made.private_key_and_cert_chain_pem.bytes())


def _loaded(pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context
