"""Operations of the API on the configuration: sources, settings of paths, all of it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streaming.command_messages import (
    ChangeSettings,
    ForgetSettings,
    GetConfig,
    GetSettings,
    ListSources,
    ReloadConfig,
    RemoveSource,
    SetSource,
    ValidateConfig,
)
from streaming.server.api_call import AsCommand
from streaming.server.api_types import (
    Changes,
    ConfigText,
    PathSettings,
    SettingsRecord,
    SourceList,
    SourceSettings,
    Verdict,
)
from streaming.server.openapi import Operation

OPERATIONS: Final = (
    Operation("listSources", "GET", "/sources", "What is pulled.", "admin", SourceList,
              problems=(503,)),
    Operation("setSource", "PUT", "/sources/{path}", "Pull a source from now on.",
              "admin", Changes, SourceSettings, matched=True, problems=(422, 500, 503)),
    Operation("removeSource", "DELETE", "/sources/{path}", "Take back what the API has set.",
              "admin", Changes, matched=True, problems=(422, 500, 503)),
    Operation("getSettings", "GET", "/settings/{path}", "Settings of one path.",
              "admin", SettingsRecord, problems=(503,)),
    Operation("changeSettings", "PATCH", "/settings/{path}", "Other settings of one path.",
              "admin", Changes, PathSettings, matched=True, problems=(422, 500, 503)),
    Operation("forgetSettings", "DELETE", "/settings/{path}",
              "Take back what the API has set, but not its source.",
              "admin", Changes, matched=True, problems=(422, 500, 503)),
    Operation("getConfig", "GET", "/config", "The effective configuration without secrets.",
              "admin", dict[str, Any], problems=(503,)),
    Operation("validateConfig", "POST", "/config/validate", "Whether a file could be served.",
              "admin", Verdict, ConfigText, problems=(503,)),
    Operation("reloadConfig", "POST", "/config/reload", "Read the configuration again.",
              "admin", Changes, problems=(422, 500, 503)),
)  # fmt: skip

COMMANDS: Final[dict[str, AsCommand]] = {
    "listSources": lambda call: ListSources(),
    "setSource": lambda call: SetSource(call.path, msgspec.to_builtins(call.body)),
    "removeSource": lambda call: RemoveSource(call.path),
    "getSettings": lambda call: GetSettings(call.path),
    "changeSettings": lambda call: ChangeSettings(call.path, msgspec.to_builtins(call.body)),
    "forgetSettings": lambda call: ForgetSettings(call.path),
    "getConfig": lambda call: GetConfig(),
    "validateConfig": lambda call: ValidateConfig(call.body.toml),
    "reloadConfig": lambda call: ReloadConfig(),
}
