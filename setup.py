"""Build hooks that pyproject.toml cannot express: the wheel carries the web player."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
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


setup(cmdclass={"build_py": BuildWithPlayer})
