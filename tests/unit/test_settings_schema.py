"""Which values cost a settings file its effect: what the two real clients do, without them."""

from __future__ import annotations

from typing import Any

import pytest

from mcpconf.clients import CLIENTS
from mcpconf.readers.settings_schema import wrong_key

NEW, OLD = CLIENTS["2.1.328"], CLIENTS["2.1.197"]
HOOK = {"type": "command", "command": "x"}
BAD = {"type": "command"}
GITHUB = {"source": "github", "repo": "a/b"}


def guard(*matchers: Any, event: str = "PreToolUse") -> dict[str, Any]:
    return {"hooks": {event: list(matchers)}}


# A settings file, and where the fault lies for 2.1.328 and for 2.1.197; "" where there is none.
ROWS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", ""),
    ({"someKey": 5, "mcpServers": [], "theme": {}}, "", ""),
    ({"constructor": 5, "__proto__": {"model": 5}}, "", ""),
    ({"verbose": True}, "", ""),
    ({"verbose": "true"}, "verbose", "verbose"),
    ({"verbose": None}, "verbose", "verbose"),
    ({"enableAllProjectMcpServers": None}, "", "enableAllProjectMcpServers"),
    ({"enableAllProjectMcpServers": "true"}, *["enableAllProjectMcpServers"] * 2),
    ({"idleCompaction": 5}, "idleCompaction", ""),
    ({"syncClaudeAiSkills": 5}, "syncClaudeAiSkills", ""),
    ({"model": ""}, "", ""),
    ({"model": "x", "agent": None}, "agent", "agent"),
    ({"timeZone": 5}, "timeZone", ""),
    ({"availableModels": ["x", 5]}, "availableModels.1", "availableModels.1"),
    ({"availableModels": {}}, "availableModels", "availableModels"),
    ({"disabledMcpjsonServers": "a_-9"}, "", "disabledMcpjsonServers"),
    ({"disabledMcpjsonServers": "a "}, *["disabledMcpjsonServers"] * 2),
    ({"enabledMcpjsonServers": ""}, *["enabledMcpjsonServers"] * 2),
    ({"enabledMcpjsonServers": ["x", None]}, *["enabledMcpjsonServers.1"] * 2),
    ({"allowedMcpServers": 5, "deniedMcpServers": [5]}, "", ""),
    ({"cleanupPeriodDays": 1.0}, "", ""),
    ({"cleanupPeriodDays": 0}, "cleanupPeriodDays", "cleanupPeriodDays"),
    ({"cleanupPeriodDays": 1.5}, "cleanupPeriodDays", "cleanupPeriodDays"),
    ({"cleanupPeriodDays": 1e17}, "cleanupPeriodDays", "cleanupPeriodDays"),
    ({"cleanupPeriodDays": float("inf")}, "cleanupPeriodDays", "cleanupPeriodDays"),
    ({"cleanupPeriodDays": True}, "cleanupPeriodDays", "cleanupPeriodDays"),
    ({"feedbackSurveyRate": 0, "skillListingBudgetFraction": 1}, "", ""),
    ({"skillListingBudgetFraction": 0}, *["skillListingBudgetFraction"] * 2),
    ({"tui": "default", "autoUpdatesChannel": "rc"}, "", ""),
    ({"defaultShell": "zsh"}, "defaultShell", "defaultShell"),
    ({"disableAutoMode": None}, "", "disableAutoMode"),
    ({"disableAutoMode": False}, "disableAutoMode", "disableAutoMode"),
    ({"feedbackDrafts": "zzz"}, "feedbackDrafts", ""),
    ({"forceLoginOrgUUID": [5]}, "forceLoginOrgUUID.0", "forceLoginOrgUUID.0"),
    ({"env": {"A": 5, "B": None}}, "", ""),
    ({"env": None}, "env", "env"),
    ({"env": {"constructor": "x"}}, "", "env"),
    ({"permissions": {"allow": [5, "Bash("], "zzz": 5}}, "", ""),
    ({"permissions": {"allow": "Bash"}}, "permissions.allow", "permissions.allow"),
    ({"permissions": {"defaultMode": "manual"}}, "", "permissions.defaultMode"),
    ({"permissions": {"additionalDirectories": [5]}}, *["permissions.additionalDirectories.0"] * 2),
    ({"permissions": {"denyInsteadOfPrompting": 5}}, "permissions.denyInsteadOfPrompting", ""),
    ({"attribution": True}, "", "attribution"),
    ({"attribution": {"commit": 5}}, "attribution.commit", "attribution.commit"),
    ({"statusLine": {"type": "command", "command": "x", "refreshInterval": []}}, "", ""),
    ({"statusLine": {"command": "x"}}, "statusLine", "statusLine"),
    ({"subagentStatusLine": {"command": "x"}}, "", "subagentStatusLine"),
    ({"sandbox": {"network": {"httpProxyPort": "80"}}}, *["sandbox.network.httpProxyPort"] * 2),
    ({"sandbox": {"filesystem": {"disabled": "x"}}}, "sandbox.filesystem.disabled", ""),
    ({"quietHours": {"start": "24:00"}}, "quietHours.start", "quietHours.start"),
    ({"enabledPlugins": {"a@b": ["1"], "c": False}}, "", ""),
    ({"enabledPlugins": {"a@b": None}}, "enabledPlugins.a@b", "enabledPlugins.a@b"),
    ({"extraKnownMarketplaces": {"m": {"source": GITHUB}}}, "", ""),
    ({"extraKnownMarketplaces": {"m": {}}}, "", "extraKnownMarketplaces.m"),
    (
        {"extraKnownMarketplaces": {"m": {"source": {"source": "zzz"}}}},
        *["extraKnownMarketplaces.m.source.source"] * 2,
    ),
    (
        {
            "additionalMarketplaces": {"m": {"source": {"source": "z"}}},
            "extraKnownMarketplaces": {},
        },
        "",
        "",
    ),
    ({"strictKnownMarketplaces": None}, "", "strictKnownMarketplaces"),
    ({"strictKnownMarketplaces": [{}]}, *["strictKnownMarketplaces.0"] * 2),
    ({"allowedMarketplaces": [{}]}, "allowedMarketplaces.0", ""),
    ({"allowedMarketplaces": [{}], "strictKnownMarketplaces": []}, "", ""),
    ({"blockedMarketplaces": [{"source": "pluginDirectory"}]}, "", "blockedMarketplaces.0.source"),
    ({"hooks": []}, "", ""),
    ({"hooks": [{}]}, "hooks", ""),
    ({"hooks": {"matcher": "x", "hooks": [HOOK]}}, "hooks", ""),
    ({"hooks": {"PreToolUse": {}}}, "hooks.PreToolUse", ""),
    ({"hooks": {"PreToolUse": None, "Stop": "x"}}, "", ""),
    ({"hooks": {"Zzz": {"PreToolUse": [5]}}}, "hooks.Zzz", ""),
    ({"hooks": {"Stop": {"x": {"PreToolUse": [5]}}}}, "hooks.Stop", ""),
    (guard({"matcher": "x", "hooks": [HOOK]}), "", ""),
    (guard({"hooks": [HOOK, BAD]}), *["hooks.PreToolUse.0.hooks.1"] * 2),
    (guard({"hooks": [BAD]}, event="Stop"), "", "hooks.Stop.0.hooks.0"),
    (guard({"hooks": [BAD]}, event="PreModelSwitch"), "", ""),
    (guard({"matcher": 5, "hooks": []}), *["hooks.PreToolUse.0.matcher"] * 2),
    (guard({"PreToolUse": [5]}, event="Stop"), "hooks.Stop.0", "hooks.Stop.0"),
    (guard({"hooks": [{"type": "http", "url": "x"}]}), *["hooks.PreToolUse.0.hooks.0.url"] * 2),
    (guard({"hooks": [{**HOOK, "timeout": 0}]}), *["hooks.PreToolUse.0.hooks.0.timeout"] * 2),
    ({"PreToolUse": [{"hooks": [HOOK]}]}, "PreToolUse", ""),
    ({"PreToolUse": []}, "", ""),
    ({"someKey": {"hooks": [1]}}, "someKey", ""),
    ({"someKey": {"a": {"b": {"c": {"d": {"PreToolUse": [5]}}}}}}, "", ""),
    ({"mcpServers": {"a": {"PreToolUse": [5]}}}, "", ""),
]


@pytest.mark.parametrize(("document", "new", "old"), ROWS, ids=lambda row: str(row)[:60])
def test_where_the_fault_lies(document: dict[str, Any], new: str, old: str) -> None:
    found = [wrong_key(document, client) for client in (NEW, OLD)]
    assert [".".join(map(str, wrong[0])) if wrong else "" for wrong in found] == [new, old]


def test_the_newest_rules_hold_for_a_version_without_its_own() -> None:
    assert wrong_key({"timeZone": 5}, NEW._replace(version="2.1.999"))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"verbose": 5}, "true or false"),
        ({"enableAllProjectMcpServers": 5}, "true, false or null"),
        ({"availableModels": 5}, "a list of strings"),
        ({"permissions": {"defaultMode": "x"}}, '"plan" or "manual"'),
        ({"statusLine": {}}, "an object with `type` and `command`"),
        ({"strictKnownMarketplaces": 5}, "a list of objects or null"),
        ({"cleanupPeriodDays": 0}, "a positive whole number"),
    ],
)
def test_says_what_would_be_right(document: dict[str, Any], expected: str) -> None:
    wrong = wrong_key(document, NEW)
    assert wrong is not None
    assert wrong[1].endswith(expected)
