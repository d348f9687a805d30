"""FFmpeg's packets to tracks and samples; what opens URLs and says in one sentence what failed.

Samples carry ticks of 90 kHz: the clock of every pulled source, whatever its container counts in.
"""

from __future__ import annotations

import urllib.parse
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from segmenter.errors import MediaError
from segmenter.media import VIDEO_TIMESCALE, Codec, Sample, Track
from streaming.errors import ConfigError, RemoteError
from streaming.ingest.canonical import MAX_FRAME_RATE, StreamFacts, canonical_form
from streaming.ingest.pacing import Item, Tracks
from streaming.ingest.recode import AudioRecoder, VideoRecoder
from streaming.ingest.rotation import rotation_of

OPEN_TIMEOUT_S = 10.0
"""TCP gives up a lost SYN after some seconds; a camera that wakes takes about five."""
READ_TIMEOUT_S = 10.0
"""A live source that is silent for so long has gone; still pictures come more often than that."""
MAX_HELD_PACKETS = 3_000
"""Before the first key frame: 30 s of 60 fps video with audio, longer than any sane GOP."""

_SCHEMES = frozenset(
    {"file", "http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "tcp", "udp", "rtp"}
)
_LIVE_PROBE_US = "1500000"
"""FFmpeg looks 5 s ahead by default; live viewers would wait that long for nothing."""
_RATE_TOLERANCE = 0.05
"""Average and base rate of a constant rate agree to the last, partial second."""
_CODECS = {
    "h264": Codec.H264,
    "hevc": Codec.H265,
    "av1": Codec.AV1,
    "vp9": Codec.VP9,
    "aac": Codec.AAC,
    "opus": Codec.OPUS,
}


def scheme_of(url: str) -> str:
    """The scheme of a source, `file` for a path. Raises ConfigError when we pull nothing such."""
    scheme = urllib.parse.urlsplit(url).scheme.lower() if "://" in url else "file"
    if scheme == "file" and url.startswith("file:"):
        return scheme
    if scheme not in _SCHEMES:
        raise ConfigError(f"cannot pull {scheme}://: known are {', '.join(sorted(_SCHEMES))}")
    return scheme


def file_of(url: str) -> str:
    """The path that a source of the scheme `file` names."""
    return urllib.parse.unquote(url[7:]) if url.startswith("file://") else url


def is_recording(container: InputContainer, url: str) -> bool:
    """Whether this ends and could be read faster than it plays: it needs a pace, and may loop."""
    if scheme_of(url) == "file":
        return True
    return scheme_of(url) in ("http", "https") and container.duration is not None


def open_input(url: str) -> InputContainer:
    """Opens and probes a URL, with time-outs. Raises RemoteError with one sentence."""
    scheme = scheme_of(url)
    options = {}
    if scheme.startswith("rtsp"):
        options = {"rtsp_transport": "tcp", "timeout": str(int(READ_TIMEOUT_S * 1e6))}
    if scheme not in ("file", "http", "https"):
        options["analyzeduration"] = _LIVE_PROBE_US
    try:
        return av.open(file_of(url), "r", options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S))
    except (av.FFmpegError, ValueError) as error:
        raise RemoteError(sentence(url, error)) from error


def sentence(url: str, error: Exception) -> str:
    """What went wrong with a URL; secrets in it are for the reader to redact."""
    if isinstance(error, av.error.ExitError):  # what PyAV's time-out makes of the call
        return f"{url}: no answer in time"
    why = error.strerror if isinstance(error, av.FFmpegError) else str(error)
    return f"{url}: {why or type(error).__name__}"


def read_packets(container: InputContainer, streams: Sequence[Stream]) -> Iterator[Packet[Stream]]:
    """Packets until the end. Raises av.FFmpegError."""
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, IndexError):
            # PyAV raises IndexError at the end when FFmpeg found a stream in the middle (FLV).
            return
        yield packet


class StreamReader(Protocol):
    """Packets of one stream to samples."""

    @property
    def track(self) -> Track | None:
        """None until the bytes have told it."""

    def read(self, packet: Packet[Stream]) -> list[Sample]:
        """Samples in ticks of 90 kHz."""

    def flush(self) -> list[Sample]:
        """The rest; nothing may follow."""


class Demuxer:
    """Owns the readers of one container's streams; a loop pushes what `container.demux` gives.

    The first video and the first audio stream are read, cover pictures are not.
    """

    def __init__(self, container: InputContainer) -> None:
        self._readers: dict[int, StreamReader] = {}
        rotation = rotation_of(container)
        for name, stream in _choose(container):
            self._readers[stream.index] = _open_reader(stream, name, rotation)
        for stream in container.streams:
            if stream.index not in self._readers:
                stream.discard = Discard.all
        if not self._readers:
            raise RemoteError("the source has neither video nor audio")
        self.streams = [container.streams[index] for index in self._readers]
        self.recoded = {
            stream.type: _kind(stream, rotation)
            for stream in self.streams
            if not isinstance(self._readers[stream.index], _CopyReader)
        }
        """Which of video and audio are encoded anew, and from what."""
        self._tracks: Tracks = ()
        self._held: deque[Sample] = deque()

    def push(self, packet: Packet[Stream]) -> list[Item]:
        """Takes one packet. Raises MediaError or RemoteError when the source makes no sense."""
        if packet.size == 0:  # PyAV marks the end of each stream so
            return []
        reader = self._readers.get(packet.stream_index)
        return self._give(reader.read(packet)) if reader else []

    def flush(self) -> list[Item]:
        """The rest; nothing may follow. Raises RemoteError when there never was a key frame."""
        items: list[Item] = []
        for reader in self._readers.values():
            items += self._give(reader.flush())
        if not self._tracks:
            raise RemoteError("the source ended before its first key frame")
        return items

    def _give(self, samples: list[Sample]) -> list[Item]:
        tracks = tuple(reader.track for reader in self._readers.values() if reader.track)
        if len(tracks) < len(self._readers):
            self._held += samples
            if len(self._held) > MAX_HELD_PACKETS:
                raise RemoteError(f"no configuration within {MAX_HELD_PACKETS} packets")
            return []
        if tracks == self._tracks:
            return [*samples]
        self._tracks = tracks
        held = [*self._held]
        self._held.clear()
        return [tracks, *held, *samples]


class _CopyReader:
    """One stream whose codec we package."""

    def __init__(self, stream: Stream, facts: StreamFacts) -> None:
        self._facts = facts
        self._form = canonical_form(facts)
        self._name = facts.name
        scale = Fraction(stream.time_base or Fraction(1, VIDEO_TIMESCALE)) * VIDEO_TIMESCALE
        self._numerator, self._denominator = scale.numerator, scale.denominator
        self._next_dts: int | None = None

    @property
    def track(self) -> Track | None:
        return self._form.track

    def read(self, packet: Packet[Stream]) -> list[Sample]:
        if packet.has_sidedata("new_extradata"):
            self._reconfigure(bytes(packet.get_sidedata("new_extradata")))
        units = self._form.read(bytes(packet), packet.is_keyframe)
        dts = self._dts(packet)
        if dts is None or not units or self._form.track is None:
            return []
        pts = dts if packet.pts is None else self._ticks(packet.pts)
        length = self._ticks(packet.duration or 0)
        timescale = self._form.track.timescale
        samples = []
        for data, is_sync, duration in units:
            samples.append(Sample(self._name, dts, pts, data, is_sync, duration or length))
            # Several AAC frames in one packet share its timestamp.
            step = duration * VIDEO_TIMESCALE // timescale or length
            dts, pts = dts + step, pts + step
        self._next_dts = dts
        return samples

    def flush(self) -> list[Sample]:
        return []

    def _reconfigure(self, extradata: bytes) -> None:
        """FLV sends its configuration anew, mostly the same as before."""
        form = canonical_form(replace(self._facts, extradata=extradata))
        if form.track != self._form.track:
            self._form = form

    def _dts(self, packet: Packet[Stream]) -> int | None:
        """Some demuxers give no dts for frames they have not seen the parents of."""
        if packet.dts is not None:
            return self._ticks(packet.dts)
        return self._next_dts if packet.pts is None else self._ticks(packet.pts)

    def _ticks(self, stamp: int) -> int:
        return (2 * stamp * self._numerator + self._denominator) // (2 * self._denominator)


def _choose(container: InputContainer) -> list[tuple[str, Stream]]:
    cover = Disposition.attached_pic | Disposition.still_image
    videos = [s for s in container.streams.video if not s.disposition & cover]
    return [("source", s) for s in videos[:1]] + [("audio", s) for s in container.streams.audio[:1]]


def _kind(stream: Stream, rotation: int) -> str:
    turned = "rotated " if rotation and isinstance(stream, VideoStream) else ""
    return turned + stream.codec_context.name


def _open_reader(stream: Stream, name: str, rotation: int) -> StreamReader:
    if stream.codec_context is None:
        raise RemoteError(f"the {stream.type} codec of the source is unknown")
    if rotation and isinstance(stream, VideoStream):
        return VideoRecoder(stream, name, rotation)
    codec = _CODECS.get(stream.codec_context.codec.canonical_name)
    if codec is not None:
        try:
            return _CopyReader(stream, _facts(stream, name, codec))
        except MediaError:
            if isinstance(stream, VideoStream):
                raise
            # An AAC or Opus of a kind that we do not package, but FFmpeg may decode.
    if isinstance(stream, AudioStream):
        return AudioRecoder(stream, name)
    if isinstance(stream, VideoStream):
        return VideoRecoder(stream, name)
    raise RemoteError(f"cannot read a {stream.type} stream")


def _facts(stream: Stream, name: str, codec: Codec) -> StreamFacts:
    context = stream.codec_context
    facts = StreamFacts(
        name,
        codec,
        context.extradata or b"",
        bitrate=context.bit_rate or 0,
        language=stream.language or "",
    )
    if isinstance(stream, VideoStream):
        return replace(
            facts,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            frame_rate=_frame_rate(stream),
        )
    if isinstance(stream, AudioStream):
        audio = stream.codec_context
        return replace(facts, sample_rate=audio.sample_rate, channels=audio.channels)
    return facts


def _frame_rate(stream: VideoStream) -> Fraction:
    """As FFmpeg guessed it; 0 when it varies or cannot be (90000 and the like)."""
    average, base = stream.average_rate, stream.base_rate
    if not average or not base or not 1 <= average <= MAX_FRAME_RATE:
        return Fraction(0)
    return average if abs(1 - average / base) < _RATE_TOLERANCE else Fraction(0)
