"""The directory that state is kept in: where it is, who may use it, and what is in it.

lock                    held by the origin that uses it; gone with its process
clock                   the latest moment that an origin has seen, seconds since 1970
paths/<path>/<number>.journal
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from streaming.live_state.path_journal import generation

logger = logging.getLogger(__name__)

MEMORY: Final = "memory"
DIRECTORY_MODE: Final = 0o700

CLOCK_S: Final = 10.0
"""How often the clock is written; an origin starts by as much above it."""


def find_state_dir(configured: str, environment: Mapping[str, str]) -> Path | None:
    """Where state is kept; None: nowhere.

    Without a configured one: systemd's STATE_DIRECTORY, else the user's state directory.
    """
    if configured == MEMORY:
        return None
    if configured:
        return Path(configured).expanduser()
    if environment.get("STATE_DIRECTORY"):
        return Path(environment["STATE_DIRECTORY"].split(":")[0])
    base = environment.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):  # XDG: relative ones are to be ignored
        home = environment.get("HOME", "")
        if not home:
            return None
        base = f"{home}/.local/state"
    return Path(base) / "headwater"


class StateDir:
    """Owns the directory and its lock. Everything here may block on a disk and raise OSError."""

    def __init__(self, root: Path) -> None:
        """Raises OSError when it cannot be written to, or another origin uses it."""
        self.root = root
        root.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self._lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.paths.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            self.latest_utc = self._read_clock()
            if self.latest_utc:
                self.write_clock(self.latest_utc)  # also shows that it can be written to
            else:
                (root / "clock").write_text("0")
        except OSError as error:
            os.close(self._lock)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES) and error.filename is None:
                raise OSError(error.errno, "another origin uses it") from error
            raise

    @property
    def paths(self) -> Path:
        """A folder for each path with journals."""
        return self.root / "paths"

    def folder(self, path: str) -> Path:
        """Where the journals of a path are."""
        return self.paths / urllib.parse.quote(path, safe="")

    def journals(self) -> dict[str, list[Path]]:
        """All journals there are, by path, oldest first."""
        found: dict[str, list[Path]] = {}
        for folder in self.paths.iterdir():
            with contextlib.suppress(OSError):
                files = [file for file in folder.iterdir() if generation(file) >= 0]
                if files:
                    found[urllib.parse.unquote(folder.name)] = sorted(files, key=generation)
        return found

    def write_clock(self, now_utc: float) -> None:
        """Remembers that this moment was seen."""
        draft = self.root / "clock.new"
        draft.write_text(f"{now_utc:.3f}")
        draft.replace(self.root / "clock")

    def close(self) -> None:
        """Another origin may use it."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def _read_clock(self) -> float:
        try:
            value = float((self.root / "clock").read_text()[:32])
        except (OSError, ValueError):
            return 0.0
        return value if 0 <= value < 1 << 40 else 0.0
