"""The built-in test source: `test:`, a clock to see and hear, encoded as it happens.

Written `test:?width=1280&height=720&fps=30&gop_s=2&bitrate_kbps=2500&audio=1&text=hello`; every
option may be left out. The picture is in test_picture.py, its machine-readable time code in
test_time_code.py. A 1 kHz tone sounds for the first 100 ms of each UTC second, while the picture's
flash is lit. Frames, key frames and tone lie on the grid of the epoch: two test sources with the
same options make the same pictures at the same timestamps.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from segmenter.media import VIDEO_TIMESCALE, Codec, Sample, Track
from streaming.errors import ConfigError
from streaming.ingest.test_picture import FLASH_S, TestPicture

SCHEME = "test:"
SAMPLE_RATE = 48_000
FRAME_SAMPLES = 1_024
"""What one AAC access unit holds (ISO/IEC 14496-3 4.5.2.1.1)."""
MAX_BEHIND_S = 1.0
"""Later than this (a suspended machine) the missed frames are left out instead of made up."""
_AUDIO_BITRATE = 128_000
_TONE_HZ = 1_000
_TONE_LEVEL = 0.25
"""-12 dBFS: clearly audible, never painful."""


@dataclass(frozen=True, slots=True)
class TestSourceSettings:
    """What a test source makes."""

    __test__ = False

    width: int = 1280
    height: int = 720
    fps: Fraction = Fraction(30)
    gop_s: Fraction = Fraction(2)
    bitrate_kbps: int = 2_500
    audio: bool = True
    text: str = "HEADWATER"

    def __post_init__(self) -> None:
        if not (64 <= self.width <= 7680 and 64 <= self.height <= 4320):
            raise ConfigError(
                f"test source: size {self.width}x{self.height} is not 64 to 7680x4320"
            )
        if self.width % 2 or self.height % 2:
            raise ConfigError(f"test source: size {self.width}x{self.height} is not even")
        if not 1 <= self.fps <= 120 or (VIDEO_TIMESCALE / self.fps).denominator != 1:
            raise ConfigError(
                f"test source: fps {self.fps} does not divide 90000 or is not 1 to 120"
            )
        if not Fraction(1, 10) <= self.gop_s <= 60:
            raise ConfigError(f"test source: gop_s {float(self.gop_s)} is not 0.1 to 60")
        if not 50 <= self.bitrate_kbps <= 100_000:
            raise ConfigError(f"test source: bitrate_kbps {self.bitrate_kbps} is not 50 to 100000")

    @property
    def frame_ticks(self) -> int:
        """Ticks of 90 kHz between frames."""
        return int(VIDEO_TIMESCALE / self.fps)


def _impossible(option: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(f"test source: {option} {value} must be {wanted}")


_OPTIONS: Mapping[str, Callable[[str], object]] = {
    "width": int,
    "height": int,
    "fps": Fraction,
    "gop_s": Fraction,
    "bitrate_kbps": int,
    "audio": lambda value: bool(int(value)),
    "text": str,
}


def parse_test_url(url: str, text: str = "HEADWATER") -> TestSourceSettings:
    """Settings from `test:` or `test:?option=value&…`; `text` is shown unless the URL says else.

    Raises ConfigError that names an option that is unknown or impossible.
    """
    query = url.removeprefix(SCHEME).removeprefix("?")
    given: dict[str, object] = {"text": text}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise ConfigError(f"test source: unknown option {name!r}; known: {', '.join(_OPTIONS)}")
        try:
            given[name] = _OPTIONS[name](value)
        except (ValueError, ZeroDivisionError) as error:
            raise ConfigError(f"test source: {name}={value!r} is not a number") from error
    return TestSourceSettings(**given)  # type: ignore[arg-type]


class TestSource:
    """Owns the encoders of one test source; a loop calls `produce` at `next_utc`, and again.

    Samples carry dts and pts in ticks of 90 kHz since the epoch, audio and video alike, and
    durations in ticks of their track.
    """

    __test__ = False

    def __init__(self, settings: TestSourceSettings, now_utc: float) -> None:
        self._settings = settings
        self._video = _VideoClock(settings)
        self._audio = _AudioClock() if settings.audio else None
        self._skip_to(now_utc)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Video, and audio unless it was refused."""
        if self._audio is None:
            return (self._video.track,)
        return (self._video.track, self._audio.track)

    @property
    def next_utc(self) -> float:
        """When the next sample is due."""
        if self._audio is None:
            return self._video.due_utc
        return min(self._video.due_utc, self._audio.due_utc)

    def produce(self, now_utc: float) -> list[Sample]:
        """The samples due by `now_utc`, in the order of their moments."""
        if now_utc - self.next_utc > MAX_BEHIND_S:
            self._skip_to(now_utc)
        samples: list[Sample] = []
        while self.next_utc <= now_utc:
            if self._audio is None or self._video.due_utc <= self._audio.due_utc:
                samples += self._video.encode_next()
            else:
                samples += self._audio.encode_next()
        return samples

    def _skip_to(self, now_utc: float) -> None:
        self._video.skip_to(now_utc)
        if self._audio is not None:
            self._audio.skip_to(now_utc)


class _VideoClock:
    """The frames of the epoch's grid, one after another."""

    def __init__(self, settings: TestSourceSettings) -> None:
        self._settings = settings
        self._encoder = _open_h264(settings)
        self._frame = av.VideoFrame(settings.width, settings.height, "yuv420p")
        self._frame.time_base = Fraction(1, VIDEO_TIMESCALE)
        luma, blue, red = (_plane_view(plane) for plane in self._frame.planes)
        self._picture = TestPicture(luma, blue, red, settings.text)
        self._index = 0
        self._key_wanted = True
        self.track = Track(
            name="source",
            codec=Codec.H264,
            timescale=VIDEO_TIMESCALE,
            codec_config=self._encoder.extradata or b"",
            width=settings.width,
            height=settings.height,
            frame_rate=settings.fps,
            bitrate=settings.bitrate_kbps * 1000,
        )

    @property
    def due_utc(self) -> float:
        """A frame is due at its own moment."""
        return self._index * self._settings.frame_ticks / VIDEO_TIMESCALE

    def skip_to(self, now_utc: float) -> None:
        """Goes on with the first frame after `now_utc`, a key frame."""
        self._index = int(now_utc * VIDEO_TIMESCALE) // self._settings.frame_ticks + 1
        self._key_wanted = True

    def encode_next(self) -> list[Sample]:
        """Paints and encodes the frame that is due."""
        dts = self._index * self._settings.frame_ticks
        is_key = self._key_wanted or self._begins_gop(dts)
        self._picture.paint(Fraction(dts, VIDEO_TIMESCALE))
        self._frame.pts = dts
        self._frame.pict_type = PictureType.I if is_key else PictureType.NONE
        packets = self._encoder.encode(self._frame)
        self._index += 1
        self._key_wanted = False
        return [self._sample(packet) for packet in packets]

    def _begins_gop(self, dts: int) -> bool:
        gop_ticks = self._settings.gop_s * VIDEO_TIMESCALE
        return dts // gop_ticks != (dts - self._settings.frame_ticks) // gop_ticks

    def _sample(self, packet: Packet[Stream]) -> Sample:
        assert packet.dts is not None
        assert packet.pts is not None
        return Sample(
            track="source",
            dts=packet.dts,
            pts=packet.pts,
            data=bytes(packet),
            is_sync=packet.is_keyframe,
            duration=self._settings.frame_ticks,
            captured_utc=packet.pts / VIDEO_TIMESCALE,
        )


class _AudioClock:
    """The 1,024-sample frames of the epoch's grid at 48 kHz, one after another."""

    def __init__(self) -> None:
        self._encoder = _open_aac()
        self._second = _second_of_tone()
        self._index = 0
        self.track = Track(
            name="audio",
            codec=Codec.AAC,
            timescale=SAMPLE_RATE,
            codec_config=self._encoder.extradata or b"",
            sample_rate=SAMPLE_RATE,
            channels=2,
            bitrate=_AUDIO_BITRATE,
        )

    @property
    def due_utc(self) -> float:
        """At the frame's start, because the encoder returns the frame before this one."""
        return self._index * FRAME_SAMPLES / SAMPLE_RATE

    def skip_to(self, now_utc: float) -> None:
        """Goes on with the first frame after `now_utc`."""
        self._index = int(now_utc * SAMPLE_RATE) // FRAME_SAMPLES + 1

    def encode_next(self) -> list[Sample]:
        """Encodes the frame that is due; the first call yields only the encoder's priming."""
        first = self._index * FRAME_SAMPLES
        offset = first % SAMPLE_RATE
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(self._second[:, offset : offset + FRAME_SAMPLES]), "fltp", "stereo"
        )
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = Fraction(1, SAMPLE_RATE)
        frame.pts = first
        self._index += 1
        return [self._sample(packet) for packet in self._encoder.encode(frame)]

    def _sample(self, packet: Packet[Stream]) -> Sample:
        assert packet.pts is not None
        ticks = packet.pts * VIDEO_TIMESCALE // SAMPLE_RATE
        return Sample(
            track="audio",
            dts=ticks,
            pts=ticks,
            data=bytes(packet),
            is_sync=True,
            duration=FRAME_SAMPLES,
            captured_utc=packet.pts / SAMPLE_RATE,
        )


def _open_h264(settings: TestSourceSettings) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = settings.width, settings.height, "yuv420p"
    encoder.time_base = Fraction(1, VIDEO_TIMESCALE)
    encoder.framerate = settings.fps
    encoder.bit_rate = settings.bitrate_kbps * 1000
    encoder.thread_count = 1
    encoder.flags |= Flags.global_header
    encoder.color_range, encoder.colorspace = 1, 1
    encoder.color_primaries, encoder.color_trc = 1, 1
    encoder.options = {
        "preset": "superfast",
        "tune": "zerolatency",
        "forced-idr": "1",
        "maxrate": f"{settings.bitrate_kbps}k",
        "bufsize": f"{settings.bitrate_kbps}k",
        # annexb=0: x264 writes our canonical form (avcC, 4-byte lengths) itself.
        "x264-params": "annexb=0:keyint=infinite:scenecut=0",
    }
    encoder.open()
    return encoder


def _open_aac() -> AudioCodecContext:
    encoder = av.CodecContext.create("aac", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE, "stereo", "fltp"
    encoder.bit_rate = _AUDIO_BITRATE
    encoder.time_base = Fraction(1, SAMPLE_RATE)
    encoder.open()
    return encoder


def _plane_view(plane: av.video.plane.VideoPlane) -> NDArray[np.uint8]:
    """A writable view of one plane, shape (height, width), without its padding."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    view: NDArray[np.uint8] = rows[: plane.height, : plane.width]
    return view


def _second_of_tone() -> NDArray[np.float32]:
    """One UTC second of both channels and one frame more, shape (2, 49024)."""
    moment = np.arange(SAMPLE_RATE + FRAME_SAMPLES) % SAMPLE_RATE / SAMPLE_RATE
    tone = _TONE_LEVEL * np.sin(2 * np.pi * _TONE_HZ * moment) * (moment < float(FLASH_S))
    return np.stack([tone, tone]).astype(np.float32)
