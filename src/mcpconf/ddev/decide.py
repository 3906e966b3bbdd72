"""Decides which service is Claude Code's, and says what that one cannot enforce.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from mcpconf.ddev.look import CONFIG, Seen
from mcpconf.ddev.settings import Settings, read_settings
from mcpconf.findings import Finding
from mcpconf.names import quote
from mcpconf.origin import Origin, Source

_WEB_ROOT = "/var/www/html"
_OURS = ("claude", "claude-code")
_BASE = ("config.yaml", "config.yml")  # read before all others, whatever it says
_PLACE = re.compile(r"(?:\$DDEV_APPROOT|\$\{DDEV_APPROOT\}|/[A-Za-z0-9._/@ -]*[A-Za-z0-9._/@-])")
_OVERRIDES = re.compile(r"^override_config:[ \t]*[\"']?true", re.MULTILINE | re.IGNORECASE)
_PROJECT = {"${DDEV_APPROOT}", "$DDEV_APPROOT", "..", "../"}


class Service(NamedTuple):
    """The service in which Claude Code runs.

    ``kind``: ``own``, ``beside`` (another add-on's), ``web`` or ``none``.  ``ddev`` is where the
    project's ``.ddev`` is in it, in the language of compose files, "" if it is not.
    """

    kind: str
    name: str
    ddev: str = ""
    because: str = ""

    @property
    def place(self) -> str:
        """Where the project is in it, for a line of a comment; "" if that is not plain."""
        place = self.ddev.removesuffix("/.ddev")
        return place if _PLACE.fullmatch(place) else ""


class Decision(NamedTuple):
    """Everything that the files hang on; ``stops``: nothing is written."""

    service: Service
    settings: Settings
    findings: tuple[Finding, ...]
    stops: bool = False


def decide(seen: Seen, folder: str) -> Decision:
    """``folder`` is the path of ``.ddev``, for findings."""
    settings, wrong = read_settings(seen.settings)
    services, findings = _services(seen, folder)
    service = _service(settings, services)
    if service.kind == "own" and settings.service not in _OURS:
        wrong.append(f"MCPCONF_SERVICE: no compose file of .ddev has {quote(settings.service)}")
    findings += [_setting(text, folder) for text in wrong]
    findings += _remarks(seen, folder)
    findings += _honest(service)
    stopping = [*_networks(services, folder)]
    return Decision(service, settings, (*findings, *stopping), stops=bool(stopping))


class _Found(NamedTuple):
    """A service as a compose file of the project has it."""

    file: str
    name: str
    body: Mapping[str, Any]


def _services(seen: Seen, folder: str) -> tuple[list[_Found], list[Finding]]:
    found: list[_Found] = []
    findings = [_unread(name, "it cannot be read", folder) for name in seen.unreadable]
    for name, text in seen.composes.items():
        try:
            document = yaml.safe_load(text)
            services = document.get("services") or {}
            found += [
                _Found(name, str(key), body if isinstance(body, dict) else {})
                for key, body in services.items()
            ]
        except (yaml.YAMLError, AttributeError, ValueError, RecursionError):
            findings.append(_unread(name, "it is not the YAML of a compose file", folder))
    return found, findings


def _service(settings: Settings, services: list[_Found]) -> Service:
    wanted = settings.service
    if wanted == "none":
        return Service("none", "", "", "MCPCONF_SERVICE is none")
    if wanted == "web":
        because = "MCPCONF_SERVICE in .ddev/.env.mcpconf is web"
        return Service("web", "web", f"{_WEB_ROOT}/.ddev", because)
    names = _OURS if wanted in _OURS else (wanted,)
    there = next((s for n in names for s in services if s.name == n), None)
    if there is None:
        return Service("own", "claude")
    place = _project_in(there.body)
    because = f"{there.file} has the service {there.name}"
    return Service("beside", there.name, f"{place}/.ddev" if place else "", _comment(because))


def _comment(text: str) -> str:
    """A text that can stand in a comment."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


def _project_in(body: Mapping[str, Any]) -> str:
    """Where a service has the project; "" if it does not mount it."""
    volumes = body.get("volumes")
    for volume in volumes if isinstance(volumes, list) else ():
        if isinstance(volume, dict):
            source, target = str(volume.get("source")), str(volume.get("target"))
        else:
            source, target = _short(str(volume))
        if source in _PROJECT and target and "\n" not in target:
            return target.rstrip("/")
    return ""


def _short(volume: str) -> tuple[str, str]:
    """``SOURCE:TARGET[:MODE]``; a colon in braces belongs to a variable."""
    parts, depth = [""], 0
    for character in volume:
        depth += (character == "{") - (character == "}")
        if character == ":" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return (parts[0], parts[1]) if len(parts) > 1 else ("", "")


def _at(folder: str, name: str) -> Origin:
    return Origin(Source(f"{folder}/{name}"))


def _networks(services: list[_Found], folder: str) -> Iterator[Finding]:
    for service in services:
        if "network_mode" in service.body:
            yield Finding(
                "MC122",
                f"service {quote(service.name)} in {quote(service.file)}: network_mode cannot be "
                "combined with the two networks DDEV adds to every service",
                _at(folder, service.file),
                ("DDEV itself breaks off with this file", "the files of mcpconf stay as they are"),
                ("remove `network_mode` from it, or the service",),
            )


def _unread(name: str, why: str, folder: str) -> Finding:
    notes = ("whether it has a service for Claude Code is not known",)
    return Finding("MC126", f"{quote(name)} is left aside: {why}", _at(folder, name), notes)


def _setting(text: str, folder: str) -> Finding:
    way = "see the table of settings in docs/ddev.md"
    return Finding("MC125", text, _at(folder, ".env.mcpconf"), ("the default counts",), (way,))


def _remarks(seen: Seen, folder: str) -> Iterator[Finding]:
    for name, text in seen.configs.items():
        if name > CONFIG and name not in _BASE and _OVERRIDES.search(text):
            yield Finding(
                "MC123",
                f"{quote(name)} has `override_config: true`, which can take mcpconf's hooks away",
                _at(folder, name),
                ("without them nothing is synced and no gateway is started by `ddev start`",),
                ("repeat the hooks of config.mcpconf.yaml there, or run `mcpconf sync` yourself",),
            )
    if seen.gone:
        names = ", ".join(quote(name.rpartition("/")[2]) for name in seen.gone)
        yield Finding(
            "MC124",
            f"commands of mcpconf's add-on are gone: {names}",
            _at(folder, seen.gone[0]),
            ("removing an add-on that lists the folder `commands/host` as its own does that",),
            ("install it again: `ddev add-on get` as before, or `mcpconf init ddev`",),
        )
    for path in seen.unmaskable:
        yield Finding(
            "MC121",
            f"{quote(path)} cannot be masked: its name is not UTF-8",
            None,
            ("Claude Code can read it in the container",),
            ("rename it",),
        )


def _honest(service: Service) -> Iterator[Finding]:
    """What a container that is not ours cannot promise."""
    if service.kind == "beside":
        yield Finding(
            "MC120",
            f"Claude Code runs in {quote(service.name)}, a service of somebody else: mcpconf's "
            "firewall is not in force there",
            None,
            (
                f"{service.because}; its image, user and start are not mcpconf's",
                "`.env` files are not masked there, and what is open is what that service opens",
            ),
            (
                "`ddev claude` starts it with mcpconf's servers",
                "remove that add-on, and mcpconf's own service takes its place",
            ),
        )
    if service.kind == "web":
        yield Finding(
            "MC120",
            "Claude Code runs in `web`, where it can become root by sudo: no firewall is in force",
            None,
            (
                "`.env` files are not masked there, because the site needs them",
                "every service of the project, and the host, can be reached from there",
            ),
            ("for a container that holds: take MCPCONF_SERVICE out of .ddev/.env.mcpconf",),
        )
