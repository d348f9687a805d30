"""A registry of paths whose news are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segmenter.media import Codec, Track
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.events.event import Emit
from streaming.media_store import MediaStore
from streaming.path_registry import PathRegistry
from streaming.shelf_feed import ShelfFeed
from tests.segmenter.stage import START
from tests.streaming.test_path_registry import COPY

T0 = START
VIDEO = Track("source", Codec.H264, 90_000, b"", 640, 360)
AUDIO = Track("audio", Codec.AAC, 48_000, b"\x11\x90", sample_rate=48_000, channels=2)


class Recorder:
    """Keeps what is emitted."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.versions: list[int] = []

    def __call__(
        self,
        kind: str,
        path: str = "",
        data: Mapping[str, Any] | None = None,
        state_version: int = 0,
    ) -> None:
        self.events.append((kind, path, dict(data or {})))
        self.versions.append(state_version)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.events]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for each, _, data in self.events if each == kind]


class Scene:
    def __init__(self, **paths: PathConfig) -> None:
        self.now = T0
        self.recorder = Recorder()
        emit: Emit = self.recorder
        config = Config(paths=paths or {"*": COPY})  # type: ignore[arg-type]
        self.feed = ShelfFeed(MediaStore())
        self.registry = PathRegistry(config, self.feed, lambda: self.now, emit=emit)
