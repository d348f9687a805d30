"""One RTMP peer: the shell between its socket, its RtmpConnection and the door to the paths."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from segmenter.errors import SegmenterError
from segmenter.timeline import RTMP_CLOCK
from streaming.errors import PublishRejected, StreamingError
from streaming.ingest.flv import Demuxed, DemuxerStatistics, FlvDemuxer, TracksReady, in_runs
from streaming.ingest.rtmp.connection import ConnectionStatistics, RtmpConnection
from streaming.ingest.rtmp.connection_state import State
from streaming.ingest.rtmp.events import (
    Connected,
    ConnectionClosed,
    Event,
    PublishEnded,
    PublishRequested,
)
from streaming.ingest.rtmp.handshake import NONCE_BYTES
from streaming.ingest.rtmp.limits import MAX_UNREAD_BYTES, RtmpLimits
from streaming.ingest.rtmp.messages import Message
from streaming.ingest.rtmp.paced_socket import Pace, PacedSocket
from streaming.ingest.rtmp.read_pacer import ReadPacer
from streaming.ingest.source import Publication, PublishDoor, PublishRequest
from streaming.publish_codes import REJECTED

logger = logging.getLogger(__name__)

DOOR_TIMEOUT_S = 10.0
"""For the door's answer, which may ask a web hook; encoders wait 10 to 30 s for Publish.Start."""

_BITRATE_WINDOW_S = 1.0
_INTERNAL = "internal error of the server"


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """One peer, now."""

    remote: str
    path: str
    """Empty while it does not publish."""
    bitrate: int
    """Bits per second received, over the last second or so."""
    connection: ConnectionStatistics
    rejections: int
    """Publish requests that were turned down."""
    media: DemuxerStatistics | None
    """None while it does not publish."""


class SessionOwner(Protocol):
    """What a session needs of its server."""

    def admit(self, session: RtmpSession, address: str) -> bool:
        """Whether the new connection may stay."""

    def promote(self, session: RtmpSession) -> None:
        """The connection publishes and is no longer pending."""

    def forget(self, session: RtmpSession) -> None:
        """The connection is gone."""


class RtmpSession(asyncio.Protocol):
    """Owns one accepted socket; the event loop calls it, and the door through ``close``."""

    def __init__(
        self,
        owner: SessionOwner,
        door: PublishDoor,
        pacer: ReadPacer,
        limits: RtmpLimits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._door = door
        self._pacer = pacer
        self._loop = asyncio.get_running_loop()
        self._connection = RtmpConnection(secrets.token_bytes(NONCE_BYTES), limits)
        self._transport: asyncio.Transport | None = None
        self._socket: PacedSocket | None = None
        self._demuxer: FlvDemuxer | None = None
        self._publication: Publication | None = None
        self._asking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._said_goodbye = False
        self._window_start = self._loop.time()
        self._window_bytes = 0
        self._bitrate = 0
        self._rejections = 0
        self.remote = ""
        self.path = ""

    # -- called by the event loop --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._socket = PacedSocket(self._transport, self._pacer, self._take_bytes, self._pace)
        address, port = _peer(self._transport)
        self.remote = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        if self._owner.admit(self, address):
            self._advance()
        else:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """The client sent bytes."""
        if self._socket is not None:
            self._socket.take(data)

    def _pace(self) -> Pace:
        """How soon what comes next is to be read."""
        if self._connection.state is not State.PUBLISHING:
            return Pace.AT_ONCE
        publication = self._publication
        if publication is None:
            return Pace.AT_TICKS
        if publication.is_prompt:
            return Pace.PROMPT
        return Pace.AT_TICKS if publication.is_watched else Pace.RELAXED

    def _take_bytes(self, data: bytes) -> None:
        now = self._loop.time()
        self._window_bytes += len(data)
        if now - self._window_start >= _BITRATE_WINDOW_S:
            self._measure(now)
        demuxer = self._demuxer
        run = demuxer.begin_run(self._clock()) if demuxer is not None else None
        self._connection.receive_data(data, run)
        self._advance(demuxer.end_run(run) if demuxer is not None and run is not None else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._transport = None
        if self._socket is not None:
            self._socket.leave()
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()
        reason = f"connection lost: {exc}" if exc else "the publisher closed the connection"
        self._end_publication(reason)
        self._owner.forget(self)

    # -- called by the door and the server -----------------------------------------------------

    def close(self, code: str, description: str) -> None:
        """Tell the peer why and close; the publication is not called back."""
        if self._publication is not None:
            logger.info("%s %s: closed by the server: %s", self.remote, self.path, description)
        self._publication = None
        self._connection.close(code, description)
        self._advance()

    def shut_down(self, code: str, description: str) -> None:
        """Like ``close``, but the publication is told, since this is not the door's wish."""
        self._end_publication(description)
        self.close(code, description)

    def abort(self) -> None:
        """Drop the socket at once."""
        if self._transport is not None:
            self._transport.abort()

    def request_reconnect(self, description: str, tc_url: str) -> bool:
        """See RtmpConnection.request_reconnect."""
        asked = self._connection.request_reconnect(description, tc_url)
        self._advance()
        return asked

    def statistics(self) -> SessionStatistics:
        """Counters so far."""
        demuxer = self._demuxer
        media = demuxer.statistics() if demuxer is not None else None
        connection = self._connection.statistics()
        return SessionStatistics(
            self.remote, self.path, self._bitrate, connection, self._rejections, media
        )

    # -- events --------------------------------------------------------------------------------

    def _advance(self, items: list[Demuxed] | None = None) -> None:
        """Take the events, write what is to be sent, set the timer.

        ``items`` are samples that came before them.
        """
        connection = self._connection
        now_utc = self._clock()
        media: list[Message] = []
        while True:
            event = connection.next_event()
            if type(event) is Message:
                media.append(event)
            elif media or items:
                self._take_media(media, now_utc, items or [])  # may bring about more events
                media, items = [], None
                if event is not None:
                    self._take_event(event)
            elif event is not None:
                self._take_event(event)
            else:
                break
        self._write()
        if connection.timer_at() != self._timer_at:
            self._set_timer()

    def _take_event(self, event: Event) -> None:
        if isinstance(event, Connected):
            app = event.app.partition("?")[0]
            logger.info("%s connected, app %r, client %.60r", self.remote, app, event.client)
        elif isinstance(event, PublishRequested):
            self._asking = self._loop.create_task(self._ask(event), name="rtmp publish request")
        elif isinstance(event, PublishEnded):
            self._end_publication(event.reason)
        elif isinstance(event, ConnectionClosed):
            logger.info("%s closed: %s", self.remote, event.reason)
            self.abort()

    def _take_media(self, media: list[Message], now_utc: float, items: list[Demuxed]) -> None:
        publication, demuxer = self._publication, self._demuxer
        if publication is None or demuxer is None:
            return
        try:
            try:
                demuxer.push_all(media, now_utc, items)
            finally:
                self._publish(publication, items)
        except (StreamingError, SegmenterError) as error:
            self._refuse_media(str(error))
        except Exception:
            logger.exception("%s %s: media not taken", self.remote, self.path)
            self._refuse_media(_INTERNAL)

    def _publish(self, publication: Publication, items: list[Demuxed]) -> None:
        """Runs of samples, and tracks between them, until the door closes the publication."""
        for run in in_runs(items):
            if self._publication is not publication:
                return
            if isinstance(run, TracksReady):
                logger.info("%s %s: %s", self.remote, self.path, _describe(run))
                publication.set_tracks(run.tracks, RTMP_CLOCK)
            else:
                publication.write(run)

    def _refuse_media(self, reason: str) -> None:
        """Close over media that cannot be taken; what follows of them is left unread."""
        self._demuxer = None
        self._connection.close(REJECTED, reason)

    async def _ask(self, event: PublishRequested) -> None:
        request = PublishRequest(event.path, event.key, self.remote, "rtmp", event.query)
        try:
            async with asyncio.timeout(DOOR_TIMEOUT_S):
                publication = await self._door.publish(request, self)
        except PublishRejected as rejection:
            self._reject(event, rejection.code, rejection.description)
        except TimeoutError:
            self._reject(event, REJECTED, "the server did not decide in time")
        except Exception:
            logger.exception("%s %s: publish request failed", self.remote, event.path)
            self._reject(event, REJECTED, _INTERNAL)
        else:
            self._accept(event, publication)
        self._advance()

    def _accept(self, event: PublishRequested, publication: Publication) -> None:
        if self._connection.state is not State.PUBLISH_PENDING or self._transport is None:
            publication.close("the publisher left before it was let in")
            return
        logger.info("%s publishes %s", self.remote, event.path)
        self.path = event.path
        self._publication = publication
        self._demuxer = FlvDemuxer()
        self._owner.promote(self)
        self._connection.accept_publish()

    def _reject(self, event: PublishRequested, code: str, description: str) -> None:
        self._rejections += 1
        logger.info("%s may not publish %s: %s", self.remote, event.path, description)
        if self._connection.state is State.PUBLISH_PENDING:
            self._connection.reject_publish(code, description)

    def _end_publication(self, reason: str) -> None:
        publication, self._publication = self._publication, None
        if publication is not None:
            logger.info("%s %s: stopped: %s", self.remote, self.path, reason)
            publication.close(reason)
        self._demuxer = None
        self.path = ""

    # -- socket and timer ----------------------------------------------------------------------

    def _write(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        data = self._connection.data_to_send()
        if data:
            transport.write(data)
            if transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
                logger.info("%s does not read what it asked for", self.remote)
                transport.abort()
                return
        if self._connection.state is State.CLOSING and not self._said_goodbye:
            self._said_goodbye = True
            assert self._socket is not None
            self._socket.return_to_loop()  # what it still sends must be read, or it gets a reset
            if not self._socket.is_encrypted:  # TLS has no half of a connection
                with contextlib.suppress(OSError):  # the peer may have reset the connection
                    transport.write_eof()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        connection = self._connection
        if connection.timer_at() == 0:
            connection.handle_timer(self._loop.time())
        self._timer_at = connection.timer_at()
        if self._timer_at is not None and self._transport is not None:
            self._timer = self._loop.call_at(self._timer_at, self._time_passed)

    def _time_passed(self) -> None:
        self._connection.handle_timer(self._loop.time())
        self._timer_at = None
        self._advance()

    def _measure(self, now: float) -> None:
        self._bitrate = round(self._window_bytes * 8 / (now - self._window_start))
        self._window_start = now
        self._window_bytes = 0


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    name = transport.get_extra_info("peername")
    if not name:  # gone before we looked
        return "unknown", 0
    return str(name[0]).removeprefix("::ffff:"), int(name[1])


def _describe(ready: TracksReady) -> str:
    words = []
    for track in ready.tracks:
        if track.width:
            rate = f" {float(track.frame_rate):g} fps" if track.frame_rate else ""
            words.append(f"{track.name} {track.codec.value} {track.width}x{track.height}{rate}")
        else:
            words.append(f"{track.name} {track.codec.value} {track.sample_rate} Hz")
    return ", ".join(words)
