"""Another configuration while the origin runs, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streaming.config import Config
from streaming.config_file import load_config
from streaming.errors import ConfigError
from streaming.live_config import LiveConfig
from streaming.path_registry import ConfigChanges


class Origin:
    """Takes every configuration."""

    def __init__(self, file: Path) -> None:
        self.taken: list[Config] = []
        self.live = LiveConfig(load_config(file, {}), file, {}, self._apply)

    def _apply(self, config: Config) -> ConfigChanges:
        self.taken.append(config)
        return ConfigChanges([], [])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "headwater.toml"
    file.write_text("")
    return file


def test_what_waits_for_a_restart_is_told_until_it_is_as_it_was_at_the_start(file: Path) -> None:
    origin = Origin(file)
    file.write_text('[http]\nlisten = "127.0.0.1:8081"')
    for _ in range(2):  # it still waits the second time
        assert origin.live.reload()["needs_restart"] == ["http.listen"]
    file.write_text("")
    assert origin.live.reload()["needs_restart"] == []


def test_what_the_api_has_set_lies_over_the_file_until_it_is_taken_back(file: Path) -> None:
    file.write_text('[paths.a]\nladder = "copy"')
    origin = Origin(file)
    origin.live.set_path("a", {"source": "test:"})
    assert (origin.taken[-1].paths["a"].source, origin.taken[-1].paths["a"].ladder) == (
        "test:",
        "copy",
    )
    assert load_config(file, {}) == origin.taken[-1], "a restart finds the same"
    assert origin.live.unset_path("a") is not None
    assert origin.taken[-1].paths["a"].source == ""
    assert origin.live.unset_path("a") is None


def test_settings_that_cannot_be_leave_everything_as_it_was(file: Path) -> None:
    origin = Origin(file)
    origin.live.set_path("a", {"source": "test:"})
    before = load_config(file, {})
    for name, settings in (("a", {"window_s": -1}), ("api/a", {}), ("b", {"unknown": 1})):
        with pytest.raises(ConfigError):
            origin.live.set_path(name, settings)
    assert load_config(file, {}) == before
    assert len(origin.taken) == 1
