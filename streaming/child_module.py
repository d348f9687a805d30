"""How a module of ours is started as a process of its own: by this interpreter, from this place."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

PLACE: Final = str(Path(__file__).resolve().parents[1])
"""Where the packages are that this process runs."""


def module_command(module: str) -> tuple[str, ...]:
    """What starts `module`; its arguments follow.

    Without -P the working directory would come first, and a directory there named as one of our
    packages would be run in its stead.
    """
    return (sys.executable, "-P", "-m", module)


def module_environment() -> dict[str, str]:
    """Ours, and it finds the same packages as this process did, installed or not."""
    given = os.environ.get("PYTHONPATH", "")
    places = [PLACE, *(place for place in given.split(os.pathsep) if place and place != PLACE)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
