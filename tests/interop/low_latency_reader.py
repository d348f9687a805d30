"""A viewer of one rendition by low-latency HLS: each request waits for the part that comes next."""

from __future__ import annotations

import re
import threading
import time

from tests.interop.origin_process import OriginProcess

_HINT = re.compile(r'PRELOAD-HINT:TYPE=PART,URI="(\d+)\.(\d+)\.m4s"')


class LowLatencyReader:
    """Reads from `start` to `stop`; what was answered when, and every playlist's text."""

    def __init__(self, origin: OriginProcess, rendition: str) -> None:
        self.rendition = rendition
        self.answers: list[float] = []
        """Monotonic times at which a part that had been waited for was listed."""
        self.failures: list[str] = []
        self.text = ""
        self.gaps = 0
        """Playlists that told of media that are not there."""
        self._origin = origin
        self._url = f"/live/a/{rendition}/index.m3u8"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> LowLatencyReader:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def longest_hole_s(self, since: float) -> float:
        """Between two answers, of which the second came after `since`."""
        pairs = zip(self.answers, self.answers[1:], strict=False)
        return max((b - a for a, b in pairs if b > since), default=0.0)

    def _run(self) -> None:
        query = ""
        while not self._stop.is_set():
            status, body = self._origin.fetch(self._url + query)
            if status != 200:
                self.failures.append(f"{query}: {status}")
                return
            self.text = body.decode()
            self.answers.append(time.monotonic())
            self.gaps += "GAP" in self.text
            found = _HINT.findall(self.text)
            if not found:
                self.failures.append(f"no hint: {self.text[-300:]}")
                return
            query = "?_HLS_msn={}&_HLS_part={}".format(*found[-1])
