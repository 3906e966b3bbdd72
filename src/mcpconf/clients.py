"""The versions of Claude Code that are followed, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Client(NamedTuple):
    """How one version of Claude Code reads its configuration, where versions differ.

    Every switch names the fact (measured on the real client) behind it; the numbers are those of
    the study that docs/architecture.md summarises.
    """

    version: str
    normalised_approvals: bool  # 18: approvals also match the normalised name
    untracked_local_approves: bool  # 16: settings.local.json of an untrusted git folder counts
    home_local_approves: bool  # 16: any settings.local.json counts when cwd is HOME
    root_local_settings: bool  # 9: also reads the main repository's settings.local.json
    list_shows_disabled: bool  # 21: `mcp list` honours disabledMcpServers
    managed_broken_is_exclusive: bool  # 23: an unparsable managed-mcp.json still shuts the rest
    managed_allow_list: bool  # 23: allow lists filter the managed set
    managed_settings_fatal: bool  # 24: unparsable managed-settings.json ends the program
    lenient_rejections: bool  # 27: a bare string in disabledMcpjsonServers is that name
    host_types: bool  # 28: accepts the types `sdk` and `claudeai-proxy`
    blank_file_is_error: bool  # 33: an empty .mcp.json is reported
    reserves_more: bool  # 32: `Claude Browser`, `__proto__`, and trailing `_` do not count
    prototype_names: bool  # 32, 44: `constructor` and friends are JavaScript internals
    url_needs_type: bool  # 29: its own message for a url without a type
    warns_white_space: bool  # 37: says so when a value has blanks around it
    allow_needs_literal: bool  # 24: an allowed URL's wildcard and scheme may not be variables
    relative_back_links: bool  # 8: a worktree's back link may be relative
    global_env_any_value: bool  # 42: takes any JSON value in the `env` of ~/.claude.json


CLIENTS: Mapping[str, Client] = {
    "2.1.328": Client(
        version="2.1.328",
        normalised_approvals=False,
        untracked_local_approves=False,
        home_local_approves=True,
        root_local_settings=True,
        list_shows_disabled=True,
        managed_broken_is_exclusive=True,
        managed_allow_list=False,
        managed_settings_fatal=True,
        lenient_rejections=True,
        host_types=False,
        blank_file_is_error=False,
        reserves_more=True,
        prototype_names=False,
        url_needs_type=True,
        warns_white_space=True,
        allow_needs_literal=True,
        relative_back_links=True,
        global_env_any_value=False,
    ),
    "2.1.197": Client(
        version="2.1.197",
        normalised_approvals=True,
        untracked_local_approves=True,
        home_local_approves=False,
        root_local_settings=False,
        list_shows_disabled=False,
        managed_broken_is_exclusive=False,
        managed_allow_list=True,
        managed_settings_fatal=False,
        lenient_rejections=False,
        host_types=True,
        blank_file_is_error=True,
        reserves_more=False,
        prototype_names=True,
        url_needs_type=False,
        warns_white_space=False,
        allow_needs_literal=False,
        relative_back_links=False,
        global_env_any_value=True,
    ),
}
NEWEST = "2.1.328"
