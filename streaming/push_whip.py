"""Publishes by WHIP: samples of a push as RTP, through an aiortc connection on a thread of its own.

H.264 without B-frames and Opus travel as they are; AAC becomes Opus. Nothing else is encoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtcrtpsender import RTCRtpSender
from av.packet import Packet

from segmenter.codecs.h264 import parse_decoder_configuration
from segmenter.codecs.nal_units import split_length_prefixed
from segmenter.media import VIDEO_TIMESCALE, Codec, MediaType, Sample, Track
from streaming.errors import RemoteError
from streaming.ingest.pacing import Pacer
from streaming.push_progress import PushCounts, PushListener, PushProgress
from streaming.push_rtmp import PushRefused
from streaming.push_source import Timed
from streaming.restart_backoff import RestartBackoff
from streaming.transcode.audio_transcoder import AudioTranscoder
from streaming.transcode.ladder import PlannedAudio
from streaming.whip_client import end, offer

T = TypeVar("T")

CONNECT_S = 10.0
FIRST_RETRY_S = 1.0
MOST_RETRY_S = 15.0
QUEUE_PACKETS = 512
"""Half a minute of pictures and sound: more means that the network takes nothing."""
HELD_S = 0.1
"""From the first packet's media time on; two packets of Opus come with one of AAC."""
MOST_OFF_S = 1.0
OPUS = PlannedAudio("audio", 48_000, 2, 96, Codec.OPUS)
_START_CODE = b"\0\0\0\1"


class WhipConnection:
    """Owns a session and its thread; a push connects, sends and closes it, and may block."""

    def __init__(self, url: str, tracks: list[Track]) -> None:
        """Connects. Raises RemoteError with one sentence, its `http_status` set by a refusal."""
        self._url = url
        self._session = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="whip", daemon=True)
        self._thread.start()
        self._encoders = {track.name: _encoder_of(track) for track in tracks}
        self._peer: RTCPeerConnection | None = None
        self._feeds: dict[str, _Feed] = {}
        try:
            self._run(self._connect(tracks))
        except BaseException:
            self.close()
            raise

    def send(self, sample: Sample) -> None:
        """Sends a sample (ticks of 90 kHz). Raises RemoteError when the connection has gone."""
        if self._peer is None or self._peer.connectionState in ("failed", "closed"):
            raise RemoteError("the connection was lost")
        feed = self._feeds[sample.track]
        for packet in self._encoders[sample.track](sample):
            self._loop.call_soon_threadsafe(feed.put, packet)

    def close(self) -> None:
        """Ends the session politely; never raises."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(RemoteError, TimeoutError):
            self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * CONNECT_S)

    async def _connect(self, tracks: list[Track]) -> None:
        peer = self._peer = RTCPeerConnection()
        times = SendTimes()
        for track in tracks:
            kind = track.media_type.value
            feed = self._feeds[track.name] = _Feed(kind, times)
            transceiver = peer.addTransceiver(feed, direction="sendonly")
            _prefer(transceiver, kind, "video/H264" if kind == "video" else "audio/opus")
        await peer.setLocalDescription(await peer.createOffer())
        answer, self._session = await offer(self._url, peer.localDescription.sdp, "")
        connected = asyncio.Event()
        peer.add_listener("connectionstatechange", lambda: _note_state(peer, connected))
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        try:
            async with asyncio.timeout(CONNECT_S):
                _note_state(peer, connected)
                await connected.wait()
        except TimeoutError:
            raise RemoteError("no way for media to the server was found") from None
        if peer.connectionState != "connected":
            raise RemoteError("the connection failed")

    async def _end(self) -> None:
        if self._session:
            await end(self._session, "")
        if self._peer is not None:
            await self._peer.close()


def _note_state(peer: RTCPeerConnection, decided: asyncio.Event) -> None:
    if peer.connectionState in ("connected", "failed", "closed"):
        decided.set()


def _prefer(transceiver: RTCRtpTransceiver, kind: str, mime_type: str) -> None:
    codecs: list[RTCRtpCodecCapability] = RTCRtpSender.getCapabilities(kind).codecs
    wanted = [codec for codec in codecs if codec.mimeType.lower() == mime_type.lower()]
    transceiver.setCodecPreferences(wanted)


class SendTimes:
    """When packets leave: all tracks equally long after their media time.

    aiortc's sender reports say when packets left, and receivers take that for when they were
    captured. Encoding sound takes 50 ms longer than a picture, which would be seen.
    """

    def __init__(self) -> None:
        self._base_s: float | None = None

    def due_s(self, media_s: float, now_s: float) -> float:
        """Of a packet that is there now; media time that jumps begins anew."""
        if self._base_s is None or abs(self._base_s + media_s - now_s) > MOST_OFF_S:
            self._base_s = now_s - media_s
        return self._base_s + media_s + HELD_S


class _Feed(MediaStreamTrack):
    """Packets on their way to aiortc's sender."""

    def __init__(self, kind: str, times: SendTimes) -> None:
        super().__init__()
        self.kind = kind
        self._times = times
        self._queue: asyncio.Queue[Packet[Any]] = asyncio.Queue(QUEUE_PACKETS)

    def put(self, packet: Packet[Any]) -> None:
        """A packet; the oldest goes where there are too many."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(packet)

    async def recv(self) -> Packet[Any]:
        """See MediaStreamTrack."""
        packet = await self._queue.get()
        assert packet.pts is not None
        now_s = asyncio.get_running_loop().time()
        due_s = self._times.due_s(float(packet.pts * packet.time_base), now_s)
        await asyncio.sleep(max(0.0, due_s - now_s))
        return packet


Encoder = Callable[[Sample], list["Packet[Any]"]]


def _encoder_of(track: Track) -> Encoder:
    """From samples to what aiortc packetizes. Raises RemoteError for what cannot travel."""
    if track.media_type is MediaType.VIDEO:
        if track.codec is not Codec.H264:
            raise RemoteError(f"{track.codec.value} cannot be pushed by WHIP: encode it to H.264")
        return _AnnexB(track)
    if track.codec is Codec.OPUS:
        return lambda sample: [_packet(sample.data, sample.pts, VIDEO_TIMESCALE)]
    return _ToOpus(track)


class _AnnexB:
    """H.264 with start codes, parameter sets before each sync sample."""

    def __init__(self, track: Track) -> None:
        config = parse_decoder_configuration(track.codec_config)
        self._parameter_sets = [bytes(nal) for nal in (*config.sps, *config.pps)]

    def __call__(self, sample: Sample) -> list[Packet[Any]]:
        if sample.pts != sample.dts:
            raise RemoteError("the source has B-frames, which WebRTC does not carry")
        nals = [bytes(nal) for nal in split_length_prefixed(sample.data)]
        if sample.is_sync:
            nals = self._parameter_sets + nals
        data = b"".join(_START_CODE + nal for nal in nals)
        return [_packet(data, sample.pts, VIDEO_TIMESCALE)]


class _ToOpus:
    """AAC as Opus."""

    def __init__(self, track: Track) -> None:
        self._transcoder = AudioTranscoder(replace(track, timescale=VIDEO_TIMESCALE), OPUS)

    def __call__(self, sample: Sample) -> list[Packet[Any]]:
        made = self._transcoder.push(sample)
        return [_packet(one.data, one.pts, OPUS.sample_rate) for one in made]


def _packet(data: bytes, pts: int, timescale: int) -> Packet[Any]:
    packet: Packet[Any] = Packet(data)
    packet.pts = pts
    packet.time_base = Fraction(1, timescale)
    return packet


class WhipSender:
    """Owns the connection to the target and what has been sent; `push` feeds it."""

    def __init__(self, url: str, listener: PushListener, reconnect: bool) -> None:
        self._url = url
        self._listener = listener
        self._reconnect = reconnect
        self._tracks: dict[str, Track] = {}
        self._connection: WhipConnection | None = None
        self._counts = PushCounts(listener.progress)
        self._pacer = Pacer()
        self._backoff = RestartBackoff(FIRST_RETRY_S, MOST_RETRY_S)
        self._has_published = False
        self._waits_for_key = False

    @property
    def progress(self) -> PushProgress:
        """As it is now."""
        return self._counts.progress()

    @property
    def media_s(self) -> float:
        """Media sent, seconds."""
        return self._counts.media_s

    def connect_early(self) -> None:
        """Nothing: an offer says which tracks there are."""

    def take(self, timed: Timed, realtime: bool) -> None:
        """Sends one sample, when it is due, or connects anew for other tracks."""
        if not isinstance(timed.item, Sample):
            self._tracks = {track.name: track for track in timed.item}
            self._listener.tracks(timed.item)
            self.close()
            return
        while True:
            began = time.monotonic()
            try:
                self._send(timed.item, timed.is_paced and realtime)
            except RemoteError as error:
                self.close()
                refused = error.http_status is not None and not self._has_published
                if refused:
                    raise PushRefused(f"{self._url}: {error}", code="") from error
                if not self._reconnect:
                    raise RemoteError(f"{self._url}: {error}") from error
                delay_s = self._backoff.delay_s(time.monotonic() - began)
                self._listener.note(f"{error}; connecting again in {delay_s:g} s")
                time.sleep(delay_s)
                continue
            return

    def close(self) -> None:
        """Ends the connection politely; never raises."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _send(self, sample: Sample, is_paced: bool) -> None:
        connection = self._connection or self._connect()
        track = self._tracks[sample.track]
        is_video = track.media_type is MediaType.VIDEO
        if self._waits_for_key:
            if is_video and not sample.is_sync:
                return
            self._waits_for_key = not is_video
        lag_s = max(0.0, time.time() - sample.captured_utc) if sample.captured_utc else 0.0
        if is_paced:
            due = self._pacer.due(sample.dts, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            lag_s = max(0.0, time.monotonic() - due)
        connection.send(sample)
        self._counts.add(sample, is_video, 0, lag_s)

    def _connect(self) -> WhipConnection:
        if self._has_published:
            self._counts.reconnects += 1
            self._pacer = Pacer()
        tracks = list(self._tracks.values())
        self._connection = WhipConnection(self._url, tracks)
        self._waits_for_key = any(track.media_type is MediaType.VIDEO for track in tracks)
        self._has_published = True
        return self._connection
