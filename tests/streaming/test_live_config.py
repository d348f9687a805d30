"""Another configuration while the origin runs, and what is said of it."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from streaming.config import Config
from streaming.config_file import load_config
from streaming.config_overlay import overlay_file
from streaming.errors import ConfigError
from streaming.live_config import SETTING_KEYS, SOURCE_KEYS, LiveConfig
from streaming.path_registry import ConfigChanges
from tests.streaming.events.news_scene import Recorder
from tests.streaming.server.conftest import until


class Origin:
    """Takes every configuration."""

    def __init__(self, file: Path) -> None:
        self.taken: list[Config] = []
        self.emitted = Recorder()
        self.live = LiveConfig(load_config(file, {}), file, {}, self._apply, self.emitted)

    def _apply(self, config: Config) -> ConfigChanges:
        self.taken.append(config)
        return ConfigChanges([], [])


def write(file: Path, text: str) -> None:
    file.write_text(text)


def written(file: Path) -> tuple[int, bytes]:
    """What the API has set, and when that was written."""
    place = overlay_file(file)
    return place.stat().st_mtime_ns, place.read_bytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "headwater.toml"
    write(file, "")
    return file


async def test_what_waits_for_a_restart_is_told_until_it_is_as_it_was_at_the_start(
    file: Path,
) -> None:
    origin = Origin(file)
    write(file, '[http]\nlisten = "127.0.0.1:8081"')
    for _ in range(2):  # it still waits the second time
        assert (await origin.live.reload())["needs_restart"] == ["http.listen"]
    write(file, "")
    assert (await origin.live.reload())["needs_restart"] == []


async def test_a_reload_is_an_event_that_says_what_came_of_it(file: Path) -> None:
    origin = Origin(file)
    write(file, '[http]\nlisten = "127.0.0.1:8081"')
    told = await origin.live.reload()
    assert origin.emitted.of("config.reloaded") == [told]
    assert told["needs_restart"] == ["http.listen"]
    write(file, "nonsense")
    with pytest.raises(ConfigError):
        await origin.live.reload()
    assert len(origin.emitted.events) == 1, "nothing has come of it"


async def test_what_the_api_has_set_lies_over_the_file_until_it_is_taken_back(file: Path) -> None:
    write(file, '[paths.a]\nladder = "copy"')
    origin = Origin(file)
    await origin.live.set_path("a", {"source": "test:"}, SOURCE_KEYS)
    assert (origin.taken[-1].paths["a"].source, origin.taken[-1].paths["a"].ladder) == (
        "test:",
        "copy",
    )
    assert load_config(file, {}) == origin.taken[-1], "a restart finds the same"
    assert await origin.live.unset_path("a", SOURCE_KEYS) is not None
    assert origin.taken[-1].paths["a"].source == ""
    assert await origin.live.unset_path("a", SOURCE_KEYS) is None


async def test_settings_that_cannot_be_leave_everything_as_it_was(file: Path) -> None:
    origin = Origin(file)
    await origin.live.set_path("a", {"source": "test:"}, SOURCE_KEYS)
    before = load_config(file, {})
    for name, settings in (("a", {"window_s": -1}), ("api/a", {}), ("b", {"unknown": 1})):
        with pytest.raises(ConfigError):
            await origin.live.set_path(name, settings, settings.keys())
    assert load_config(file, {}) == before
    assert len(origin.taken) == 1


GUARDED = """
[paths."live/*"]
publish_key = "secret"
view = "token"
window_s = 20
"""


async def test_a_path_that_the_api_sets_something_of_keeps_what_its_pattern_says(
    file: Path,
) -> None:
    write(file, GUARDED)
    origin = Origin(file)
    await origin.live.set_path("live/foo", {"source": "test:"}, SOURCE_KEYS)
    foo = origin.taken[-1].paths["live/foo"]
    assert (foo.source, foo.publish_key, foo.view, foo.window_s) == ("test:", "secret", "token", 20)
    write(file, GUARDED.replace("20", "30"))
    await origin.live.reload()
    assert origin.taken[-1].paths["live/foo"].window_s == 30, "and follows it"


async def test_patterns_of_the_environment_are_kept_as_well(tmp_path: Path) -> None:
    file = tmp_path / "headwater.toml"
    write(file, '[paths."*"]\nwindow_s = 20')
    await Origin(file).live.set_path("foo", {"source": "test:"}, SOURCE_KEYS)
    found = load_config(file, {"HEADWATER_PATHS__*__PUBLISH_KEY": "secret"})
    assert (found.paths["foo"].publish_key, found.paths["foo"].window_s) == ("secret", 20)


async def test_settings_and_source_of_a_path_are_set_and_taken_back_apart(file: Path) -> None:
    origin = Origin(file)
    await origin.live.set_path("a", {"source": "test:", "source_on_demand": True}, SOURCE_KEYS)
    for change in ({"ladder": "copy", "window_s": 20}, {"window_s": None}, {"linger_s": 5}):
        await origin.live.set_path("a", change, change.keys())
    assert origin.live.settings("a")["set_by_api"] == {
        "source": "test:", "source_on_demand": True, "ladder": "copy", "linger_s": 5.0,
    }  # fmt: skip
    assert await origin.live.unset_path("a", SOURCE_KEYS) is not None
    assert origin.live.settings("a")["set_by_api"] == {"ladder": "copy", "linger_s": 5.0}
    assert await origin.live.unset_path("a", SETTING_KEYS) is not None
    assert origin.live.settings("a") == {**origin.live.settings("b"), "path": "a"}


async def test_what_is_shown_of_a_path_hides_its_secrets(file: Path) -> None:
    write(file, GUARDED)
    origin = Origin(file)
    await origin.live.set_path("live/a", {"source": "rtsp://me:planted@host/x"}, SOURCE_KEYS)
    await origin.live.set_path("live/a", {"publish_key": "planted"}, {"publish_key"})
    shown = str(origin.live.settings("live/a")) + str(origin.live.sources())
    assert "planted" not in shown
    assert [one["path"] for one in origin.live.sources()] == ["live/a"]


class Disk:
    """Takes as long as a test wants, or fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.goes_on = threading.Event()
        self.is_asked = threading.Event()
        self.error: OSError | None = None
        monkeypatch.setattr(os, "fsync", self._sync)

    def _sync(self, descriptor: int) -> None:
        self.is_asked.set()
        assert self.goes_on.wait(20)
        if self.error is not None:
            raise self.error


async def test_the_event_loop_goes_on_while_a_disk_hangs_and_changes_keep_their_order(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, disk = Origin(file), Disk(monkeypatch)
    changes = [
        asyncio.ensure_future(origin.live.set_path("a", {"window_s": seconds}, {"window_s"}))
        for seconds in (20, 30, 40)
    ]
    changes.append(asyncio.ensure_future(origin.live.reload()))
    await until(disk.is_asked.is_set)
    assert not any(change.done() for change in changes)
    assert origin.taken == [], "what is not on the disk does not hold"
    disk.goes_on.set()
    await asyncio.gather(*changes)
    assert [config.paths["a"].window_s for config in origin.taken] == [20, 30, 40, 40]
    origin.live.close()


async def test_a_change_that_the_disk_does_not_take_changes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, disk = Origin(file), Disk(monkeypatch)
    disk.goes_on.set()
    disk.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(ConfigError, match=r"api\.json cannot be written: No space left") as failed:
        await origin.live.set_path("a", {"source": "test:"}, SOURCE_KEYS)
    assert failed.value.http_status == 500
    assert origin.taken == []
    assert not overlay_file(file).exists()
    assert origin.live.sources() == []


async def test_what_cannot_be_is_never_written(file: Path) -> None:
    origin = Origin(file)
    await origin.live.set_path("a", {"source": "test:"}, SOURCE_KEYS)
    before = written(file)
    with pytest.raises(ConfigError):
        await origin.live.set_path("a", {"window_s": -1}, {"window_s"})
    assert written(file) == before
