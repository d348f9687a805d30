"""Build hooks that pyproject.toml cannot express: the C extension, and the wheel's web player."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PLAYER_FILES = ("*.html", "*.css", "*.js", "*.svg", "vendor/*.js", "vendor/*.txt")


class BuildWithPlayer(build_py):
    """Copies static/ into the package, so that an installed wheel needs neither Node nor npm."""

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return
        target = Path(self.build_lib) / "streaming" / "_static"
        for pattern in PLAYER_FILES:
            for source in (ROOT / "static").glob(pattern):
                destination = target / source.relative_to(ROOT / "static")
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, destination)


def files(pattern: str) -> list[str]:
    """Of this repository, in the same order everywhere."""
    return sorted(str(file.relative_to(ROOT)) for file in ROOT.glob(pattern))


SAMPLES = Extension(
    "segmenter._samples",
    files("segmenter/native/*.c"),
    depends=files("segmenter/native/*.h"),
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
    extra_compile_args=["-std=c11", "-Wall", "-Wextra"],
    optional=True,  # without a compiler the Python beside it does the same
)

FANOUT = Extension(
    "webrtc._fanout",
    files("webrtc/native/*.c"),
    depends=files("webrtc/native/*.h"),
    define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_GNU_SOURCE", "1")],
    py_limited_api=True,
    extra_compile_args=["-std=c11", "-O2", "-pthread", "-Wall", "-Wextra"],
    extra_link_args=["-pthread"],
    libraries=["dl", "m"],
    optional=True,
)

setup(
    ext_modules=[SAMPLES, FANOUT],
    cmdclass={"build_py": BuildWithPlayer},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
