"""What a built wheel carries: an installed Headwater must need neither Node nor npm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
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
    with zipfile.ZipFile(build(tmp_path_factory.mktemp("wheel"))) as opened:
        yield opened


def build(folder: Path, **environment: str) -> Path:
    """Builds a wheel in `folder`; where it is."""
    copy = folder / "checkout"
    names = ("segmenter", "streaming", "webrtc", "static", "pyproject.toml", "setup.py")
    copy.mkdir()
    for name in (*names, "README.md", "LICENSE"):
        (copy / name).symlink_to(ROOT / name)
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation",
         "--quiet", "--disable-pip-version-check", "--wheel-dir", str(folder)],
        cwd=copy,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


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


@pytest.mark.skipif(shutil.which("cc") is None, reason="cc is missing: apt install gcc")
def test_a_wheel_built_with_a_compiler_carries_the_extensions(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"segmenter/_samples.abi3.so", "webrtc/_fanout.abi3.so"} <= names


def test_without_a_compiler_the_wheel_is_built_and_works_in_python_alone(tmp_path: Path) -> None:
    nothing = shutil.which("false") or ""
    installed = tmp_path / "installed"
    with zipfile.ZipFile(build(tmp_path, CC=nothing, CXX=nothing)) as opened:
        assert not [name for name in opened.namelist() if name.endswith(".so")]
        opened.extractall(installed)
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    done = subprocess.run(
        [sys.executable, "-S", "-c", IN_PYTHON_ALONE],  # no .pth file that knows this checkout
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *libraries])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, [str(installed), "False", "False"]), done


IN_PYTHON_ALONE = """
import os, segmenter, streaming.app
from segmenter.native_choice import native as samples
from webrtc.native_choice import native as fanout
print(os.path.dirname(os.path.dirname(segmenter.__file__)), bool(samples), bool(fanout))
"""
