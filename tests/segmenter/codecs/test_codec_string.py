from __future__ import annotations

import pytest

from segmenter.codecs.codec_string import codec_string
from segmenter.errors import MediaError
from segmenter.media import Codec, Track


def string_of(codec: Codec, config: str) -> str:
    return codec_string(Track("x", codec, 90_000, bytes.fromhex(config)))


@pytest.mark.parametrize(
    ("codec", "config", "expected"),
    [
        (Codec.H264, "0164001fffe1000567640 01fac010001 68".replace(" ", ""), "avc1.64001f"),
        (Codec.H264, "0142e01fffe1000567640 01fac010001 68".replace(" ", ""), "avc1.42e01f"),
        (Codec.AAC, "1190", "mp4a.40.2"),
        (Codec.AAC, "2b118800", "mp4a.40.5"),
        (Codec.AAC, "eb098800", "mp4a.40.29"),
        (Codec.OPUS, "000201380000bb80000000", "opus"),
    ],
)
def test_known_configurations_give_known_strings(codec: Codec, config: str, expected: str) -> None:
    assert string_of(codec, config) == expected


@pytest.mark.parametrize("codec", [Codec.H264, Codec.AAC])
def test_a_broken_configuration_is_a_media_error(codec: Codec) -> None:
    with pytest.raises(MediaError):
        string_of(codec, "")
