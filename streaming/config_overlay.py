"""What the API has set: one JSON file next to the configuration file, which it lies over."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from streaming.config_paths import best_pattern
from streaming.errors import ConfigError


class Overlay(Struct, forbid_unknown_fields=True):
    """Settings as they would stand in the configuration file, secrets among them."""

    paths: dict[str, dict[str, Any]] = {}
    """Of paths by their exact names."""
    webhooks: dict[str, dict[str, Any]] = {}
    """By their names, which are not repeated inside."""


def overlay_file(file: Path) -> Path:
    """Where what the API has set is kept: "headwater.api.json" beside "headwater.toml"."""
    return file.with_suffix(".api.json")


def read_overlay(file: Path) -> Overlay:
    """What the API has set over `file`. Raises ConfigError where that cannot be read."""
    place = overlay_file(file)
    try:
        return msgspec.json.decode(place.read_bytes(), type=Overlay)
    except FileNotFoundError:
        return Overlay()
    except OSError as error:
        raise ConfigError(f"{place}: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{place}: {error}") from error


def write_overlay(file: Path, overlay: Overlay) -> None:
    """All of it or nothing, for its owner's eyes alone: sources and webhooks carry credentials.

    Returns when it is on the disk, which may take seconds. Raises ConfigError.
    """
    place = overlay_file(file)
    new = place.with_name(place.name + ".new")
    values = {name: table for name, table in msgspec.to_builtins(overlay).items() if table}
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            written.write(json.dumps(values, indent=2).encode() + b"\n")
            written.flush()
            os.fsync(written.fileno())
        new.replace(place)
        _sync_folder(place.parent)
    except OSError as error:
        reason = f"{place.name} cannot be written: {error.strerror or error}"
        raise ConfigError(reason, http_status=500) from error


def _sync_folder(folder: Path) -> None:
    """A power cut after this finds the new name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lay_over(values: dict[str, Any], overlay: Overlay) -> None:
    """Puts what the API has set over the values of the file and the environment.

    A path that the file has no table of keeps what its pattern says: a table of its own that began
    empty would let everyone publish and view who may not.
    """
    paths = values.setdefault("paths", {})
    if isinstance(paths, dict):
        written = dict(paths)
        for name, settings in overlay.paths.items():
            pattern = best_pattern(written, name)
            base = written[pattern] if pattern is not None else {}
            paths[name] = {**base, **settings} if isinstance(base, dict) else base
    webhooks = values.setdefault("webhooks", [])
    if isinstance(webhooks, list):
        values["webhooks"] = _webhooks(webhooks, overlay)


def _webhooks(written: list[Any], overlay: Overlay) -> list[Any]:
    """Those of the file, each with what the API has set of it, then those of the API alone."""
    left = dict(overlay.webhooks)
    merged = []
    for webhook in written:
        name = webhook.get("name") if isinstance(webhook, dict) else None
        settings = left.pop(name, {}) if isinstance(name, str) else {}
        merged.append({**webhook, **settings} if settings else webhook)
    return merged + [{"name": name, **settings} for name, settings in left.items()]
