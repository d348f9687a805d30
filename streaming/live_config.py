"""The configuration while the origin runs: read again, and changed through the API.

What the API sets is in one JSON file next to the configuration file and lies over it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from streaming.config import Config
from streaming.config_file import check_config, load_config, overlay_file, read_overlay
from streaming.config_secrets import effective
from streaming.errors import ConfigError
from streaming.path_name import name_error
from streaming.path_registry import ConfigChanges

logger = logging.getLogger(__name__)

AT_ONCE: Final = frozenset({"paths", "view", "api", "auth_hook", "http.trusted_proxies"})
"""What is not only read at the start."""


class LiveConfig:
    """Owns what the configuration is now; the composition root says what a change does."""

    def __init__(
        self,
        config: Config,
        file: Path | None,
        environment: Mapping[str, str],
        apply: Callable[[Config], ConfigChanges],
    ) -> None:
        self._config = self._started = config
        """What holds by now, and what was read at the start."""
        self._file = file
        self._environment = environment
        self._apply = apply

    def effective(self) -> dict[str, Any]:
        """All settings, secrets hidden."""
        return effective(self._config)

    def validate(self, toml: str) -> None:
        """Returns where `toml` could be the configuration file. Raises ConfigError."""
        check_config(toml, self._environment)

    def reload(self) -> dict[str, Any]:
        """Reads it again and applies what has changed. Raises ConfigError and changes nothing."""
        config = load_config(self._file, self._environment)
        changes = self._apply(config)
        needs_restart = _waiting(self._started, config)
        self._config = config
        for text in (
            *(f'paths."{name}" has changed' for name in changes.changed),
            *(
                f"{name}: some of its settings wait until it begins anew"
                for name in changes.deferred
            ),
            *(f"{name} has changed and waits for a restart" for name in needs_restart),
        ):
            logger.info("configuration: %s", text)
        return {
            "changed": changes.changed,
            "deferred": changes.deferred,
            "needs_restart": needs_restart,
        }

    def set_path(self, name: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings of one path from now on, over those of the file. Raises ConfigError."""
        reason = name_error(name)
        if reason:
            raise ConfigError(reason)
        return self._rewrite({**self._overlay(), name: settings})

    def unset_path(self, name: str) -> dict[str, Any] | None:
        """Takes them back; None where there were none. Raises ConfigError."""
        overlay = self._overlay()
        if overlay.pop(name, None) is None:
            return None
        return self._rewrite(overlay)

    def _overlay(self) -> dict[str, Any]:
        if self._file is None:
            raise ConfigError("there is no configuration file beside which that could be kept")
        return read_overlay(self._file)

    def _rewrite(self, overlay: Mapping[str, Any]) -> dict[str, Any]:
        assert self._file is not None
        place = overlay_file(self._file)
        before = place.read_bytes() if place.exists() else None
        _write(place, json.dumps({"paths": overlay}, indent=2).encode() + b"\n")
        try:
            return self.reload()
        except ConfigError:
            if before is None:
                place.unlink()
            else:
                _write(place, before)
            raise


def _write(place: Path, data: bytes) -> None:
    """All of it or nothing, for its owner's eyes alone: sources carry credentials."""
    new = place.with_name(place.name + ".new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(place)
    except OSError as error:
        raise ConfigError(f"{place.name} cannot be written: {error.strerror or error}") from error


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
