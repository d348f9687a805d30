"""What is made of codecs that we do not package looks as their own players show them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.context import Flags
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from segmenter.codecs.pixels import pixels_of
from segmenter.media import Sample, Track
from streaming.ingest.demux import Demuxer, open_input, read_packets
from tests.streaming.transcode.clips import comb, decode, woven

RED = (200, 40, 40)


def write(path: Path, codec: str, frames: Sequence[VideoFrame], **settings: Any) -> Path:
    with av.open(path, "w") as out:
        stream: Any = out.add_stream(codec, rate=25)
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = frames[0].format.name
        stream.bit_rate = 8_000_000
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def turned(path: Path, degrees: int) -> Path:
    """A clip that a phone took: brighter from left to right as it lies in the file."""
    ramp = np.full((240, 160), 128, np.uint8)
    ramp[:160] = np.linspace(30, 200, 160, dtype=np.uint8)
    with av.open(path, "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 160, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_rotation(degrees)
        for number in range(10):
            frame = VideoFrame.from_ndarray(ramp, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def recoded(path: Path) -> tuple[Track, list[Sample]]:
    with open_input(str(path)) as container:
        demuxer = Demuxer(container)
        assert demuxer.recoded
        items = [i for p in read_packets(container, demuxer.streams) for i in demuxer.push(p)]
        items += demuxer.flush()
    [(track,)] = [item for item in items if isinstance(item, tuple)]
    return track, [item for item in items if isinstance(item, Sample)]


def test_interlaced_broadcasts_lose_their_combs_and_keep_the_shape_of_their_pixels(
    tmp_path: Path,
) -> None:
    """Most MPEG-2 is so: 720x576 that is shown as 16:9."""
    frames = [woven(n, 720, 576) for n in range(20)]
    flags = Flags.interlaced_dct | Flags.interlaced_me
    clip = write(
        tmp_path / "dvb.ts", "mpeg2video", frames, flags=flags, sample_aspect_ratio=Fraction(64, 45)
    )
    track, samples = recoded(clip)
    assert pixels_of(track.codec, track.codec_config).sample_aspect_ratio == Fraction(64, 45)
    pictures = decode(track, samples)
    assert [b.pts - a.pts for a, b in itertools.pairwise(pictures)] == [3600] * 19
    assert max(comb(picture) for picture in pictures[1:-1]) < 3


@pytest.mark.parametrize(("codec", "pixels"), [("mjpeg", "yuvj420p"), ("ffv1", "bgr0")])
@pytest.mark.parametrize("lines", [360, 720])
def test_colours_are_those_of_the_source(
    codec: str, pixels: str, lines: int, tmp_path: Path
) -> None:
    """Cameras send JPEG, which has the full range and BT.601 in every size."""
    red = VideoFrame.from_ndarray(np.full((lines, 640, 3), RED, np.uint8), "rgb24")
    full = {"dst_colorspace": "ITU601", "dst_color_range": "JPEG"} if codec == "mjpeg" else {}
    frames = [red.reformat(format=pixels, **full) for _ in range(3)]  # type: ignore[arg-type]
    track, samples = recoded(write(tmp_path / "red.mkv", codec, frames))
    colour = pixels_of(track.codec, track.codec_config).colour
    assert (colour.matrix == 1) == (codec == "ffv1" and lines == 720)
    assert not colour.full_range
    shown = decode(track, samples)[1].to_ndarray(
        format="rgb24",
        src_colorspace="ITU709" if colour.matrix == 1 else "ITU601",
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    assert abs(shown.mean(axis=(0, 1)) - RED).max() < 4


@pytest.mark.parametrize(
    ("degrees", "bright", "shape"),
    [
        (90, "top", Fraction(3, 4)),
        (180, "left", Fraction(4, 3)),
        (-90, "bottom", Fraction(3, 4)),
    ],
)
def test_what_a_phone_took_sideways_is_turned_upright(
    degrees: int, bright: str, shape: Fraction, tmp_path: Path
) -> None:
    """The file says so in its header (ISO/IEC 14496-12 8.3.2), which RTMP has no place for."""
    clip = turned(tmp_path / "phone.mp4", degrees)
    with open_input(str(clip)) as container:
        assert Demuxer(container).recoded == {"video": "rotated h264"}
    track, samples = recoded(clip)
    assert pixels_of(track.codec, track.codec_config).sample_aspect_ratio == shape
    frames = decode(track, samples)
    assert [b.pts - a.pts for a, b in itertools.pairwise(frames)] == [3600] * 9
    luma = frames[-1].to_ndarray(format="gray").astype(int)
    sides = {"top": luma[:20], "bottom": luma[-20:], "left": luma[:, :20], "right": luma[:, -20:]}
    assert max(sides, key=lambda side: float(sides[side].mean())) == bright


def test_what_lies_as_it_is_to_be_seen_is_copied(tmp_path: Path) -> None:
    with open_input(str(turned(tmp_path / "clip.mp4", 0))) as container:
        assert not Demuxer(container).recoded


def test_what_is_larger_than_a_stream_needs_is_made_small_enough_to_keep_up(
    tmp_path: Path,
) -> None:
    frames = [woven(n, 3840, 2160) for n in range(3)]
    track, samples = recoded(
        write(tmp_path / "uhd.mkv", "mjpeg", [f.reformat(format="yuvj420p") for f in frames])
    )
    assert (track.width, track.height) == (1920, 1080)
    assert len(decode(track, samples)) == 3
