"""The fan-out in Python: what the C does, as its specification and where there is no compiler.

Everything happens in `step`, which a thread of its own calls when there is something to do, or
the owner (``threads`` 0), who then has it deterministic. Datagrams are looked at in `receive`.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from webrtc.errors import LocalError, MediaPacketError, StunError
from webrtc.fanout_events import Event, FanoutStatistics
from webrtc.lateness import Lateness
from webrtc.packet_ring import PacketRing
from webrtc.python_viewer import PythonViewer
from webrtc.rtcp import is_rtcp
from webrtc.stun import (
    BINDING_REQUEST,
    USE_CANDIDATE,
    StunMessage,
    is_stun,
    parse_stun,
    render_success,
)
from webrtc.viewer_settings import Address, Kind, Since, ViewerSettings
from webrtc.viewer_stream import ViewerStream

MAX_DATAGRAMS: Final = 256
"""Taken from a socket at one go, so that a flood does not hold up the event loop."""
MAX_DATAGRAM_BYTES: Final = 2048
KINDS: Final[tuple[Kind, ...]] = ("audio", "video")
"""In the order in which they are sent: sound is small and nobody forgives a gap in it."""
BLOCKED_S: Final = 0.02
"""A socket whose buffer stays full for longer costs the viewers their group of pictures."""


class PythonFanout:
    """Owns rings and viewers; sockets stay their owner's. Any thread may call it."""

    def __init__(self, sockets: Sequence[int], threads: int, utc_offset_s: float) -> None:
        self._sockets = [socket.socket(fileno=os.dup(number)) for number in sockets]
        for own in self._sockets:
            own.setblocking(False)
        self._utc_offset_s = utc_offset_s
        self._ids = itertools.count(1)
        self._rings: dict[int, PacketRing] = {}
        self._viewers: dict[int, PythonViewer] = {}
        self._by_address: dict[tuple[int, Address], PythonViewer] = {}
        self._by_username: dict[str, PythonViewer] = {}
        self._events: list[Event] = []
        self._commands: deque[Callable[[float], None]] = deque()
        self._counts = dict.fromkeys(
            ("packets", "bytes", "resent", "calls", "blocked", "failures", "received", "passed",
             "rejected", "skipped"), 0
        )  # fmt: skip
        self._lateness: dict[Kind, Lateness] = {kind: Lateness() for kind in KINDS}
        self._changed = threading.Condition(threading.RLock())
        self._is_closed = False
        self._thread: threading.Thread | None = None
        if threads:
            self._thread = threading.Thread(target=self._run, name="fanout", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread, forget everybody."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        for own in self._sockets:
            own.close()
        self._sockets.clear()
        self._viewers.clear()
        self._rings.clear()

    # -- rings -------------------------------------------------------------------------------

    def add_ring(self, clock_rate: int, max_bytes: int, max_packets: int) -> int:
        """A ring's number."""
        with self._changed:
            number = next(self._ids)
            self._rings[number] = PacketRing(clock_rate, max_bytes, max_packets)
            return number

    def write(
        self,
        ring: int,
        payloads: Sequence[bytes | memoryview],
        timestamp: int,
        is_key: bool,
        media_utc_s: float,
        now_s: float | None,
    ) -> bool:
        """One access unit."""
        with self._changed:
            now_s = _now(now_s)
            stored = self._ring(ring).write(payloads, timestamp, is_key, media_utc_s, now_s)
            self._changed.notify()
            return stored

    def remove_ring(self, ring: int) -> None:
        """Viewers of the ring are sent nothing more from it."""
        with self._changed:
            gone = self._ring(ring)
            del self._rings[ring]
            for viewer in self._viewers.values():
                for stream in viewer.streams:
                    self._command(partial(stream.drop_ring, gone))

    def _ring(self, number: int) -> PacketRing:
        ring = self._rings.get(number)
        if ring is None:
            raise LocalError("no such ring", value=number)
        return ring

    # -- viewers -----------------------------------------------------------------------------

    def add_viewer(self, settings: ViewerSettings, now_s: float | None) -> int:
        """A viewer's number."""
        with self._changed:
            if not 0 <= settings.socket < len(self._sockets):
                raise LocalError("no such socket", value=settings.socket)
            place = (settings.socket, settings.address[:2])
            if place in self._by_address or settings.ice_username in self._by_username:
                raise LocalError("another viewer has this address or user name", value=place)
            number = next(self._ids)
            viewer = PythonViewer(number, settings, _now(now_s))
            self._viewers[number] = self._by_address[place] = viewer
            self._by_username[settings.ice_username] = viewer
            return number

    def remove_viewer(self, viewer: int) -> None:
        """Nothing more is sent to it, nor taken from it."""
        with self._changed:
            gone = self._viewer(viewer)
            del self._viewers[viewer]
            self._counts["skipped"] += gone.skipped
            self._by_address.pop(gone.place, None)
            self._by_username.pop(gone.username, None)

    def play(self, viewer: int, kind: Kind, ring: int, since: Since) -> None:
        """Begin, or switch."""
        with self._changed:
            stream, source = self._viewer(viewer).stream(kind), self._ring(ring)
            if source.clock_rate != stream.settings.clock_rate:
                raise LocalError("ring and stream have different clock rates", value=ring)
            self._command(partial(stream.play, source, since))

    def pause(self, viewer: int, kind: Kind) -> None:
        """Stop sending a stream."""
        with self._changed:
            stream = self._viewer(viewer).stream(kind)
            self._command(stream.pause)

    def set_address(self, viewer: int, address: Address, socket_index: int) -> None:
        """Where it is sent to from now on, and heard from."""
        with self._changed:
            if not 0 <= socket_index < len(self._sockets):
                raise LocalError("no such socket", value=socket_index)
            other = self._by_address.get((socket_index, address[:2]))
            if other is not None and other.number != viewer:
                raise LocalError("another viewer has this address", value=address)
            self._move(self._viewer(viewer), socket_index, address)

    def _move(self, viewer: PythonViewer, socket_index: int, address: Address) -> None:
        self._by_address.pop(viewer.place, None)
        viewer.place = (socket_index, address[:2])
        self._by_address[viewer.place] = viewer

    def set_ice(self, viewer: int, username: str, password: str) -> None:
        """What its checks carry after an ICE restart."""
        with self._changed:
            found = self._viewer(viewer)
            if self._by_username.get(username, found) is not found:
                raise LocalError("another viewer has this user name", value=username)
            self._by_username.pop(found.username, None)
            found.username, found.password = username, password
            self._by_username[username] = found

    def set_utc_offset(self, offset_s: float) -> None:
        """UTC minus the monotonic clock."""
        self._utc_offset_s = offset_s

    def _viewer(self, number: int) -> PythonViewer:
        viewer = self._viewers.get(number)
        if viewer is None:
            raise LocalError("no such viewer", value=number)
        return viewer

    def _command(self, command: Callable[[float], None]) -> None:
        self._commands.append(command)
        self._changed.notify()

    # -- sending -----------------------------------------------------------------------------

    def _run(self) -> None:
        with self._changed:
            while not self._is_closed:
                due_s = self.step(time.monotonic())
                wait_s = due_s - time.monotonic()
                if not self._commands and wait_s > 0:
                    self._changed.wait(None if wait_s == math.inf else wait_s)

    def step(self, now_s: float) -> float:
        """Do everything that is due; gives when to look again if nothing happens before."""
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
        now_utc = now_s + self._utc_offset_s
        while viewers:
            more = []
            for viewer in viewers:
                stream = viewer.stream(kind)
                chunk = stream.next_chunk(
                    now_s, now_utc, viewer.settings.pace_bitrate, viewer.carried_bitrate
                )
                if chunk:
                    written_s = stream.ended_written_s
                    self._send(viewer, stream, chunk)
                    if written_s is not None:
                        left_s = now_s if self._thread is None else time.monotonic()
                        self._lateness[kind].observe(left_s - written_s)
                    more.append(viewer)
                    continue
                report = stream.sender_report(now_s, now_utc, viewer.settings.cname)
                if report is not None:
                    self._send(viewer, None, [report])
            viewers = more

    def _send(
        self, viewer: PythonViewer, stream: ViewerStream | None, datagrams: list[bytes]
    ) -> None:
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

    # -- receiving ---------------------------------------------------------------------------

    def receive(self, socket_index: int, now_s: float | None) -> list[tuple[bytes, Address]]:
        """Everything that waits at a socket; gives what is not for us."""
        others: list[tuple[bytes, Address]] = []
        own = self._sockets[socket_index]
        with contextlib.suppress(BlockingIOError, ConnectionError), self._changed:
            for _count in range(MAX_DATAGRAMS):
                datagram, source = own.recvfrom(MAX_DATAGRAM_BYTES)
                address = (source[0], source[1])
                if self._take(socket_index, datagram, address, _now(now_s)):
                    self._counts["received"] += 1
                else:
                    self._counts["passed"] += 1
                    others.append((datagram, address))
        return others

    def _take(self, socket_index: int, datagram: bytes, address: Address, now_s: float) -> bool:
        """Deal with a datagram, unless it is none of a viewer's checks or reports."""
        if is_stun(datagram):
            return self._take_check(socket_index, datagram, address, now_s)
        viewer = self._by_address.get((socket_index, address))
        if viewer is None or not is_rtcp(datagram):
            return False
        try:
            compound = viewer.receiver.unprotect_rtcp(datagram)
        except MediaPacketError:
            self._counts["rejected"] += 1
            return True
        viewer.last_seen_s = now_s
        now_utc = now_s + self._utc_offset_s
        for event in viewer.receive_rtcp(compound, now_s, now_utc, self._ask_again):
            self._tell(event)
        self._changed.notify()
        return True

    def _ask_again(
        self, viewer: PythonViewer, stream: ViewerStream, sequences: tuple[int, ...]
    ) -> None:
        def resend(now_s: float) -> None:
            now_utc = now_s + self._utc_offset_s
            packets = stream.resend(sequences, now_s, now_utc, viewer.rtt_s)
            self._counts["resent"] += len(packets)
            self._send(viewer, None, packets)

        self._command(resend)

    def _take_check(
        self, socket_index: int, datagram: bytes, address: Address, now_s: float
    ) -> bool:
        """RFC 8445 7.3 for a peer whose credentials are known; RFC 7675 lives on these."""
        try:
            check = parse_stun(datagram)
        except StunError:
            is_viewers = (socket_index, address) in self._by_address
            self._counts["rejected"] += is_viewers
            return is_viewers
        viewer = self._by_username.get(check.username)
        if viewer is None or check.message_type != BINDING_REQUEST or check.unknown_attributes:
            return False
        if not check.is_from(viewer.password):
            self._counts["rejected"] += 1
            return True
        viewer.last_seen_s = now_s
        self._follow(viewer, socket_index, address, check)
        answer = render_success(check, *address, viewer.password)
        with contextlib.suppress(OSError):
            self._sockets[socket_index].sendto(answer, address)
        return True

    def _follow(
        self, viewer: PythonViewer, socket_index: int, address: Address, check: StunMessage
    ) -> None:
        """To the pair that the viewer nominates."""
        place = (socket_index, address)
        if place == viewer.place or USE_CANDIDATE not in check.attributes:
            return
        if place not in self._by_address:
            self._move(viewer, socket_index, address)
            self._tell(viewer.address_changed())

    def _tell(self, event: Event) -> None:
        """Once until it is polled, so that a viewer cannot fill the list."""
        if event not in self._events:
            self._events.append(event)

    # -- telling -----------------------------------------------------------------------------

    def poll(self, now_s: float | None) -> list[Event]:
        """What has happened, and the summaries that are due."""
        with self._changed:
            now_s = _now(now_s)
            events = [event for event in self._events if event.viewer in self._viewers]
            self._events.clear()
            due = [viewer for viewer in self._viewers.values() if viewer.summary_s <= now_s]
            return events + [viewer.summary(now_s) for viewer in due]

    def statistics(self) -> FanoutStatistics:
        """Counters of all."""
        with self._changed:
            counts = dict(self._counts)
            counts["skipped"] += sum(viewer.skipped for viewer in self._viewers.values())
            return FanoutStatistics(
                native=False,
                crypto="cryptography",
                gso=False,
                threads=int(self._thread is not None),
                rings=len(self._rings),
                viewers=len(self._viewers),
                sound_lateness=self._lateness["audio"].counts(),
                picture_lateness=self._lateness["video"].counts(),
                **counts,
            )

    def thread_ids(self) -> tuple[int, ...]:
        """Of the thread that sends, where there is one."""
        thread = None if self._is_closed else self._thread
        number = thread.native_id if thread is not None else None
        return (number,) if number is not None else ()


def _now(now_s: float | None) -> float:
    return time.monotonic() if now_s is None else now_s
