"""What the heads of MP3 frames say, against an encoder of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.codecs.mp3 import (
    FrameHeader,
    parse_frame_header,
    samples_per_frame,
    split_frames,
)
from segmenter.errors import MediaError
from tests.streaming.transcode.clips import mp3_packets

RATES = [48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2)])
def test_frames_of_lame_say_their_rate_channels_and_size(
    rate: int, layout: str, channels: int
) -> None:
    packets = mp3_packets([0.0] * rate, rate, layout)
    assert len(packets) >= 10
    for _, data in packets:
        header = parse_frame_header(data)
        assert (header.sample_rate, header.channels) == (rate, channels)
        assert header.frame_bytes == len(data)
        assert header.samples == samples_per_frame(rate) == (1_152 if rate >= 32_000 else 576)


def test_padding_makes_a_frame_a_byte_longer() -> None:
    assert parse_frame_header(b"\xff\xfb\x90\x00").frame_bytes == 417
    assert parse_frame_header(b"\xff\xfb\x92\x00").frame_bytes == 418


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"", "no MP3 header"),
        (b"\xff\xfb\x90", "no MP3 header"),
        (b"\xaf\x01\x21\x10", "no MP3 header"),
        (b"\xff\xdb\x90\x00", "no MP3 header"),
        (b"\xff\xeb\x90\x00", "version 1, layer III"),
        (b"\xff\xfd\x90\x00", "version 3, layer II"),
        (b"\xff\xff\x90\x00", "version 3, layer I"),
        (b"\xff\xf9\x50\x80", "version 3, layer 0"),  # as ADTS begins
        (b"\xff\xfb\x00\x00", "bit rate index 0"),
        (b"\xff\xfb\xf0\x00", "bit rate index 15"),
        (b"\xff\xfb\x9c\x00", "sampling rate index 3"),
    ],
)
def test_what_is_no_frame_is_refused(head: bytes, says: str) -> None:
    with pytest.raises(MediaError, match=says):
        parse_frame_header(head)


FRAME = b"\xff\xfb\x10\xc0".ljust(104, b"\0")
HEADER = FrameHeader(44_100, 1, 104, 1_152)


@pytest.mark.parametrize("rest", [b"", b"\0", bytes(9), FRAME[:50], b"ID3 of some kind"])
@pytest.mark.parametrize("count", [1, 3])
def test_whole_frames_are_told_apart_and_what_trails_is_left_out(count: int, rest: bytes) -> None:
    assert split_frames(FRAME * count + rest) == [(HEADER, FRAME)] * count


@pytest.mark.parametrize("data", [b"", FRAME[:3], FRAME[:-1], b"\0" + FRAME])
def test_what_does_not_begin_with_a_whole_frame_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        split_frames(data)


@given(st.binary(max_size=40) | st.binary(max_size=600).map(lambda rest: b"\xff\xfb\x10" + rest))
def test_any_bytes_are_survived(data: bytes) -> None:
    try:
        frames = split_frames(data)
    except MediaError:
        return
    assert frames
    assert all(header.frame_bytes == len(frame) > 4 for header, frame in frames)
    assert data.startswith(b"".join(bytes(frame) for _, frame in frames))
