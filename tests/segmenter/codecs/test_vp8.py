"""What the head of a VP8 frame says, against an encoder of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.codecs.vp8 import is_sync, parse_frame_header
from segmenter.errors import MediaError
from tests.webrtc.clips import vp8_clip


def test_key_frames_of_libvpx_say_their_size() -> None:
    clip = vp8_clip(width=176)
    for sample in clip.samples:
        header = parse_frame_header(sample.data)
        assert header.is_key is is_sync(sample.data) is sample.is_sync
    first = parse_frame_header(clip.samples[0].data)
    assert (first.width, first.height) == (176, 98)


def test_a_frame_that_lacks_of_its_first_partition_is_refused() -> None:
    key, other = vp8_clip().samples[0].data, vp8_clip().samples[1].data
    for frame in (key[:12], key[:3], other[:4], b""):
        with pytest.raises(MediaError):
            parse_frame_header(frame)


def test_a_key_frame_without_its_start_code_or_size_is_refused() -> None:
    key = vp8_clip().samples[0].data
    for frame in (key[:3] + b"\0\0\0" + key[6:], key[:6] + bytes(4) + key[10:]):
        with pytest.raises(MediaError):
            parse_frame_header(frame)


@given(st.binary(max_size=40))
def test_any_bytes_are_survived(data: bytes) -> None:
    try:
        parse_frame_header(data)
    except MediaError:
        return
    assert len(data) >= 3
