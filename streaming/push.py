"""Pushes a file, a stream or the test source to an RTMP server: `headwater push`.

Codecs that RTMP carries are copied (H.264 and AAC, and by enhanced RTMP H.265, AV1, VP9 and Opus);
the rest is encoded to H.264 and AAC. Runs in the command's own process and blocks.
"""

from __future__ import annotations

import io
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from segmenter.fmp4.init_section import write_init_section
from segmenter.media import VIDEO_TIMESCALE, Codec, Sample, Track
from streaming.errors import ConfigError, RemoteError
from streaming.ingest.demux import Demuxer, is_recording, open_input, read_packets, sentence
from streaming.ingest.pacing import Item, Pacer, Reel, Tracks
from streaming.worker_process import redact

T = TypeVar("T")

TIMEOUT_S = 10.0
"""To connect, and for each write: a server that takes nothing for so long has gone."""
PROGRESS_S = 0.25
"""Between two calls of `on_progress`: as often as a progress bar is looked at."""


@dataclass(frozen=True, slots=True)
class PushProgress:
    """How far a push has come."""

    media_s: float
    """Media sent, seconds of its own time."""
    bytes_sent: int
    """Of media, without the protocol's own."""
    bitrate: int
    """Bits per second since the report before."""


def push(
    url: str,
    target: str,
    *,
    loop: bool = False,
    realtime: bool = True,
    on_progress: Callable[[PushProgress], None] = lambda progress: None,
) -> PushProgress:
    """Sends `url` (or `test:`) to `target` until it ends, which with `loop` it never does.

    `realtime` paces recordings; live sources and the test source have a pace of their own.
    Raises ConfigError for addresses that cannot be, RemoteError with one sentence when source or
    target fail, and MediaError when the source's bytes are broken.
    """
    if urllib.parse.urlsplit(target).scheme not in ("rtmp", "rtmps"):
        raise ConfigError(f"{redact(target)}: a push needs an rtmp:// or rtmps:// address")
    sender = _Sender(target, on_progress)
    try:
        for item, is_paced in _read_source(url, loop):
            sender.take(item, is_paced and realtime)
        sender.finish()
    except RemoteError as error:
        raise RemoteError(redact(str(error))) from error
    finally:
        sender.close()
    return sender.progress


def _read_source(url: str, loop: bool) -> Iterator[tuple[Item, bool]]:
    """Items in the order to be sent, each with whether it has to be paced."""
    if url.startswith("test:"):
        for item in _read_test_source(url):
            yield item, False
        return
    reel = Reel()
    while True:
        with open_input(url) as container:
            is_paced = is_recording(container, url)
            for item in _read_pass(url, container, reel):
                yield item, is_paced
        for item in reel.flush():
            yield item, is_paced
        if not reel.end_pass():
            raise RemoteError(f"{url}: the source has no length")
        if not loop:
            return


def _read_test_source(url: str) -> Iterator[Item]:
    # Here, because numpy is needed for nothing else.
    from streaming.ingest.test_source import TestSource, parse_test_url

    source = TestSource(parse_test_url(url), time.time())
    yield source.tracks
    while True:
        time.sleep(max(0.0, source.next_utc - time.time()))
        yield from source.produce(time.time())


def _read_pass(url: str, container: InputContainer, reel: Reel) -> Iterator[Item]:
    demuxer = Demuxer(container)
    try:
        for packet in read_packets(container, demuxer.streams):
            for item in demuxer.push(packet):
                yield from reel.push(item)
    except av.FFmpegError as error:
        raise RemoteError(sentence(url, error)) from error
    for item in demuxer.flush():
        yield from reel.push(item)


class _Sender:
    """Owns the connection to the target; `push` feeds it.

    Other tracks in mid-stream make a new connection: FLV's muxer cannot begin anew.
    """

    def __init__(self, target: str, on_progress: Callable[[PushProgress], None]) -> None:
        self._target = target
        self._on_progress = on_progress
        self._tracks: Tracks = ()
        self._container: OutputContainer | None = None
        self._streams: dict[str, Stream] = {}
        self._pacer = Pacer()
        self._first_dts: int | None = None
        self._bytes = self._reported_bytes = 0
        self._reported_at = time.monotonic()
        self.progress = PushProgress(0.0, 0, 0)

    def take(self, item: Item, is_paced: bool) -> None:
        """Sends one sample, when it is due; or prepares for other tracks."""
        if not isinstance(item, Sample):
            if item != self._tracks:
                self.finish()
                self._tracks = item
            return
        if self._container is None:
            self._open(item.dts)
        if is_paced:
            due = self._pacer.due(item.dts, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
        self._write(item)
        self._report(item)

    def finish(self) -> None:
        """Sends what the muxer still holds and ends the connection politely."""
        container, self._container = self._container, None
        if container is not None:
            self._attempt(container.close)

    def close(self) -> None:
        """Ends the connection without a word if it is still there."""
        container, self._container = self._container, None
        if container is not None:
            try:
                container.close()
            except av.FFmpegError:
                return  # the error that led here is the one to be told

    def _open(self, first_dts: int) -> None:
        def connect() -> OutputContainer:
            container = av.open(self._target, "w", format="flv", timeout=TIMEOUT_S)
            self._streams = {t.name: _add_stream(container, t) for t in self._tracks}
            container.start_encoding()
            return container

        self._container = self._attempt(connect)
        self._first_dts = first_dts

    def _write(self, sample: Sample) -> None:
        assert self._container is not None
        assert self._first_dts is not None
        packet: Packet[Stream] = Packet(sample.data)
        packet.stream = self._streams[sample.track]
        packet.time_base = Fraction(1, VIDEO_TIMESCALE)
        packet.dts, packet.pts = sample.dts - self._first_dts, sample.pts - self._first_dts
        packet.is_keyframe = sample.is_sync
        container = self._container
        self._attempt(lambda: container.mux_one(packet))
        self._bytes += len(sample.data)

    def _report(self, sample: Sample) -> None:
        now = time.monotonic()
        elapsed = now - self._reported_at
        if elapsed < PROGRESS_S or self._first_dts is None:
            return
        self.progress = PushProgress(
            media_s=(sample.dts - self._first_dts) / VIDEO_TIMESCALE,
            bytes_sent=self._bytes,
            bitrate=int((self._bytes - self._reported_bytes) * 8 / elapsed),
        )
        self._reported_at, self._reported_bytes = now, self._bytes
        self._on_progress(self.progress)

    def _attempt(self, act: Callable[[], T]) -> T:
        """Does one thing with the connection; what FFmpeg logs meanwhile explains a failure."""
        try:
            with av.logging.Capture() as lines:
                return act()
        except (av.FFmpegError, ValueError) as error:
            raise RemoteError(_explain(self._target, error, lines)) from error


def _explain(target: str, error: Exception, lines: list[tuple[int, str, str]]) -> str:
    """The server's own reason stands in FFmpeg's log only: "Server error: ..."."""
    reasons = [text.strip() for level, _, text in lines if level <= av.logging.ERROR]
    server = [t.partition("Server error:")[2].strip() for t in reasons if "Server error:" in t]
    if server:
        return f"{target}: the server refused: {server[0]}"
    return sentence(target, error)


def _add_stream(container: OutputContainer, track: Track) -> Stream:
    """A stream of the muxer for `track`.

    PyAV takes a codec's configuration from another stream only: that of our own init section.
    """
    with av.open(io.BytesIO(write_init_section(track)), "r") as template:
        stream = container.add_stream_from_template(template.streams[0], opaque=True)
    if isinstance(stream, VideoStream) and track.codec is Codec.VP9:
        stream.codec_context.pix_fmt = "yuv420p"  # the muxer asks for it, vpcC does not tell it
    return stream
