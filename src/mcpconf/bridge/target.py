"""Which server the bridge is for."""

from __future__ import annotations

import json
import os
import re

from mcpconf.bridge.endpoint import Endpoint, parse_endpoint
from mcpconf.bridge.heads import header_value
from mcpconf.bridge.limits import HEAD_LIMIT
from mcpconf.bridge.trouble import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcpconf.bridge.text import Message


class Target:
    """Which server: where it is, which headers it wants, and what to call it.

    ``load`` reads it anew: a sync may move the gateway while bridges run.
    """

    def __init__(self, name: str, url: str = "", config: str = "") -> None:
        self.name = name
        self.gateway = not url
        self._url = url
        self._config = config
        self._stamp: object = None
        self.trouble: Trouble | None = None  # with what says where it is
        self.endpoint: Endpoint | None = parse_endpoint(url) if url else None
        self.headers: Sequence[tuple[str, str]] = ()
        self.identity = url or name  # tells servers apart that have one name in two projects

    def load(self) -> None:
        """Look where the server is now."""
        self.trouble = self._load() if self.gateway else None

    def _load(self) -> Trouble | None:
        try:
            status = os.stat(self._config)
            stamp = status.st_ino, status.st_mtime_ns, status.st_size
            if stamp == self._stamp:
                return None
            with open(self._config, "rb") as file:
                self._read(json.loads(file.read(HEAD_LIMIT)))
        except FileNotFoundError:
            return self._bad(
                f"{self._config} is not there; run `mcpconf sync` on the host, which writes it"
            )
        except OSError as error:
            return self._bad(f"{self._config} cannot be read ({error.strerror})")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return self._bad(f"{self._config} is not what `mcpconf sync` writes; run it again")
        self._stamp = stamp
        return None

    def _read(self, document: Message) -> None:
        if document["version"] != 1:
            raise ValueError("another version")
        path = f"/{document['project']}/{self.name}/mcp"
        if not _PLAIN.match(path):
            raise ValueError("not an id")
        where = f"unix:{document['socket']}:{path}" if document.get("socket") else ""
        if not where:
            gateway = document["gateway"]
            host = str(gateway["host"])
            shown = f"[{host}]" if ":" in host else host
            where = f"http://{shown}:{int(gateway['port'])}{path}"
        self.endpoint = parse_endpoint(where)
        self.identity = path.strip("/")
        token = header_value(str(document["token"]))
        self.headers = (("Authorization", f"Bearer {token}"), (PATIENT, "1"))

    def _bad(self, text: str) -> Trouble:
        return Trouble("secret-missing", text, delivered=False)


# The gateway need not wait for a late server: this client does.
PATIENT = "Mcpconf-Bridge"
_PLAIN = re.compile(r"(?:/[A-Za-z0-9._-]+)+\Z")
