"""The configuration while the origin runs: read again, and changed through the API.

What the API sets is in one JSON file next to the configuration file and lies over it. Disks may
hang, so files are read and written by a thread, and what comes of it is applied by the event loop.
Changes are made one after another, in the order in which they were asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, TypeVarTuple, Unpack

import msgspec

from streaming.config import Config, WebhookConfig, path_config
from streaming.config_file import check_config, load_config
from streaming.config_overlay import Overlay, read_overlay, write_overlay
from streaming.config_paths import PathConfig, best_pattern
from streaming.config_secrets import effective, shown_path
from streaming.errors import ConfigError
from streaming.events.event import Emit, no_events
from streaming.path_name import name_error
from streaming.path_registry import ConfigChanges
from streaming.webhooks.signature import new_secret

logger = logging.getLogger(__name__)

Found = TypeVar("Found")
Given = TypeVarTuple("Given")
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
        self._turn = asyncio.Lock()
        self._disk = ThreadPoolExecutor(1, "configuration")

    def close(self) -> None:
        """Nothing is read or written any more; what is under way is all or nothing."""
        self._disk.shutdown(wait=False, cancel_futures=True)

    def effective(self) -> dict[str, Any]:
        """All settings, secrets hidden."""
        return effective(self._config)

    async def validate(self, toml: str) -> None:
        """Returns where `toml` could be the configuration file. Raises ConfigError."""
        await self._in_thread(check_config, toml, self._environment, self._set)

    async def reload(self) -> dict[str, Any]:
        """Reads it again and applies what has changed. Raises ConfigError and changes nothing."""
        async with self._turn:
            return self._hold(*await self._in_thread(self._read))

    def _hold(self, config: Config, overlay: Overlay) -> dict[str, Any]:
        """This is the configuration from now on; what has changed."""
        self._set = overlay
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

    async def set_path(self, name: str, settings: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
        """Settings of one path from now on, over those of the file. Raises ConfigError.

        Of the `keys` the path then has these alone; None takes one back. What the API has set
        beside the `keys` stays.
        """
        reason = name_error(name)
        if reason:
            raise ConfigError(reason)

        def edit(overlay: Overlay) -> bool:
            kept = {key: v for key, v in overlay.paths.get(name, {}).items() if key not in keys}
            overlay.paths[name] = {**kept, **{k: v for k, v in settings.items() if v is not None}}
            return True

        changes = await self._change(edit)
        assert changes is not None
        return changes

    async def unset_path(self, name: str, keys: Keys) -> dict[str, Any] | None:
        """Takes those of the `keys` back; None where there were none. Raises ConfigError."""

        def edit(overlay: Overlay) -> bool:
            found = overlay.paths.get(name, {})
            overlay.paths[name] = {key: v for key, v in found.items() if key not in keys}
            return len(overlay.paths[name]) < len(found)

        return await self._change(edit)

    def webhooks(self) -> list[tuple[WebhookConfig, bool]]:
        """All of them, and whether the API has set something of each."""
        overlay = self._set.webhooks
        return [(one, one.name in overlay) for one in self._config.webhooks]

    async def set_webhook(
        self, name: str, settings: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        """A webhook from now on; what has changed, and the secret that was made for it.

        Without secrets it keeps those that it has; a new one gets one. Raises ConfigError.
        """
        made = ""

        def edit(overlay: Overlay) -> bool:
            nonlocal made
            before, table = overlay.webhooks.get(name, {}), dict(settings)
            if "secrets" not in table and "secrets" in before:
                table["secrets"] = before["secrets"]
            elif "secrets" not in table and name not in {one.name for one in self._config.webhooks}:
                made = new_secret()
                table["secrets"] = [made]
            overlay.webhooks[name] = table
            return True

        changes = await self._change(edit)
        assert changes is not None
        return changes, made

    async def unset_webhook(self, name: str) -> dict[str, Any] | None:
        """Takes that back; None where the API has set nothing of it. Raises ConfigError."""
        return await self._change(lambda overlay: overlay.webhooks.pop(name, None) is not None)

    async def _change(self, edit: Callable[[Overlay], bool]) -> dict[str, Any] | None:
        """What has changed since `edit` was done to what the API has set; None where it said no."""
        async with self._turn:
            found = await self._in_thread(self._rewrite, edit)
            return None if found is None else self._hold(*found)

    # -- in the thread ---------------------------------------------------------------------------

    async def _in_thread(self, work: Callable[[Unpack[Given]], Found], *given: *Given) -> Found:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._disk, work, *given)

    def _read(self) -> tuple[Config, Overlay]:
        overlay = Overlay() if self._file is None else read_overlay(self._file)
        return load_config(self._file, self._environment, overlay), overlay

    def _rewrite(self, edit: Callable[[Overlay], bool]) -> tuple[Config, Overlay] | None:
        """What cannot be is never written."""
        if self._file is None:
            raise ConfigError("there is no configuration file beside which that could be kept")
        overlay = read_overlay(self._file)
        if not edit(overlay):
            return None
        overlay.paths = {name: table for name, table in overlay.paths.items() if table}
        config = load_config(self._file, self._environment, overlay)
        write_overlay(self._file, overlay)
        return config, overlay


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
