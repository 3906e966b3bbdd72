"""TLS over a connection: with the client's eyes first; and what a refused certificate says."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import ssl
import threading
import time

from mcpconf.wire.certificate import certificate_facts
from mcpconf.wire.fault import Clock, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Open = Callable[[], socket.socket]

_CODES = {  # of X509_verify_cert(3)
    9: "not-yet",
    10: "expired",
    18: "self-signed",
    19: "unknown-ca",
    20: "unknown-ca",
    21: "unknown-ca",
    62: "wrong-name",
    64: "wrong-name",
}
_PLAIN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
_PLAIN_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_LOOK = 2.0  # seconds for a second look
_SHARE = 0.7  # of the time that is left; some is kept for that look
_PEM = "-----BEGIN"
_READING = threading.Lock()


class Trust:
    """Whom to trust: the system's store, what the caller adds, and the user's own file."""

    def __init__(self, ca: str, roots: str) -> None:
        self._ca, self._roots = ca, roots

    def context(self) -> ssl.SSLContext:
        """What is trusted now; reading it takes long, so it is kept while nothing changes."""
        store = tuple(os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
        files = (self._ca, "" if self._roots.startswith(_PEM) else self._roots, *store)
        changed = tuple((path, _changed(path)) for path in files)
        with _READING:  # one for all that are asked at once
            return _trusting(self._ca, self._roots, changed)

    def count(self) -> int:
        """How many are trusted; those of a directory count when they lie there."""
        loaded = self.context().cert_store_stats()["x509_ca"]
        if loaded:
            return int(loaded)
        folder = ssl.get_default_verify_paths().capath
        try:
            return sum(name.endswith(".0") for name in os.listdir(folder)) if folder else 0
        except OSError:
            return 0


@functools.lru_cache(maxsize=16)
def _trusting(ca: str, roots: str, _: object) -> ssl.SSLContext:
    context = ssl.create_default_context()
    strict = getattr(ssl, "VERIFY_X509_STRICT", 0)
    context.verify_flags &= ~strict  # the client is not as strict as Python 3.13
    context.set_alpn_protocols(["http/1.1"])
    if roots.startswith(_PEM):
        with contextlib.suppress(ssl.SSLError, ValueError):
            context.load_verify_locations(cadata=roots)
    for path in (ca, "" if roots.startswith(_PEM) else roots):
        if path:
            with contextlib.suppress(OSError, ValueError):  # as the client: without it
                context.load_verify_locations(path)
    return context


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime if path else 0.0
    except (OSError, ValueError):
        return 0.0


def secured(
    sock: socket.socket, host: str, trust: Trust, clock: Clock, again: Open
) -> tuple[ssl.SSLSocket, dict[str, object]]:
    """Secure a connection; also what its certificate says.

    ``again`` makes another connection to the same place, for a second look at what failed.
    Raises Fault of the tls station.
    """
    try:
        part = clock.within(clock.left() * _SHARE)
        secure = _shaken(sock, host, trust.context(), part)
    except (ssl.SSLError, OSError) as error:
        sock.close()
        raise _fault(error, host, trust, clock, again) from None
    facts = certificate_facts(secure.getpeercert(binary_form=True) or b"")
    return secure, {**facts, "protocol": secure.version() or "", "roots": trust.count()}


def _shaken(sock: socket.socket, host: str, context: ssl.SSLContext, clock: Clock) -> ssl.SSLSocket:
    sock.settimeout(clock.left())
    return context.wrap_socket(sock, server_hostname=host)


def _fault(error: OSError, host: str, trust: Trust, clock: Clock, again: Open) -> Fault:
    now = int(time.time())
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = _CODES.get(error.verify_code, "untrusted")
        facts = seen_certificate(host, clock, again)
        return Fault(
            kind, code=error.verify_code, reason=error.verify_message, roots=trust.count(),
            now=now, **facts
        )  # fmt: skip
    kind = "timeout" if isinstance(error, socket.timeout) else "handshake"
    reason = getattr(error, "reason", "") or ""
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        kind = "reset"
    elif isinstance(error, ssl.SSLEOFError) or "EOF" in reason:
        kind = "closed"
    if (kind != "handshake" or reason in _PLAIN) and speaks_plainly(clock, again):
        kind = "plain"
    return Fault(kind, reason=str(reason)[:80], now=now)


def seen_certificate(host: str, clock: Clock, again: Open) -> dict[str, object]:
    """What the certificate says that was refused: a second connection, on which nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with again() as sock, _shaken(sock, host, context, clock.within(_LOOK)) as secure:
            facts = certificate_facts(secure.getpeercert(binary_form=True) or b"")
            return {**facts, "protocol": secure.version() or ""}
    except (OSError, Fault):
        return {}


def speaks_tls(host: str, clock: Clock, again: Open) -> bool:
    """Whether a port that gave no HTTP answer speaks TLS."""
    return bool(seen_certificate(host, clock, again))


def speaks_plainly(clock: Clock, again: Open) -> bool:
    """Whether a port that knows no TLS speaks HTTP."""
    try:
        limit = clock.within(_LOOK)
        with again() as sock:
            sock.settimeout(limit.left())
            sock.sendall(_PLAIN_REQUEST)
            return sock.recv(5) == b"HTTP/"
    except (OSError, Fault):
        return False
