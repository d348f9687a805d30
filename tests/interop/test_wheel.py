"""What a built wheel carries: an installed Headwater must need neither Node nor npm."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streaming.server.player import Pages

ROOT = Path(__file__).parents[2]
OURS = {"player.html", "player.css", "player.js", "index.html", "index.js", "theme.css", "icon.svg"}
LIBRARIES = {"hls.min.js", "hls.worker.js", "dash.mediaplayer.min.js", "VERSIONS.txt"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of this checkout, built with what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    names = ("segmenter", "streaming", "webrtc", "static", "pyproject.toml", "setup.py")
    copy.mkdir()
    for name in (*names, "README.md", "LICENSE"):
        (copy / name).symlink_to(ROOT / name)
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation",
         "--quiet", "--disable-pip-version-check", "--wheel-dir", str(folder)],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as opened:
        yield opened


def test_the_wheel_carries_the_pages_and_the_player_libraries(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {f"streaming/_static/{name}" for name in OURS} <= names
    assert {f"streaming/_static/vendor/{name}" for name in LIBRARIES} <= names
    assert not [name for name in names if "node_modules" in name]


def test_the_wheel_carries_every_module_of_the_packages(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    modules = {
        file.relative_to(ROOT).as_posix()
        for package in ("segmenter", "streaming", "webrtc")
        for file in (ROOT / package).rglob("*.py")
    }
    assert modules - names == set()


def test_pages_of_an_unpacked_wheel_are_whole(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    pages = Pages(tmp_path / "streaming" / "_static")
    assert pages.player is not None
    assert pages.index is not None
    for name in LIBRARIES:
        file = pages.file(f"/static/vendor/{name}")
        assert file is not None
        assert file.load() == (ROOT / "static" / "vendor" / name).read_bytes()
