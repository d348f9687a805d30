"""What sends in the Python fan-out: whose turn it is, and datagrams to the system."""

from __future__ import annotations

import math
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from webrtc.lateness import Lateness
from webrtc.python_viewer import PythonViewer
from webrtc.viewer_settings import Kind
from webrtc.viewer_stream import ViewerStream

KINDS: Final[tuple[Kind, ...]] = ("audio", "video")
"""In the order in which they are sent: sound is small and nobody forgives a gap in it."""
BLOCKED_S: Final = 0.02
"""A socket whose buffer stays full for longer costs the viewers their group of pictures."""


class PythonSender:
    """Sends to a fan-out's viewers by a thread of its own, or when its fan-out steps it.

    `changed` is the lock of everything that the two share; whoever changes what is to be sent
    notifies it.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        viewers: Mapping[int, PythonViewer],
        counts: dict[str, int],
        changed: threading.Condition,
        utc_offset_s: float,
    ) -> None:
        self.utc_offset_s = utc_offset_s
        self.lateness: dict[Kind, Lateness] = {kind: Lateness() for kind in KINDS}
        self._sockets = sockets
        self._viewers = viewers
        self._counts = counts
        self._changed = changed
        self._commands: deque[Callable[[float], None]] = deque()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Lets a thread send from now on."""
        self._thread = threading.Thread(target=self._run, name="fanout", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    @property
    def thread_id(self) -> int | None:
        """Of the thread that sends, where there is one."""
        return None if self._is_closed or self._thread is None else self._thread.native_id

    def command(self, command: Callable[[float], None]) -> None:
        """To be done before what is sent next."""
        self._commands.append(command)
        self._changed.notify()

    def step(self, now_s: float) -> float:
        """Does everything that is due; gives when to look again if nothing happens before."""
        with self._changed:
            while self._commands:
                self._commands.popleft()(now_s)
            for kind in KINDS:
                viewers = [viewer for viewer in self._viewers.values() if viewer.has(kind)]
                self._serve([v for v in viewers if v.stream(kind).is_due(now_s)], kind, now_s)
            streams = (s for viewer in self._viewers.values() for s in viewer.streams)
            return min((stream.wake_s for stream in streams), default=math.inf)

    def _serve(self, viewers: list[PythonViewer], kind: Kind, now_s: float) -> None:
        """A chunk for each in turn, until none has more to send now."""
        now_utc = now_s + self.utc_offset_s
        while viewers:
            more = []
            for viewer in viewers:
                stream = viewer.stream(kind)
                chunk = stream.next_chunk(
                    now_s, now_utc, viewer.settings.pace_bitrate, viewer.carried_bitrate
                )
                if chunk:
                    written_s = stream.ended_written_s
                    self.send(viewer, stream, chunk)
                    if written_s is not None:
                        left_s = now_s if self._thread is None else time.monotonic()
                        self.lateness[kind].observe(left_s - written_s)
                    more.append(viewer)
                    continue
                report = stream.sender_report(now_s, now_utc, viewer.settings.cname)
                if report is not None:
                    self.send(viewer, None, [report])
            viewers = more

    def send(
        self, viewer: PythonViewer, stream: ViewerStream | None, datagrams: list[bytes]
    ) -> None:
        """Now; what the system does not take costs the stream, if one is given, its pictures."""
        for datagram in datagrams:
            if not self._send_one(viewer, datagram):
                viewer.send_failures += 1
                self._counts["failures"] += 1
                if stream is not None:
                    stream.skip()
                return
            self._counts["packets"] += 1
            self._counts["bytes"] += len(datagram)

    def _send_one(self, viewer: PythonViewer, datagram: bytes) -> bool:
        """Whether the system took it."""
        socket_index, address = viewer.place
        own = self._sockets[socket_index]
        self._counts["calls"] += 1
        for _attempt in range(2):
            try:
                own.sendto(datagram, address)
                return True
            except BlockingIOError:
                self._counts["blocked"] += 1
                select.select([], [own], [], BLOCKED_S)
            except OSError:
                return False
        return False

    def _run(self) -> None:
        with self._changed:
            while not self._is_closed:
                due_s = self.step(time.monotonic())
                wait_s = due_s - time.monotonic()
                if not self._commands and wait_s > 0:
                    self._changed.wait(None if wait_s == math.inf else wait_s)
