"""The fan-out in Python: what the C does, as its specification and where there is no compiler.

Everything is sent in `step`, which a thread calls when there is something to do
(python_sender.py), or the owner (``threads`` 0), who then has it deterministic. Datagrams are
looked at in `receive`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from webrtc.errors import LocalError, MediaPacketError, StunError
from webrtc.fanout_events import Event, FanoutStatistics
from webrtc.packet_ring import PacketRing
from webrtc.python_sender import PythonSender
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


class PythonFanout:
    """Owns rings and viewers; sockets stay their owner's. Any thread may call it."""

    def __init__(self, sockets: Sequence[int], threads: int, utc_offset_s: float) -> None:
        self._sockets = [socket.socket(fileno=os.dup(number)) for number in sockets]
        for own in self._sockets:
            own.setblocking(False)
        self._ids = itertools.count(1)
        self._rings: dict[int, PacketRing] = {}
        self._viewers: dict[int, PythonViewer] = {}
        self._by_address: dict[tuple[int, Address], PythonViewer] = {}
        self._by_username: dict[str, PythonViewer] = {}
        self._events: list[Event] = []
        self._counts = dict.fromkeys(
            ("packets", "bytes", "resent", "calls", "blocked", "failures", "received", "passed",
             "rejected", "skipped"), 0
        )  # fmt: skip
        self._changed = threading.Condition(threading.RLock())
        self._sender = PythonSender(
            self._sockets, self._viewers, self._counts, self._changed, utc_offset_s
        )
        self._threads = int(threads > 0)
        if self._threads:
            self._sender.start()

    def close(self) -> None:
        """End the thread, forget everybody."""
        self._sender.close()
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
                    self._sender.command(partial(stream.drop_ring, gone))

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
            self._sender.command(partial(stream.play, source, since))

    def pause(self, viewer: int, kind: Kind) -> None:
        """Stop sending a stream."""
        with self._changed:
            stream = self._viewer(viewer).stream(kind)
            self._sender.command(stream.pause)

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
        self._sender.utc_offset_s = offset_s

    def _viewer(self, number: int) -> PythonViewer:
        viewer = self._viewers.get(number)
        if viewer is None:
            raise LocalError("no such viewer", value=number)
        return viewer

    def step(self, now_s: float) -> float:
        """Do everything that is due; gives when to look again if nothing happens before."""
        return self._sender.step(now_s)

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
        now_utc = now_s + self._sender.utc_offset_s
        for event in viewer.receive_rtcp(compound, now_s, now_utc, self._ask_again):
            self._tell(event)
        self._changed.notify()
        return True

    def _ask_again(
        self, viewer: PythonViewer, stream: ViewerStream, sequences: tuple[int, ...]
    ) -> None:
        def resend(now_s: float) -> None:
            now_utc = now_s + self._sender.utc_offset_s
            packets = stream.resend(sequences, now_s, now_utc, viewer.rtt_s)
            self._counts["resent"] += len(packets)
            self._sender.send(viewer, None, packets)

        self._sender.command(resend)

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
                threads=self._threads,
                rings=len(self._rings),
                viewers=len(self._viewers),
                sound_lateness=self._sender.lateness["audio"].counts(),
                picture_lateness=self._sender.lateness["video"].counts(),
                **counts,
            )

    def thread_ids(self) -> tuple[int, ...]:
        """Of the thread that sends, where there is one."""
        number = self._sender.thread_id
        return (number,) if number is not None else ()


def _now(now_s: float | None) -> float:
    return time.monotonic() if now_s is None else now_s
