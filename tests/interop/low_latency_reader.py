"""A viewer of one rendition by low-latency HLS: each request waits for the part that comes next."""

from __future__ import annotations

import itertools
import re
import threading
import time
from typing import Final

from tests.interop.origin_process import OriginProcess

STILL_S: Final = 0.4
"""Twice a part: a witness that hears nothing for longer stands still with the whole machine."""
_HINT = re.compile(r'PRELOAD-HINT:TYPE=PART,URI="(\d+)\.(\d+)\.m4s"')


class LowLatencyReader:
    """Reads from `start` to `stop`; what was answered when, and every playlist's text."""

    def __init__(self, origin: OriginProcess, rendition: str, path: str = "live/a") -> None:
        self.rendition = rendition
        self.answers: list[float] = []
        """Monotonic times at which a part that had been waited for was listed."""
        self.failures: list[str] = []
        self.text = ""
        self.gaps = 0
        """Playlists that told of media that are not there."""
        self._origin = origin
        self._url = f"/{path}/{rendition}/index.m3u8"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> LowLatencyReader:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def longest_hole_s(self, since: float, witness: LowLatencyReader) -> float:
        """Between two answers, of which the second came after `since`, without the time in which
        the `witness`, to whom nothing has happened, stood still as well."""
        stills = [(a, b) for a, b in itertools.pairwise(witness.answers) if b - a > STILL_S]
        return max(
            (
                end - begin - sum(max(0.0, min(b, end) - max(a, begin)) for a, b in stills)
                for begin, end in itertools.pairwise(self.answers)
                if end > since
            ),
            default=0.0,
        )

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
