"""Which values make the client drop a whole settings file (fact 27, measured key by key).

Every key that is not in the table takes any value.  Nested shapes are checked as deep as the
client was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mcpconf.clients import Client
from mcpconf.model import Json
from mcpconf.origin import Pointer

Wrong = tuple[Pointer, str]
Check = Callable[[Json], bool]


def wrong_key(value: Mapping[str, Json], client: Client) -> Wrong | None:  # noqa: ARG001
    """Find the first key whose value the client does not take, and what it would take."""
    for key, given in value.items():
        expected = _EXPECTED.get(key)
        if expected and not _CHECKS[expected](given):
            return (key,), expected
    return None


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Json, least: int) -> bool:
    return _is_number(value) and float(value) == int(value) and value >= least  # type: ignore[arg-type, operator]


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _is_objects(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)


def _is_plugins(value: Json) -> bool:
    return isinstance(value, dict) and all(
        isinstance(v, bool) or _is_texts(v) for v in value.values()
    )


_CHECKS: Mapping[str, Check] = {
    "true or false": lambda v: isinstance(v, bool),
    "true, false or null": lambda v: v is None or isinstance(v, bool),
    "a string": lambda v: isinstance(v, str),
    "a list of strings": _is_texts,
    "a list of strings or a string": lambda v: isinstance(v, str) or _is_texts(v),
    "a list of objects": _is_objects,
    "a list of objects or null": lambda v: v is None or _is_objects(v),
    "an object": lambda v: isinstance(v, dict),
    "an object or true or false": lambda v: isinstance(v, bool | dict),
    "an object of strings": lambda v: (
        isinstance(v, dict) and all(isinstance(x, str) for x in v.values())
    ),
    "an object of objects": lambda v: (
        isinstance(v, dict) and all(isinstance(x, dict) for x in v.values())
    ),
    "an object of true, false or lists": _is_plugins,
    "a positive whole number": lambda v: _is_count(v, 1),
    "a whole number": lambda v: _is_count(v, 0),
    "a number from 0 to 1": lambda v: _is_number(v) and 0 <= v <= 1,  # type: ignore[operator]
}

_KEYS: Mapping[str, str] = {
    "true or false": """
        agentPushNotifEnabled allowAllClaudeAiMcps allowClaudeInChromeWithManagedMcp
        allowNestedModelAccessUnderForceLogin alwaysThinkingEnabled autoCompactEnabled
        autoDreamEnabled autoMemoryEnabled autoScrollEnabled awaySummaryEnabled axScreenReader
        bashEditDiffEnabled clawdFileProgressEnabled disableAllHooks disableReplyCheck
        doneMeansMerged emojiCompletionEnabled fastMode fileCheckpointingEnabled
        forceRemoteSettingsRefresh idleCompaction includeCoAuthoredBy includeGitInstructions
        inputNeededNotifEnabled precomputeCompactionEnabled prefersReducedMotion
        promptSuggestionEnabled respectGitignore respondToBashCommands showClearContextOnPlanAccept
        showMessageTimestamps showThinkingSummaries showTurnDuration spinnerTipsEnabled
        switchModelsOnFlag syntaxHighlightingDisabled terminalProgressBarEnabled
        terminalTitleFromRename todoFeatureEnabled totalTokensReminderAfterUserTurn verbose
        voiceEnabled wheelScrollAccelerationEnabled workflowKeywordTriggerEnabled
        wslInheritsWindowsSettings""",
    "true, false or null": """
        allowManagedHooksOnly allowManagedMcpServersOnly allowManagedPermissionRulesOnly
        autoContinueAtUsageLimit autoUploadSessions channelsEnabled disableAgentView disableArtifact
        disableBundledSkills disableClaudeAiConnectors disableCommandPluginSources
        disableRemoteControl disableSideloadFlags disableSkillShellExecution
        disableWindowsBashCommandSplit disableWorkflows enableAllProjectMcpServers enableArtifact
        enableWorkflows enforceAvailableModels fastModePerSessionOptIn isolatePeerMachines
        remoteControlAtStartup responseComparisonEnabled skipAutoPermissionPrompt
        skipDangerousModePermissionPrompt skipWebFetchPreflight skipWorkflowUsageWarning
        syncClaudeAiPlugins syncClaudeAiSkills useAutoModeDuringPlan""",
    "a string": """
        $schema advisorModel agent apiKeyHelper attributionProject autoMemoryDirectory
        awsAuthRefresh awsCredentialExport claudeMd gcpAuthRefresh language minimumVersion model
        otelHeadersHelper outputStyle plansDirectory pluginTrustMessage prUrlTemplate processWrapper
        proxyAuthHelper requiredMaximumVersion requiredMinimumVersion timeFormat timeZone""",
    "a list of strings": """
        allowedHttpHookUrls availableModels claudeMdExcludes companyAnnouncements fallbackModel
        httpHookAllowedEnvVars pluginSuggestionMarketplaces enabledMcpjsonServers
        disabledMcpjsonServers""",
    "a list of strings or a string": "forceLoginOrgUUID",
    "a list of objects": "allowedChannelPlugins sshConfigs",
    "a list of objects or null": "allowedMarketplaces blockedMarketplaces strictKnownMarketplaces",
    "an object": """
        autoMode breakReminder env permissions quietHours remote remoteTools sandbox voice worktree
        fileSuggestion spinnerVerbs statusLine""",
    "an object or true or false": "attribution",
    "an object of strings": "modelOverrides skillOverrides",
    "an object of objects": "pluginConfigs",
    "an object of true, false or lists": "enabledPlugins",
    "a positive whole number": """
        cleanupPeriodDays skillListingMaxDescChars totalTokensReminderBudget""",
    "a whole number": "desktopSessionCleanupPeriodDays",
    "a number from 0 to 1": "feedbackSurveyRate skillListingBudgetFraction",
}
_EXPECTED: Mapping[str, str] = {
    key: expected for expected, keys in _KEYS.items() for key in keys.split()
}
