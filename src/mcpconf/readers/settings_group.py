"""All settings files together: whose approvals count, whose variables (facts 15-19, 42)."""

from __future__ import annotations

from collections.abc import Callable

from mcpconf.findings import Finding
from mcpconf.origin import Source
from mcpconf.readers.global_file import Table, project_state
from mcpconf.readers.inputs import Configuration, Read
from mcpconf.readers.reading import Reading, parsed, report_twice
from mcpconf.readers.settings import Settings, parse_settings


class Group:
    """The settings files, each with what its place lets it decide (facts 15-19, 42)."""

    def __init__(self, configuration: Configuration, reading: Reading, home: Table) -> None:
        self._home = home
        state = project_state(home, configuration.key)
        sources = configuration.request.session.sources
        self._configuration = configuration
        self._trusted = state.value.get("hasTrustDialogAccepted") is True

        def load(*files: Read) -> tuple[Settings, ...]:
            return tuple(filter(None, (_settings(f, reading) for f in files)))

        managed = (_settings(f, reading, managed=True) for f in configuration.managed_settings)
        self.managed = tuple(filter(None, managed))
        self._user = load(configuration.user_settings) if "user" in sources else ()
        self._flag = load(configuration.flag_settings)
        self._project = load(configuration.project_settings) if "project" in sources else ()
        self._local = self._with_migrated(state, load) if "local" in sources else ()

    def _with_migrated(
        self, state: Table, load: Callable[..., tuple[Settings, ...]]
    ) -> tuple[Settings, ...]:
        """Local settings with what the client moves there; a broken file takes nothing in."""
        at_root = self._configuration.request.client.root_local_settings
        root = self._configuration.key if at_root else self._configuration.cwd
        own_path = f"{root.rstrip('/')}/.claude/settings.local.json"
        files = self._configuration.local_settings
        own = tuple(f for f in files if f.path == own_path)
        others = load(*(f for f in files if f.path != own_path))
        loaded = load(*own)
        is_blank = all(isinstance(f, Source) and not f.text.strip() for f in own)
        if own and not loaded and not is_blank:
            return others
        migrated = _migrate(loaded, state)
        return others if migrated is None else (*migrated, *others)

    def all(self) -> tuple[Settings, ...]:
        return (*self._user, *self._project, *self._local, *self._flag, *self.managed)

    def expanding(self) -> tuple[Settings, ...]:
        """Whose ``env`` takes part in expansion, the strongest last."""
        return (*self._user, *self._flag, *self.managed)

    def approvers(self) -> tuple[Settings, ...]:
        """Whose approvals count, the strongest last."""
        project = self._project if self._trusted else ()
        local = self._local if self._trusted or self._local_counts() else ()
        return (*self._user, *project, *local, *self._flag, *self.managed)

    def _local_counts(self) -> bool:
        """Whether settings.local.json approves although the folder is not trusted (measured)."""
        configuration = self._configuration
        request = configuration.request
        if request.client.home_local_approves and configuration.cwd == str(request.home.resolve()):
            return True
        if not configuration.untracked:
            return False
        return request.client.untracked_local_approves or any(
            map(self._trusts, configuration.folders)
        )

    def _trusts(self, folder: str) -> bool:
        """Whether a folder's trust flag is something that JavaScript takes for true."""
        state = project_state(self._home, folder)
        return bool(state.value.get("hasTrustDialogAccepted")) or isinstance(
            state.value.get("hasTrustDialogAccepted"), list | dict
        )


def _settings(file: Read, reading: Reading, *, managed: bool = False) -> Settings | None:
    if isinstance(file, Source) and not file.text.strip():
        return None  # a blank settings file is an empty one
    document = parsed(file, reading, "MC037" if managed else "MC035")
    if document is None:
        return None
    report_twice(document, reading)
    settings = parse_settings(document, reading.client, managed=managed)
    if isinstance(settings, Finding):
        reading.findings.append(settings)
        return None
    return settings


def _migrate(local: tuple[Settings, ...], state: Table) -> tuple[Settings, ...] | None:
    """Apply the client's start-up migration in memory; nothing is written (fact 19).

    Approvals in ``projects[key]`` move to the launch directory's settings.local.json.  A list with
    something else than names in it makes that file invalid: then it counts no more (None).
    """
    lists = {k: state.value.get(k) for k in ("enabledMcpjsonServers", "disabledMcpjsonServers")}
    moved = {k: v for k, v in lists.items() if isinstance(v, list) and v}
    if any(not isinstance(name, str) for names in moved.values() for name in names):
        return None
    all_given = bool(local) and local[0].approves_all is not None
    approves_all = state.value.get("enableAllProjectMcpServers") is True and not all_given
    if not moved and not approves_all:
        return local
    approved, rejected = (tuple(map(str, moved.get(k, ()))) for k in lists)
    return (*local, Settings(state.origin, approved, approves_all or None, rejected))
