"""Every secret of a configuration, to be taken out of whatever is given away.

It errs on the side of too many: a value that turns up in a report and is none costs a word, the
reverse costs the secret.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from mcpconf.credential import harmless, random_looking
from mcpconf.diagnosis.checks.check import Given
from mcpconf.diagnosis.checks.scrub import Persons, Scrubber
from mcpconf.masking import MASK, mask_args, mask_url
from mcpconf.model import Remote, Server, Stdio
from mcpconf.origin import Source
from mcpconf.readers.declared import Declared
from mcpconf.readers.token import TOKEN
from mcpconf.readers.world import read
from mcpconf.secret import hides, only_references

_PLAIN_HEADERS = frozenset({"accept", "content-type", "accept-encoding", "user-agent"})
_OF_THE_DESKTOP = ("XDG_", "DBUS_", "DESKTOP_", "SESSION_MANAGER", "GNOME_", "KDE_", "WAYLAND_")
_LONGEST_FILE = 16 * 1024 * 1024  # bytes
_NO_SECRETS = frozenset(
    "name type scope scopes serverName serverUrl expiresAt clientId subscriptionType "
    "rateLimitTier url authorization_endpoint token_endpoint issuer".split()
)


def scrubber(given: Given) -> Scrubber:
    """For one project: its secrets, its paths, its user."""
    return Scrubber(secrets(given), persons(given))


def secrets(given: Given) -> set[str]:
    """All that is known."""
    declared = given.compiled.survey.declared
    found = set(of_servers(declared))
    shell = {k: v for k, v in given.environ.items() if not k.startswith(_OF_THE_DESKTOP)}
    found.update(_of_environment(shell))
    found.update(_of_sources(given))
    found.update(_of_files(given))
    return {text for text in found if text.strip()}


def of_servers(declared: Declared) -> Iterator[str]:
    """What stands in the entries of all servers, with variables put in."""
    for group in (
        declared.users,
        *declared.projects,
        declared.locals,
        *declared.dynamic,
        declared.plugins,
        declared.managed or (),
    ):
        for server in group:
            if isinstance(server, Server) and isinstance(server.transport, Remote):
                yield from _of_remote(server.transport)
            elif isinstance(server, Server) and isinstance(server.transport, Stdio):
                yield from _of_process(server.transport)


def _of_remote(remote: Remote) -> Iterator[str]:
    for name, text in remote.headers.items():
        if name.lower() not in _PLAIN_HEADERS:
            yield from _values(text.reveal(), text.reveal_written())
    for url in (remote.url.reveal(), remote.url.reveal_written()):
        yield from hidden(url, mask_url(url))


def _of_process(process: Stdio) -> Iterator[str]:
    for name, text in process.env.items():
        if not harmless(name, text.reveal()):
            yield from _values(text.reveal(), text.reveal_written())
    yield from _of_args([a.reveal() for a in process.args])
    yield from _of_args([a.reveal_written() for a in process.args])


def _of_args(args: list[str]) -> Iterator[str]:
    for arg, (masked, _) in zip(args, mask_args(args), strict=True):
        yield from hidden(arg, masked)


def _values(*texts: str) -> Iterator[str]:
    for text in texts:
        if not only_references(text):
            yield text


def hidden(text: str, masked: str) -> Iterator[str]:
    """What a mask hides: pure."""
    if masked == text:
        return
    kept = masked.split(MASK)
    found = re.fullmatch("(.*?)".join(map(re.escape, kept)), text, re.DOTALL)
    yield from found.groups() if found else (text,)


def _of_environment(environ: Mapping[str, object], *, every: bool = False) -> Iterator[str]:
    for name, value in environ.items():
        if isinstance(value, str) and not only_references(value):
            path = value.startswith(("/", "~/")) and not random_looking(value)
            if every or (hides(name, value) and not path):  # CERT_FILE=/etc/ssl/… is no secret
                yield value


def _of_sources(given: Given) -> Iterator[str]:
    """What stands in the files themselves, whether or not it counts there."""
    configuration = given.configuration
    for source in (
        configuration.global_file,
        *configuration.project_files,
        configuration.home_file,
        configuration.user_settings,
        configuration.project_settings,
        *configuration.local_settings,
        configuration.flag_settings,
        *configuration.managed_settings,
        configuration.managed_servers,
        *configuration.dynamic,
    ):
        if isinstance(source, Source):
            with suppress(ValueError, RecursionError):
                yield from _of_entry(json.loads(source.text))


def _of_entry(value: object) -> Iterator[str]:
    """Look for headers, variables, arguments and URLs at any depth."""
    if isinstance(value, list):
        for below in value:
            yield from _of_entry(below)
    for key, below in value.items() if isinstance(value, dict) else ():
        if key == "mcpServers" and isinstance(below, dict):
            for entry in below.values():  # a server may be called `headers`
                yield from _of_entry(entry)
        else:
            yield from _of_field(key, below)


def _of_field(key: str, value: object) -> Iterator[str]:
    if key in {"headers", "env"} and isinstance(value, dict):
        plain = _PLAIN_HEADERS if key == "headers" else frozenset()
        values = {k: v for k, v in value.items() if k.lower() not in plain}
        yield from _of_environment(values, every=key == "headers")
    elif key == "args" and isinstance(value, list):
        yield from _of_args([str(arg) for arg in value])
    elif key == "url" and isinstance(value, str):
        yield from hidden(value, mask_url(value))
    else:
        yield from _of_entry(value)


def _of_files(given: Given) -> Iterator[str]:
    """Logins of the client, and the project's token."""
    credentials = given.configuration.credentials
    if isinstance(credentials, Source):
        with suppress(ValueError, RecursionError):
            yield from _leaves(json.loads(credentials.text))
    for path in (given.target.host / TOKEN, given.target.container / "bridge.json"):
        file = read(path, _LONGEST_FILE)
        if isinstance(file, Source):
            text = file.text.strip()
            with suppress(ValueError, RecursionError):
                document = json.loads(text)
                text = str(document.get("token", "")) if isinstance(document, dict) else text
            yield text


def _leaves(value: object, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, key)
    elif isinstance(value, list):
        for below in value:
            yield from _leaves(below, name)
    elif isinstance(value, str) and name not in _NO_SECRETS and not value.startswith("http"):
        yield value


# --- who and where ----------------------------------------------------------------------------


def persons(given: Given) -> Persons:
    """The user, the machine, and their paths."""
    configuration = given.configuration
    home = str(configuration.request.home)
    homes = dict.fromkeys((home, os.path.realpath(home), str(Path.home())))
    projects = dict.fromkeys(
        (configuration.cwd, str(configuration.request.project), configuration.key)
    )
    paths = [(path, "~") for path in homes if path != "/"]
    paths += [(path, "<project>") for path in projects if path != "/"]
    names = [(given.target.project, "<project-id>"), *_people(home)]
    return Persons(tuple(paths), tuple(dict.fromkeys(names)))


def _people(home: str) -> Iterator[tuple[str, str]]:
    with suppress(OSError, KeyError, ImportError):
        yield getpass.getuser(), "<user>"
    if len(Path(home).parts) > 1:
        yield os.path.basename(home), "<user>"
    machine = socket.gethostname()
    if machine not in {"localhost", ""}:
        yield machine, "<machine>"
        yield machine.partition(".")[0], "<machine>"
