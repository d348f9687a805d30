"""Programs that are killed with SIGKILL and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from bench.processes import BenchError, wait_until
from bench.servers import free_port, headwater_command

START_S = 30.0
PLAYABLE_S = 30.0


class Mortal:
    """Owns one program with all its children, which are of one session."""

    def __init__(self, command: Sequence[str], log: Path | None = None) -> None:
        self._command = list(command)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it (again)."""
        with open(self._log or os.devnull, "ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """Ends it with all its children at once, as a power cut does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class MortalOrigin(Mortal):
    """An origin that copies, with its live windows on disk, always at the same ports."""

    def __init__(self, directory: Path) -> None:
        self.http_port, self.rtmp_port = free_port(), free_port()
        config = directory / "headwater.toml"
        config.write_text(
            f'state_dir = "{directory / "state"}"\n'
            f'[http]\nlisten = "127.0.0.1:{self.http_port}"\n'
            f'[rtmp]\nlisten = "127.0.0.1:{self.rtmp_port}"\n'
            '[webrtc]\nlisten = "127.0.0.1:0"\n'
            '[paths."live/*"]\nladder = "copy"\n'
        )
        command = [headwater_command(), "serve", "--config", str(config)]
        super().__init__(command, directory / "log")

    def url(self, path: str) -> str:
        """`path` on the origin, absolute."""
        return f"http://127.0.0.1:{self.http_port}{path}"

    def kill(self) -> None:
        """Returns when its port takes no connections any more: the last process has gone."""
        super().kill()
        for _ in wait_until(START_S, "the end of the origin", 0.005):
            if not self._listens():
                return

    def wait_listening(self) -> float:
        """Blocks until it takes connections; when that was, UTC."""
        for _ in wait_until(START_S, "the origin listening", 0.01):
            if self._listens():
                break
        return time.time()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.http_port)) == 0

    def wait_playable(self, path: str) -> None:
        """Blocks until the path has a playlist."""
        for _ in wait_until(PLAYABLE_S, f"{path} playable", 0.1):
            if self._get(f"/{path}/index.m3u8") is not None:
                return

    def live_since(self, path: str) -> float | None:
        """Since when the path is live, UTC; None when it is not."""
        body = self._get(f"/api/v1/paths/{path}")
        if body is None:
            return None
        record = json.loads(body)
        if record["state"] != "live":
            return None
        since = record["since_utc"]
        if not isinstance(since, int | float):
            raise BenchError(f"since_utc is {since!r}")
        return float(since)

    def _get(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(self.url(path), timeout=5) as response:
                return bytes(response.read())
        except (urllib.error.URLError, OSError):
            return None
