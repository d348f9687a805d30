"""Fuzz targets of the configuration: whatever is in it, the user reads a sentence."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from streaming.config import Config
from streaming.config_file import load_config
from streaming.errors import ConfigError

_FOLDER = tempfile.TemporaryDirectory(prefix="headwater-fuzz-")
_FILE = Path(_FOLDER.name) / "headwater.toml"
_EXAMPLE = Path(__file__).parents[2] / "headwater.example.toml"


def fuzz_config(data: bytes) -> None:
    """A file."""
    _FILE.write_bytes(data)
    _load(_FILE, {})


def fuzz_environment(data: bytes) -> None:
    """Variables, each a line NAME=value without the prefix."""
    lines = data.decode("utf-8", "replace").replace("\0", "").splitlines()
    pairs = (line.partition("=") for line in lines)
    _load(None, {f"HEADWATER_{name}": value for name, _, value in pairs})


def _load(file: Path | None, environment: dict[str, str]) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(load_config(file, environment), Config)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "config_file": fuzz_config,
    "config_environment": fuzz_environment,
}
SEEDS: dict[str, list[bytes]] = {
    "config_file": [
        _EXAMPLE.read_bytes(),
        b'[paths."live/*"]\nladder = [{ name = "source", copy = true }, { height = 360 }]\n',
        b'[paths.cam]\nsource = "rtsp://x/y"\nsource_on_demand = true\n',
    ],
    "config_environment": [
        b"HTTP__LISTEN=0.0.0.0:80\nRTMP__ENABLED=false\nMAX_PATHS=7",
        b'PATHS__demo__SOURCE=test:\nPATHS__demo__LADDER=[{name="a",height=90}]',
    ],
}
