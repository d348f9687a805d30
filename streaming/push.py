"""Pushes a file, a stream or the test source to an RTMP or WHIP server: `headwater push`.

Codecs that RTMP carries are copied (H.264 and AAC, and by Enhanced RTMP HEVC, AV1, VP9 and Opus);
the rest is encoded to H.264 and AAC. Runs in the command's own process and blocks.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from segmenter.media import Codec, MediaType, Sample, Track
from streaming.config_paths import TEST_SCHEME
from streaming.errors import RemoteError
from streaming.ingest.pacing import Item, Pacer, Tracks
from streaming.ingest.rtmp import messages
from streaming.publish_codes import UNPUBLISHED
from streaming.push_flv import TICKS_PER_MS, write_frame, write_metadata, write_sequence_start
from streaming.push_progress import PushCounts, PushListener, PushProgress
from streaming.push_rtmp import CLIENT, PushRefused, Target, parse_target
from streaming.push_socket import PushSocket
from streaming.push_source import ReadAhead, Timed, read_source
from streaming.restart_backoff import RestartBackoff
from streaming.worker_process import redact

if TYPE_CHECKING:
    from streaming.push_whip import WhipSender

FIRST_RETRY_S = 1.0
MOST_RETRY_S = 15.0
"""A server that restarts is back within seconds; one that is down must not be hammered."""

_CLASSIC = (Codec.H264, Codec.AAC)


def push(
    url: str,
    target: str,
    *,
    loop: bool = False,
    realtime: bool = True,
    reconnect: bool = False,
    seconds: float = 0.0,
    listener: PushListener | None = None,
) -> PushProgress:
    """Sends `url` (or `test:`) to `target` until it ends, which with `loop` it never does.

    `realtime` paces recordings; live sources and the test source have a pace of their own. With
    `reconnect` a lost connection is made again, for as long as it takes. `seconds` of media are
    enough; 0 is no limit.
    Raises ConfigError for addresses that cannot be, PushRefused when the server says no,
    RemoteError with one sentence when source or target fail, and MediaError when the source's
    bytes are broken.
    """
    listener = listener or PushListener()
    sender = _sender(target, listener, reconnect)
    if url.startswith(TEST_SCHEME):
        sender.connect_early()
    items = ReadAhead(read_source(url, loop, listener.note, listener.length))
    try:
        for timed in items:
            sender.take(timed, realtime)
            if seconds and sender.media_s >= seconds:
                break
    except RemoteError as error:
        raise type(error)(_redact(str(error), target)) from error
    finally:
        items.stop()
        sender.close()
    return sender.progress


def _sender(target: str, listener: PushListener, reconnect: bool) -> _Sender | WhipSender:
    if target.startswith(("http://", "https://")):
        # Here, because importing aiortc takes a while.
        from streaming.push_whip import WhipSender

        return WhipSender(target, listener, reconnect)
    return _Sender(parse_target(target), target, listener, reconnect)


def _redact(text: str, target: str) -> str:
    """Most services' key is the last part of the path, which no general rule can know."""
    return redact(text.replace(target, shown_target(target)))


def shown_target(target: str) -> str:
    """The target without its secrets, for eyes and logs."""
    head, slash, stream = redact(target).rpartition("/")
    name, question, query = stream.partition("?")
    if len(name) > 12:  # a path's name is short, a service's key is not
        name = f"{name[:3]}***"
    return f"{head}{slash}{name}{question}{query}"


class _Sender:
    """Owns the connection to the target and what has been sent; `push` feeds it."""

    def __init__(self, target: Target, name: str, listener: PushListener, reconnect: bool) -> None:
        self._target = target
        self._name = name
        self._listener = listener
        self._reconnect = reconnect
        self._tracks: dict[str, Track] = {}
        self._socket: PushSocket | None = None
        self._early: PushSocket | None = None
        self._counts = PushCounts(listener.progress)
        self._pacer = Pacer()
        self._backoff = RestartBackoff(FIRST_RETRY_S, MOST_RETRY_S)
        self._has_published = False
        self._zero_dts = 0
        self._waits_for_key = False

    @property
    def progress(self) -> PushProgress:
        """As it is now."""
        return self._counts.progress()

    def connect_early(self) -> None:
        """Before there is anything to send, for sources whose samples cannot wait.

        Servers take the arrival of the first sample for its capture, so what that waited for the
        handshake would be missing from every latency measured later. A failure is left to the
        first sample.
        """
        with contextlib.suppress(RemoteError):
            self._early = PushSocket(self._target)

    @property
    def media_s(self) -> float:
        """Media sent, seconds."""
        return self._counts.media_s

    def take(self, timed: Timed, realtime: bool) -> None:
        """Sends one sample, when it is due; or tells the server of other tracks."""
        item = timed.item
        while True:
            began = time.monotonic()
            try:
                self._take(item, timed.is_paced and realtime)
            except RemoteError as error:
                self.close()
                if not self._may_retry(error):
                    raise _named(self._name, error) from error
                delay_s = self._backoff.delay_s(time.monotonic() - began)
                text = _redact(str(error), self._name)
                self._listener.note(f"{text}; connecting again in {delay_s:g} s")
                time.sleep(delay_s)
                continue
            return

    def close(self) -> None:
        """Ends the connection politely; never raises."""
        for connection in (self._socket, self._early):
            if connection is not None:
                connection.close()
        self._socket = self._early = None

    def _take(self, item: Item, is_paced: bool) -> None:
        if isinstance(item, Sample):
            self._send_sample(item, is_paced)
        else:
            self._set_tracks(item)

    def _set_tracks(self, tracks: Tracks) -> None:
        changed = [track for track in tracks if self._tracks.get(track.name) != track]
        self._tracks = {track.name: track for track in tracks}
        self._listener.tracks(tracks)
        if self._socket is not None:
            self._send_headers(self._socket, changed, self._counts.last_ms)

    def _send_sample(self, sample: Sample, is_paced: bool) -> None:
        connection = self._socket or self._connect(sample)
        if self._waits_for_key and not self._is_key(sample):
            return
        if self._waits_for_key:
            self._waits_for_key, self._zero_dts = False, sample.dts
        if sample.dts < self._zero_dts:
            return  # sound from before the first picture: RTMP's time cannot be below zero
        lag_s = self._lag_s(sample)
        if is_paced:
            due = self._pacer.due(sample.dts, time.monotonic())
            connection.wait_until(due)
            lag_s = max(0.0, time.monotonic() - due)
        track = self._tracks[sample.track]
        dts_ms = (sample.dts - self._zero_dts) // TICKS_PER_MS
        pts_ms = max(0, sample.pts - self._zero_dts) // TICKS_PER_MS
        payload = write_frame(track.codec, sample, pts_ms - dts_ms)
        is_video = track.media_type is MediaType.VIDEO
        connection.send(messages.VIDEO if is_video else messages.AUDIO, dts_ms, payload)
        self._counts.add(sample, is_video, dts_ms, lag_s)

    def _lag_s(self, sample: Sample) -> float:
        return max(0.0, time.time() - sample.captured_utc) if sample.captured_utc else 0.0

    def _is_key(self, sample: Sample) -> bool:
        has_video = any(t.media_type is MediaType.VIDEO for t in self._tracks.values())
        is_video = self._tracks[sample.track].media_type is MediaType.VIDEO
        return sample.is_sync and (is_video or not has_video)

    # -- the connection ----------------------------------------------------------------------

    def _connect(self, first: Sample) -> PushSocket:
        connection = self._socket = self._early or PushSocket(self._target)
        self._early = None
        self._waits_for_key = self._has_published
        if self._has_published:
            self._counts.reconnects += 1
            self._pacer = Pacer()
        self._has_published = True
        self._zero_dts = first.dts
        tracks = list(self._tracks.values())
        connection.send(messages.DATA_AMF0, 0, write_metadata(tracks, CLIENT))
        self._send_headers(connection, tracks, 0)
        enhanced = [t.codec.value for t in tracks if t.codec not in _CLASSIC]
        if enhanced and not connection.speaks_enhanced:
            codecs = " and ".join(enhanced)
            self._listener.note(f"the server has not said that it reads {codecs}")
        return connection

    def _send_headers(self, connection: PushSocket, tracks: list[Track], timestamp_ms: int) -> None:
        for track in tracks:
            is_video = track.media_type is MediaType.VIDEO
            type_id = messages.VIDEO if is_video else messages.AUDIO
            connection.send(type_id, timestamp_ms, write_sequence_start(track))

    def _may_retry(self, error: RemoteError) -> bool:
        """A first refusal is final, and whoever took the path over is not fought."""
        if not self._reconnect:
            return False
        if isinstance(error, PushRefused):
            return self._has_published and error.code != UNPUBLISHED
        return True


def _named(target: str, error: RemoteError) -> RemoteError:
    if isinstance(error, PushRefused):
        return PushRefused(f"{target}: the server refused: {error}", code=error.code)
    return RemoteError(f"{target}: {error}")
