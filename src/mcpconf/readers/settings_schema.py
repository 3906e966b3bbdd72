"""Which values make the client drop a whole settings file, version by version (fact 27).

The tables hold what was measured, and what the clients' own schemas say.  A key that is in no table
takes any value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.clients import NEWEST, Client
from mcpconf.model import Json
from mcpconf.readers import settings_marketplaces as marketplaces
from mcpconf.readers.settings_hooks import hooks, old_hooks, stray_guard
from mcpconf.readers.settings_sandbox import old_sandbox, sandbox
from mcpconf.readers.settings_shapes import (
    Members,
    Shape,
    Wrong,
    anything,
    boolean,
    each,
    either,
    enum,
    integer,
    list_of,
    natural,
    nullable,
    number,
    object_of,
    plain_name,
    positive,
    record,
    switch,
    text,
    texts,
)


def wrong_key(value: Mapping[str, Json], client: Client) -> Wrong | None:
    """Find the first value that the client does not take: where it is, and what would be right."""
    rules = _RULES.get(client.version, _RULES[NEWEST])
    for key, given in value.items():
        shape = rules.keys.get(key)
        if shape is None or value.get(rules.aliases.get(key, "")) is not None:
            continue
        wrong = shape.find(given, client)
        if wrong:
            return (key, *wrong[0]), wrong[1]
    return stray_guard(value) if rules.searches_guards else None


class _Rules(NamedTuple):
    """One version's: ``aliases`` count where the key that they stand for is absent or null."""

    keys: Mapping[str, Shape]
    aliases: Mapping[str, str]
    searches_guards: bool


def _is_clock(given: str) -> bool:
    hour, _, minute = given.partition(":")
    digits = (hour + minute).isascii() and (hour + minute).isdigit()
    sizes = len(hour) in (1, 2) and len(minute) == 2  # noqa: PLR2004
    return digits and sizes and int(hour) < 24 and int(minute) < 60  # noqa: PLR2004


_texts = list_of(text)
_share = number("a number from 0 to 1", lambda v: 0 <= v <= 1)
_part = number("a number above 0, at most 1", lambda v: 0 < v <= 1)
_clock = texts("a time like 22:00", _is_clock)
_scalar = either(
    "a string, a number, true, false or a list of strings",
    text,
    number("a number"),
    boolean,
    _texts,
)
_zero = number("0", lambda v: v == 0)
_command_line = {"type": enum("command"), "command": text}

_SWITCHES = """
    allowManagedHooksOnly allowManagedMcpServersOnly allowManagedPermissionRulesOnly
    autoUploadSessions channelsEnabled disableAgentView disableArtifact disableBundledSkills
    disableClaudeAiConnectors disableRemoteControl disableSideloadFlags
    disableSkillShellExecution disableWorkflows enableAllProjectMcpServers enableArtifact
    enableWorkflows enforceAvailableModels fastModePerSessionOptIn isolatePeerMachines
    remoteControlAtStartup skipAutoPermissionPrompt skipDangerousModePermissionPrompt
    skipWebFetchPreflight skipWorkflowUsageWarning useAutoModeDuringPlan"""
_MODES = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan")
_disable = enum("disable")

_PERMISSIONS: Members = {
    **each(list_of(anything), "allow deny ask"),
    "additionalDirectories": _texts,
    "defaultMode": enum(*_MODES),
    **each(_disable, "disableBypassPermissionsMode disableAutoMode"),
}
_NEW_PERMISSIONS: Members = {
    "defaultMode": enum(*_MODES, "manual"),
    **each(
        boolean,
        """blockReadsOutsideWorkingDirectories blockFileToolReadsOutsideWorkingDirectories
        blockWritesOutsideWorkingDirectories denyInsteadOfPrompting""",
    ),
}

_ATTRIBUTION: Members = {"commit": text, "pr": text, "sessionUrl": boolean}

_COMMON: Members = {
    **each(
        boolean,
        """agentPushNotifEnabled allowAllClaudeAiMcps alwaysThinkingEnabled autoCompactEnabled
        autoDreamEnabled autoMemoryEnabled autoScrollEnabled awaySummaryEnabled axScreenReader
        disableAllHooks doneMeansMerged fastMode fileCheckpointingEnabled
        forceRemoteSettingsRefresh includeCoAuthoredBy includeGitInstructions
        inputNeededNotifEnabled precomputeCompactionEnabled prefersReducedMotion
        promptSuggestionEnabled respectGitignore respondToBashCommands showClearContextOnPlanAccept
        showMessageTimestamps showThinkingSummaries showTurnDuration spinnerTipsEnabled
        switchModelsOnFlag syntaxHighlightingDisabled terminalProgressBarEnabled
        terminalTitleFromRename todoFeatureEnabled verbose voiceEnabled
        wheelScrollAccelerationEnabled workflowKeywordTriggerEnabled wslInheritsWindowsSettings""",
    ),
    **each(
        text,
        """$schema advisorModel agent apiKeyHelper autoMemoryDirectory awsAuthRefresh
        awsCredentialExport claudeMd gcpAuthRefresh language minimumVersion model otelHeadersHelper
        outputStyle plansDirectory pluginTrustMessage prUrlTemplate proxyAuthHelper
        requiredMaximumVersion requiredMinimumVersion""",
    ),
    **each(
        _texts,
        """allowedHttpHookUrls availableModels claudeMdExcludes companyAnnouncements fallbackModel
        httpHookAllowedEnvVars pluginSuggestionMarketplaces""",
    ),
    **each(positive, "cleanupPeriodDays skillListingMaxDescChars totalTokensReminderBudget"),
    "skillListingBudgetFraction": _part,
    "feedbackSurveyRate": _share,
    "autoUpdatesChannel": enum("latest", "stable", "rc"),
    "daemonColdStart": enum("transient", "ask"),
    "defaultShell": enum("bash", "powershell"),
    "defaultView": enum("chat", "transcript"),
    "parentSettingsBehavior": enum("first-wins", "merge"),
    "totalTokensReminder": enum("off", "infinite", "fixed", "countdown", "padded-countdown"),
    "tui": enum("default", "fullscreen"),
    "forceLoginOrgUUID": either("a string or a list of strings", text, _texts),
    "allowedChannelPlugins": list_of(record({}, {"marketplace": text, "plugin": text})),
    "sshConfigs": list_of(
        record(
            {"sshPort": integer("a whole number"), "sshIdentityFile": text, "startDirectory": text},
            {"id": text, "name": text, "sshHost": text},
        )
    ),
    "autoMode": record(
        {**each(_texts, "allow soft_deny hard_deny environment"), "classifyAllShell": boolean}
    ),
    "breakReminder": record(
        {
            "enabled": boolean,
            "intervalMinutes": positive,
            "breakThresholdMinutes": positive,
            "message": text,
        }
    ),
    "quietHours": record({"enabled": boolean, "start": _clock, "end": _clock}),
    "remote": record({"defaultEnvironmentId": text}),
    "voice": record({"enabled": boolean, "mode": enum("hold", "tap"), "autoSubmit": boolean}),
    "worktree": record(
        {**each(_texts, "symlinkDirectories sparsePaths"), "baseRef": enum("fresh", "head")}
    ),
    "env": object_of(anything),
    "modelOverrides": object_of(text),
    "skillOverrides": object_of(enum("on", "name-only", "user-invocable-only", "off")),
    "enabledPlugins": object_of(either("true, false or a list of strings", boolean, _texts)),
    "pluginConfigs": object_of(
        record({"mcpServers": object_of(object_of(_scalar)), "options": object_of(_scalar)})
    ),
    "fileSuggestion": record({}, _command_line),
    "statusLine": record(
        {"padding": number("a number"), "hideVimModeIndicator": boolean}, _command_line
    ),
    "spinnerVerbs": record({}, {"mode": enum("append", "replace"), "verbs": _texts}),
}

_ONLY_328: Members = {
    **each(
        boolean,
        """allowClaudeInChromeWithManagedMcp allowNestedModelAccessUnderForceLogin
        bashEditDiffEnabled clawdFileProgressEnabled disableReplyCheck emojiCompletionEnabled
        idleCompaction totalTokensReminderAfterUserTurn""",
    ),
    **each(switch, _SWITCHES),
    **each(
        switch,
        """autoContinueAtUsageLimit disableCommandPluginSources disableWindowsBashCommandSplit
        responseComparisonEnabled syncClaudeAiPlugins syncClaudeAiSkills""",
    ),
    **each(text, "attributionProject processWrapper timeFormat timeZone"),
    **each(
        either("a list of strings or one name", plain_name, _texts),
        "enabledMcpjsonServers disabledMcpjsonServers",
    ),
    **each(nullable(_disable), "disableAutoMode disableDeepLinkRegistration"),
    "feedbackDrafts": nullable(enum("notify", "quiet", "off")),
    "managedSourcesBehavior": enum("first-wins", "merge"),
    "workflowSizeGuideline": enum("unrestricted", "small", "medium", "large"),
    "desktopSessionCleanupPeriodDays": natural,
    "attribution": either("an object, true or false", boolean, record(_ATTRIBUTION)),
    "remoteTools": record({"allowUnattendedServing": boolean}),
    "permissions": record({**_PERMISSIONS, **_NEW_PERMISSIONS}),
    "sandbox": sandbox,
    "hooks": hooks,
    "extraKnownMarketplaces": marketplaces.known,
    "additionalMarketplaces": marketplaces.known,
    "strictKnownMarketplaces": nullable(list_of(marketplaces.source)),
    "allowedMarketplaces": nullable(list_of(marketplaces.source)),
    "blockedMarketplaces": nullable(list_of(marketplaces.blocked)),
}
_ALIASES_328 = {
    "additionalMarketplaces": "extraKnownMarketplaces",
    "allowedMarketplaces": "strictKnownMarketplaces",
}

_ONLY_197: Members = {
    **each(boolean, _SWITCHES),
    **each(_texts, "enabledMcpjsonServers disabledMcpjsonServers"),
    **each(_disable, "disableAutoMode disableDeepLinkRegistration"),
    "attribution": record(_ATTRIBUTION),
    "permissions": record(_PERMISSIONS),
    "sandbox": old_sandbox,
    "hooks": old_hooks,
    "extraKnownMarketplaces": marketplaces.old_known,
    **each(list_of(marketplaces.old_source), "strictKnownMarketplaces blockedMarketplaces"),
    "policyHelper": record(
        {
            "timeoutMs": integer("a whole number from 1000", 1000),
            "refreshIntervalMs": either(
                "0 or a whole number from 60000", _zero, integer("", 60000)
            ),
        },
        {"path": text},
    ),
    "spinnerTipsOverride": record({"excludeDefault": boolean}, {"tips": _texts}),
    "subagentStatusLine": record({}, _command_line),
}

_RULES: Mapping[str, _Rules] = {
    "2.1.328": _Rules({**_COMMON, **_ONLY_328}, _ALIASES_328, searches_guards=True),
    "2.1.197": _Rules({**_COMMON, **_ONLY_197}, {}, searches_guards=False),
}
