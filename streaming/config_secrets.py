"""The effective configuration as it may be shown: complete, its secrets hidden."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.worker_process import redact

HIDDEN: Final = "***"


def effective(config: Config) -> dict[str, Any]:
    """The configuration with every default, without its secrets."""
    values: dict[str, Any] = msgspec.to_builtins(config)
    values["paths"] = {name: shown_path(path) for name, path in config.paths.items()}
    for key in values["view"]["keys"]:
        _hide(key, "secret")
    values["view"]["jwks"] = redact(values["view"]["jwks"])
    _hide(values["auth_hook"], "secret")
    values["auth_hook"]["url"] = redact(values["auth_hook"]["url"])
    for token in values["api"]["tokens"]:
        _hide(token, "hash")
    for webhook in values["webhooks"]:
        webhook["secrets"] = [HIDDEN] * len(webhook["secrets"])
        webhook["url"] = redact(webhook["url"])
    for server in values["webrtc"]["ice_servers"]:
        _hide(server, "credential")
        _hide(server, "secret")
    return values


def shown_path(path: PathConfig) -> dict[str, Any]:
    """The same of one path."""
    values: dict[str, Any] = msgspec.to_builtins(path)
    _hide(values, "publish_key")
    values["publish_keys"] = [HIDDEN] * len(values["publish_keys"])
    values["source"] = redact(values["source"])
    return values


def _hide(table: dict[str, Any], key: str) -> None:
    table[key] = HIDDEN if table[key] else ""
