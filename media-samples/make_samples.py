"""Makes the clips of this directory, or checks the ones that are here.

    python media-samples/make_samples.py            write all clips and SHA256SUMS
    python media-samples/make_samples.py --check    compare the clips with SHA256SUMS

Pictures and tones are drawn with numpy and encoded by PyAV, so nobody else's rights are in them.
The same versions of both make the same bytes on the same kind of processor; other versions make
clips that are as good, but with other checksums.
"""

from __future__ import annotations

import argparse
import hashlib
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np

Packet: TypeAlias = "av.Packet[Any]"

HERE = Path(__file__).parent
CHECKSUMS = HERE / "SHA256SUMS"

X264 = {"preset": "veryfast", "crf": "32", "threads": "1", "bf": "0", "sc_threshold": "0"}
X265 = "crf=34:pools=none:frame-threads=1:keyint=60:min-keyint=60:scenecut=0:bframes=0:info=0"
SVT_AV1 = "lp=1:keyint=60:scd=0:pred-struct=1"

FLV_HEADER_BYTES = 13
"""File header and the first PreviousTagSize (Adobe FLV 10.1, E.2 and E.3)."""

FLV_SCRIPT = 18
"""Type of tags that carry onMetaData."""

ADVICE = "run make_samples.py in this directory to make them anew"


@dataclass(frozen=True, slots=True)
class Video:
    """How the moving picture of a clip is encoded."""

    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: X264 | {"g": "60"})
    size: tuple[int, int] = (320, 180)
    rate: int = 30
    intervals_ms: tuple[int, ...] = ()
    """Frame intervals, over and over; empty for a constant rate."""


@dataclass(frozen=True, slots=True)
class Audio:
    """How the tone of a clip is encoded."""

    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    bitrate: int = 48_000


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip: what is in it and how long it is."""

    video: Video | None = Video()
    audio: Audio | None = Audio()
    seconds: int = 4
    patch: Callable[[bytes], bytes] | None = None
    """Applied to the finished file."""


# -- pictures and tones


def picture(number: int, width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """RGB of frame ``number``: a drifting gradient, a moving bar, the number in bits."""
    y, x = np.mgrid[0:height, 0:width]
    frame = np.empty((height, width, 3), np.uint8)
    frame[..., 0] = (x + 2 * number) % 256
    frame[..., 1] = (y * 255) // height
    frame[..., 2] = 96
    left = (number * 4) % width
    frame[:, left : left + 8] = 255
    for bit in range(16):
        shade = 255 if number >> bit & 1 else 0
        frame[8:20, 8 + 12 * bit : 18 + 12 * bit] = shade
    return frame


def tone(start: int, count: int, rate: int, channels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Planar samples of a sine, another pitch in each channel, louder for the first 50 ms of each
    second."""
    at = np.arange(start, start + count)
    level = np.where(at % rate < rate // 20, 0.5, 0.05)
    pitches = [440 * (n + 2) / 2 for n in range(channels)]
    waves = [level * np.sin(2 * np.pi * pitch * at / rate) for pitch in pitches]
    return np.asarray(waves, dtype=np.float32)


def frame_times(video: Video, seconds: int) -> Iterator[int]:
    """When each frame is shown, milliseconds or, at a constant rate, frames."""
    if not video.intervals_ms:
        yield from range(seconds * video.rate)
        return
    at = number = 0
    while at < seconds * 1000:
        yield at
        at += video.intervals_ms[number % len(video.intervals_ms)]
        number += 1


# -- encoding


def encode_video(video: Video, seconds: int, stream: av.VideoStream) -> list[Packet]:
    """All packets of the moving picture."""
    width, height = video.size
    time_base = Fraction(1, 1000 if video.intervals_ms else video.rate)
    packets: list[Packet] = []
    for number, at in enumerate(frame_times(video, seconds)):
        frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = at, time_base
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def encode_audio(audio: Audio, seconds: int, stream: av.AudioStream) -> list[Packet]:
    """All packets of the tone."""
    context = stream.codec_context
    context.open(strict=False)
    size = context.frame_size
    channels = context.layout.nb_channels
    packets: list[Packet] = []
    for start in range(0, seconds * audio.rate, size):
        samples: np.ndarray[Any, Any] = tone(start, size, audio.rate, channels)
        if context.format.name == "s16":
            samples = (samples.T * 32_767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format=context.format.name, layout=audio.layout)
        frame.sample_rate, frame.pts = audio.rate, start
        frame.time_base = Fraction(1, audio.rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def add_video(container: av.container.OutputContainer, video: Video) -> av.VideoStream:
    """A video stream with the clip's settings."""
    stream = container.add_stream(video.codec, rate=video.rate, options=dict(video.options))
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height = video.size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, 1000 if video.intervals_ms else video.rate)
    if video.codec == "libx265":
        stream.codec_context.codec_tag = "hvc1"
    return stream


def add_audio(container: av.container.OutputContainer, audio: Audio) -> av.AudioStream:
    """An audio stream with the clip's settings."""
    stream = container.add_stream(audio.codec, rate=audio.rate, layout=audio.layout)
    assert isinstance(stream, av.AudioStream)
    stream.codec_context.bit_rate = audio.bitrate
    return stream


def write_clip(path: Path, clip: Clip) -> None:
    """Encode, interleave by decoding time, mux and patch one clip."""
    form = path.suffix.lstrip(".")
    flags = {"movflags": "+faststart"} if form == "mp4" else {"flvflags": "no_duration_filesize"}
    with av.open(str(path), "w", format=form, options=flags | {"fflags": "+bitexact"}) as container:
        video = add_video(container, clip.video) if clip.video else None
        audio = add_audio(container, clip.audio) if clip.audio else None
        packets: list[Packet] = []
        if clip.video and video:
            packets += encode_video(clip.video, clip.seconds, video)
        if clip.audio and audio:
            packets += encode_audio(clip.audio, clip.seconds, audio)
        packets.sort(key=lambda packet: (packet.dts or 0) * (packet.time_base or 0))
        for packet in packets:
            container.mux(packet)
    if clip.patch:
        path.write_bytes(clip.patch(path.read_bytes()))


# -- patches of FLV


def flv_tags(flv: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, timestamp in ms, body) of each tag of an FLV file (Adobe FLV 10.1, E.4.1)."""
    at = FLV_HEADER_BYTES
    while at < len(flv):
        size = int.from_bytes(flv[at + 1 : at + 4], "big")
        stamp = int.from_bytes(flv[at + 4 : at + 7], "big") | flv[at + 7] << 24
        yield flv[at], stamp, flv[at + 11 : at + 11 + size]
        at += 11 + size + 4


def write_flv_tag(kind: int, stamp: int, body: bytes) -> bytes:
    """A tag with its PreviousTagSize."""
    low, high = stamp & 0xFFFFFF, stamp >> 24
    head = bytes((kind,)) + len(body).to_bytes(3, "big") + low.to_bytes(3, "big") + bytes((high,))
    return head + bytes(3) + body + struct.pack(">I", 11 + len(body))


def wrap_stamps(bits: int) -> Callable[[bytes], bytes]:
    """Move the stamps so that they wrap at ``bits`` two seconds into the clip.

    Metadata stays at 0: FFmpeg would take a later one for a stream of subtitles.
    """

    def patch(flv: bytes) -> bytes:
        first = (1 << bits) - 2_000
        tags = (
            write_flv_tag(kind, 0 if kind == FLV_SCRIPT else (first + stamp) % (1 << bits), body)
            for kind, stamp, body in flv_tags(flv)
        )
        return flv[:FLV_HEADER_BYTES] + b"".join(tags)

    return patch


def append_larger(flv: bytes) -> bytes:
    """Go on with another clip of another size, sequence headers included.

    Without its metadata: FFmpeg would take a second onMetaData for a new data stream.
    """
    path = HERE / "second-half.flv"
    write_clip(path, Clip(video=Video(size=(480, 270)), seconds=2))
    second = path.read_bytes()
    path.unlink()
    tags = (
        write_flv_tag(kind, 2_000 + stamp, body)
        for kind, stamp, body in flv_tags(second)
        if kind != FLV_SCRIPT
    )
    return flv + b"".join(tags)


CLIPS = {
    "two-second-gop.flv": Clip(seconds=6),
    "two-second-gop.mp4": Clip(seconds=6),
    "b-frames.mp4": Clip(video=Video(options=X264 | {"g": "60", "bf": "2", "b_strategy": "0"})),
    "b-frames.flv": Clip(video=Video(options=X264 | {"g": "60", "bf": "2", "b_strategy": "0"})),
    "vfr.mp4": Clip(
        video=Video(options=X264 | {"g": "30"}, intervals_ms=(33, 33, 17, 100, 50, 250, 8))
    ),
    "timestamp-wrap-31-bits.flv": Clip(patch=wrap_stamps(31)),
    "timestamp-wrap-32-bits.flv": Clip(patch=wrap_stamps(32)),
    "hevc.mp4": Clip(video=Video("libx265", {"preset": "veryfast", "x265-params": X265})),
    "av1.mp4": Clip(
        video=Video("libsvtav1", {"preset": "9", "crf": "50", "svtav1-params": SVT_AV1})
    ),
    "vp9.mp4": Clip(
        video=Video("libvpx-vp9", {"crf": "45", "b": "0", "g": "60", "deadline": "realtime",
                                   "cpu-used": "8", "threads": "1", "lag-in-frames": "0"}),
        audio=Audio("libopus"),
    ),
    "opus.mp4": Clip(audio=Audio("libopus")),
    "five-point-one.mp4": Clip(audio=Audio(layout="5.1", bitrate=160_000)),
    "aac-44100-mono.flv": Clip(audio=Audio(rate=44_100, layout="mono")),
    "audio-only.mp4": Clip(video=None),
    "video-only.mp4": Clip(audio=None),
    "size-change.flv": Clip(seconds=2, patch=append_larger),
    "long-gop.mp4": Clip(video=Video(options=X264 | {"g": "300"}), seconds=10),
}  # fmt: skip


# -- checksums


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_checksums() -> dict[str, str]:
    """The checksum that each clip should have."""
    lines = CHECKSUMS.read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def find_faults() -> list[str]:
    """One sentence for each clip that is missing, unlisted or not what was recorded."""
    recorded = read_checksums()
    faults = [f"{name} is not in SHA256SUMS" for name in CLIPS if name not in recorded]
    for name, digest in recorded.items():
        path = HERE / name
        if not path.exists():
            faults.append(f"{name} is missing")
        elif checksum(path) != digest:
            faults.append(f"{name} is not the file that was recorded")
    return faults


def main(arguments: Sequence[str]) -> int:
    """Make or check; the exit code."""
    parser = argparse.ArgumentParser(description="Make the sample clips, or check them.")
    parser.add_argument("--check", action="store_true", help="only compare with SHA256SUMS")
    if parser.parse_args(arguments).check:
        faults = find_faults()
        for fault in faults:
            print(fault, file=sys.stderr)
        if faults:
            print(ADVICE, file=sys.stderr)
        return 1 if faults else 0
    for name, clip in CLIPS.items():
        write_clip(HERE / name, clip)
        print(f"{(HERE / name).stat().st_size:>8}  {name}")
    sums = [f"{checksum(HERE / name)}  {name}\n" for name in sorted(CLIPS)]
    CHECKSUMS.write_text("".join(sums))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
