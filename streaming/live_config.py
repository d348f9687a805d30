"""The configuration while the origin runs: read again, and changed through the API.

What the API sets is in one JSON file next to the configuration file and lies over it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from streaming.config import Config, PathConfig, WebhookConfig, best_pattern, path_config
from streaming.config_file import check_config, load_config
from streaming.config_overlay import Overlay, read_overlay, write_overlay
from streaming.config_secrets import effective, shown_path
from streaming.errors import ConfigError
from streaming.events.event import Emit, no_events
from streaming.path_name import name_error
from streaming.path_registry import ConfigChanges
from streaming.webhooks.signature import new_secret

logger = logging.getLogger(__name__)

Keys: TypeAlias = Set[str]
SOURCE_KEYS: Final[Keys] = frozenset({"source", "source_loop", "source_on_demand", "source_idle_s"})
"""Of a path, what /sources sets."""
SETTING_KEYS: Final[Keys] = frozenset(PathConfig.__struct_fields__) - SOURCE_KEYS
"""And what /settings sets."""

RELOADED: Final = "config.reloaded"
AT_ONCE: Final = frozenset(
    {"paths", "view", "api", "auth_hook", "webhooks", "http.trusted_proxies"}
)
"""What is not only read at the start."""


class LiveConfig:
    """Owns what the configuration is now; the composition root says what a change does."""

    def __init__(
        self,
        config: Config,
        file: Path | None,
        environment: Mapping[str, str],
        apply: Callable[[Config], ConfigChanges],
        emit: Emit = no_events,
    ) -> None:
        self._config = self._started = config
        """What holds by now, and what was read at the start."""
        self._file = file
        self._environment = environment
        self._apply = apply
        self._emit = emit
        self._set = Overlay() if file is None else read_overlay(file)
        """What of it the API has set."""

    def effective(self) -> dict[str, Any]:
        """All settings, secrets hidden."""
        return effective(self._config)

    def validate(self, toml: str) -> None:
        """Returns where `toml` could be the configuration file. Raises ConfigError."""
        check_config(toml, self._environment, self._set)

    def reload(self) -> dict[str, Any]:
        """Reads it again and applies what has changed. Raises ConfigError and changes nothing."""
        config = load_config(self._file, self._environment)
        self._set = Overlay() if self._file is None else read_overlay(self._file)
        changes = self._apply(config)
        needs_restart = _waiting(self._started, config)
        webhooks = _changed_webhooks(self._config, config)
        self._config = config
        for text in (
            *(f'paths."{name}" has changed' for name in changes.changed),
            *(f"webhook {name} has changed" for name in webhooks),
            *(
                f"{name}: some of its settings wait until it begins anew"
                for name in changes.deferred
            ),
            *(f"{name} has changed and waits for a restart" for name in needs_restart),
        ):
            logger.info("configuration: %s", text)
        told = {
            "changed": changes.changed,
            "deferred": changes.deferred,
            "needs_restart": needs_restart,
            "webhooks": webhooks,
        }
        self._emit(RELOADED, data=told)
        return told

    # -- what is set of paths and by whom --------------------------------------------------------

    def settings(self, name: str) -> dict[str, Any]:
        """What a path of this name has, and what of that the API has set; secrets hidden."""
        pattern = best_pattern(self._config.paths, name)
        set_by_api = self._set.paths.get(name, {})
        shown = shown_path(path_config(self._config, name))
        return {
            "path": name,
            "table": pattern or "",
            "set_by_api": {key: shown[key] for key in shown if key in set_by_api},
            "effective": shown,
        }

    def sources(self) -> list[dict[str, Any]]:
        """Every path that pulls something, by name; secrets hidden."""
        overlay = self._set.paths
        return [
            {
                "path": name,
                **{key: shown[key] for key in sorted(SOURCE_KEYS)},
                "set_by_api": "source" in overlay.get(name, {}),
            }
            for name, settings in sorted(self._config.paths.items())
            if settings.source and (shown := shown_path(settings))
        ]

    # -- what the API sets ---------------------------------------------------------------------

    def set_path(self, name: str, settings: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
        """Settings of one path from now on, over those of the file. Raises ConfigError.

        Of the `keys` the path then has these alone; None takes one back. What the API has set
        beside the `keys` stays.
        """
        reason = name_error(name)
        if reason:
            raise ConfigError(reason)
        overlay = self._overlay()
        kept = {key: v for key, v in overlay.paths.get(name, {}).items() if key not in keys}
        overlay.paths[name] = {**kept, **{k: v for k, v in settings.items() if v is not None}}
        return self._rewrite(overlay)

    def unset_path(self, name: str, keys: Keys) -> dict[str, Any] | None:
        """Takes those of the `keys` back; None where there were none. Raises ConfigError."""
        overlay = self._overlay()
        found = overlay.paths.get(name, {})
        kept = {key: value for key, value in found.items() if key not in keys}
        if len(kept) == len(found):
            return None
        overlay.paths[name] = kept
        return self._rewrite(overlay)

    def webhooks(self) -> list[tuple[WebhookConfig, bool]]:
        """All of them, and whether the API has set something of each."""
        overlay = self._set.webhooks
        return [(one, one.name in overlay) for one in self._config.webhooks]

    def set_webhook(self, name: str, settings: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """A webhook from now on; what has changed, and the secret that was made for it.

        Without secrets it keeps those that it has; a new one gets one. Raises ConfigError.
        """
        overlay = self._overlay()
        before, table, made = overlay.webhooks.get(name, {}), dict(settings), ""
        if "secrets" not in table and "secrets" in before:
            table["secrets"] = before["secrets"]
        elif "secrets" not in table and name not in {one.name for one in self._config.webhooks}:
            made = new_secret()
            table["secrets"] = [made]
        overlay.webhooks[name] = table
        return self._rewrite(overlay), made

    def unset_webhook(self, name: str) -> dict[str, Any] | None:
        """Takes that back; None where the API has set nothing of it. Raises ConfigError."""
        overlay = self._overlay()
        if overlay.webhooks.pop(name, None) is None:
            return None
        return self._rewrite(overlay)

    def _overlay(self) -> Overlay:
        if self._file is None:
            raise ConfigError("there is no configuration file beside which that could be kept")
        return read_overlay(self._file)

    def _rewrite(self, overlay: Overlay) -> dict[str, Any]:
        assert self._file is not None
        before = read_overlay(self._file)
        overlay.paths = {name: table for name, table in overlay.paths.items() if table}
        write_overlay(self._file, overlay)
        try:
            return self.reload()
        except ConfigError:
            write_overlay(self._file, before)
            raise


def _changed_webhooks(before: Config, now: Config) -> list[str]:
    old, new = ({one.name: one for one in config.webhooks} for config in (before, now))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _waiting(started: Config, now: Config) -> list[str]:
    """Names of the settings that differ and are only read at the start, tables taken apart once."""
    found = []
    for field in msgspec.structs.fields(Config):
        before, after = getattr(started, field.name), getattr(now, field.name)
        if isinstance(before, msgspec.Struct):
            found += [
                f"{field.encode_name}.{inner.encode_name}"
                for inner in msgspec.structs.fields(type(before))
                if getattr(before, inner.name) != getattr(after, inner.name)
            ]
        elif before != after:
            found.append(field.encode_name)
    return [name for name in found if name not in AT_ONCE and name.split(".")[0] not in AT_ONCE]
