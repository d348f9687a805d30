"""Where state is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from streaming.cli_check import where_kept
from streaming.config import Config
from streaming.live_state.state_dir import StateDir, find_state_dir


@pytest.mark.parametrize(
    ("configured", "environment", "found"),
    [
        ("/srv/hw", {"STATE_DIRECTORY": "/var/lib/headwater"}, "/srv/hw"),
        ("", {"STATE_DIRECTORY": "/var/lib/headwater:/b", "HOME": "/h"}, "/var/lib/headwater"),
        ("", {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/headwater"),
        ("", {"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/headwater"),
        ("", {"HOME": "/h"}, "/h/.local/state/headwater"),
        ("", {}, None),
        ("memory", {"HOME": "/h"}, None),
    ],
)
def test_the_first_of_configuration_systemd_and_user_counts(
    configured: str, environment: dict[str, str], found: str | None
) -> None:
    assert find_state_dir(configured, environment) == (Path(found) if found else None)


def test_check_says_where_live_windows_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert where_kept(Config()) == f"in {tmp_path}/headwater"
    assert where_kept(Config(state_dir="memory")) == "in memory alone"


def test_the_names_of_paths_are_names_of_folders(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    names = ["live/a", "a", "a/b/c", "live~x", "live%2Fa", "..a"]
    folders = {state.folder(name) for name in names}
    assert len(folders) == len(names)
    assert all(folder.parent == state.paths for folder in folders)
    for name in names:
        state.folder(name).mkdir()
        (state.folder(name) / "000000000001.journal").write_text("")
    assert sorted(state.journals()) == sorted(names)
    state.close()


def test_foreign_files_are_not_journals(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.folder("a").mkdir()
    for name in ("x.journal", "1.txt", "000000000002.journal", "000000000010.journal"):
        (state.folder("a") / name).write_text("")
    (state.paths / "stray").write_text("")
    assert [file.name for file in state.journals()["a"]] == [
        "000000000002.journal",
        "000000000010.journal",
    ]
    state.close()


@pytest.mark.parametrize("text", ["", "nonsense", "nan", "inf", "-5", "1e300"])
def test_a_clock_that_makes_no_sense_is_no_clock(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text)
    state = StateDir(tmp_path)
    assert state.latest_utc == 0
    state.close()


def test_a_clock_is_kept_over_a_restart(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.write_clock(1_800_000_000.5)
    state.close()
    again = StateDir(tmp_path)
    assert again.latest_utc == 1_800_000_000.5
    again.close()
