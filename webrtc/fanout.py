"""One access unit in, every viewer's SRTP packets out.

`Fanout` is the door to one of two twins: C where a compiler was at hand, else Python. Both send the
very same bytes; ARCHITECTURE.md ("WebRTC fan-out") says how.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from webrtc.errors import LocalError
from webrtc.fanout_events import (
    AddressChanged,
    Bye,
    Event,
    FanoutStatistics,
    PictureLost,
    StreamSummary,
    ViewerSummary,
)
from webrtc.lateness import LatenessCounts
from webrtc.native_choice import native
from webrtc.python_fanout import PythonFanout
from webrtc.viewer_settings import Address, Kind, Since, ViewerSettings

if TYPE_CHECKING:
    from webrtc._fanout import Fanout as NativeFanout

MAX_RING_BYTES = 8 << 20
"""Of a ring: 4 s of 16 Mb/s. A longer group of pictures is not kept whole, and a viewer that joins
within it waits for the next."""

MAX_RING_PACKETS = 16_384
"""Of a ring: as much in full packets, and 200 s of sound."""

MAX_THREADS = 64

_TYPES = (
    PictureLost,
    Bye,
    AddressChanged,
    ViewerSummary,
    StreamSummary,
    FanoutStatistics,
    LatenessCounts,
    LocalError,
)
"""What the C makes, in the order that it knows them by."""


class Fanout:
    """Sends what is written into its rings to the viewers that play them.

    Owns rings, viewers and sender threads; the UDP sockets stay their owner's, who closes them
    after the fan-out. Any thread may call it; nothing blocks. With ``threads`` 0 nothing is sent
    but in ``step``, whose caller also owns the clock: that is for tests.

    Times are seconds of the monotonic clock, read here where ``now_s`` is not given. All methods
    raise LocalError for rings and viewers that there are not (any more) and for arguments that
    contradict each other.
    """

    def __init__(
        self,
        sockets: Sequence[int],
        threads: int = 1,
        *,
        utc_offset_s: float | None = None,
        pure_python: bool = False,
    ) -> None:
        """``sockets`` are file descriptors of non-blocking UDP sockets, IPv4 or IPv6.

        ``utc_offset_s`` is UTC minus the monotonic clock. ``pure_python`` leaves the C aside where
        it is there; the Python twin has one thread at most.
        """
        if not sockets or not 0 <= threads <= MAX_THREADS:
            raise LocalError("a fan-out needs sockets and up to 64 threads", value=threads)
        if utc_offset_s is None:
            utc_offset_s = time.time() - time.monotonic()
        self._twin: PythonFanout | NativeFanout
        if native is None or pure_python:
            self._twin = PythonFanout(sockets, threads, utc_offset_s)
        else:
            self._twin = native.Fanout(sockets, threads, utc_offset_s, _TYPES)
        self._is_closed = False

    def close(self) -> None:
        """End the threads and forget everybody; the second time nothing happens."""
        if not self._is_closed:
            self._is_closed = True
            self._twin.close()

    def add_ring(
        self,
        clock_rate: int,
        max_bytes: int = MAX_RING_BYTES,
        max_packets: int = MAX_RING_PACKETS,
    ) -> int:
        """A place for one rendition's packets, by its number.

        It holds the newest group of pictures and two seconds, or less where that is more than the
        bounds allow.
        """
        return self._twin.add_ring(clock_rate, max_bytes, max_packets)

    def write(
        self,
        ring: int,
        payloads: Sequence[bytes | memoryview],
        timestamp: int,
        is_key: bool,
        media_utc_s: float,
        *,
        now_s: float | None = None,
    ) -> bool:
        """Store one access unit and wake the senders.

        ``timestamp`` is media time in RTP ticks modulo 2**32, ``media_utc_s`` the same in seconds
        of UTC. Of sound every unit is a key. False: it was not stored, because it is larger than
        the ring, or follows such a one before the next key frame.
        """
        return self._twin.write(ring, payloads, timestamp, is_key, media_utc_s, now_s)

    def remove_ring(self, ring: int) -> None:
        """Who plays it is sent nothing more from it."""
        self._twin.remove_ring(ring)

    def add_viewer(self, settings: ViewerSettings, *, now_s: float | None = None) -> int:
        """A viewer's number. Nothing is sent before ``play``."""
        return self._twin.add_viewer(settings, now_s)

    def remove_viewer(self, viewer: int) -> None:
        """Nothing more is sent to it; its datagrams are anybody's again."""
        self._twin.remove_viewer(viewer)

    def play(self, viewer: int, kind: Kind, ring: int, since: Since = "key") -> None:
        """Send a ring's packets as a stream of the viewer.

        A stream that plays nothing begins with the newest key frame in the ring, paced faster than
        real time (``since`` "key"), or with what comes next ("live", of video the next key frame);
        without a key frame in the ring it waits for one. A stream that plays another ring goes
        over at the first key frame of this one that is later than what was sent, when the other
        has come there; sequence numbers have no gap and timestamps go on, since both rings count
        the same media time. The latest call holds, and one for the ring that plays takes a
        switch back.
        """
        self._twin.play(viewer, kind, ring, since)

    def pause(self, viewer: int, kind: Kind) -> None:
        """Send nothing more of a stream until the next ``play``."""
        self._twin.pause(viewer, kind)

    def set_address(self, viewer: int, address: Address, socket: int) -> None:
        """Send to another address from now on."""
        self._twin.set_address(viewer, address, socket)

    def set_ice(self, viewer: int, username: str, password: str) -> None:
        """What the viewer's checks carry from now on (ICE restart, RFC 8445 9)."""
        self._twin.set_ice(viewer, username, password)

    def set_utc_offset(self, offset_s: float) -> None:
        """UTC minus the monotonic clock, when the origin's UTC has been slewed."""
        self._twin.set_utc_offset(offset_s)

    def receive(self, socket: int, *, now_s: float | None = None) -> list[tuple[bytes, Address]]:
        """Take what waits at a socket (by its index); call it when the socket is readable.

        Viewers' connectivity checks are answered, their RTCP is read, what they ask for is sent
        again. Everything else is given back: DTLS, STUN of others, RTP. At most 256 datagrams at
        one go; the socket stays readable when there are more. ``poll`` tells what they said.
        """
        return self._twin.receive(socket, now_s)

    def poll(self, *, now_s: float | None = None) -> list[Event]:
        """What has happened since: call it after ``receive``, and each tenth of a second or so for
        the summaries, of which each viewer has one a second."""
        return self._twin.poll(now_s)

    def step(self, now_s: float) -> float:
        """With ``threads`` 0: send all that is due; gives when something else will be, or inf."""
        return self._twin.step(now_s)

    def statistics(self) -> FanoutStatistics:
        """Counters of all."""
        return self._twin.statistics()

    def thread_ids(self) -> tuple[int, ...]:
        """By which the system knows the threads that send, for whoever sets their priority."""
        return self._twin.thread_ids()
