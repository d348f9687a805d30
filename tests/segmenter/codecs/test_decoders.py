"""Which formats the same players decode."""

from __future__ import annotations

import pytest

from segmenter.codecs.decoders import decoder_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("avc1.42c01f", "avc1.64001f"),
        ("avc1.4d401f", "avc1.640033"),
        ("mp4a.40.2", "mp4a.40.5"),
        ("mp4a.40.2", "mp4a.40.29"),
        ("hvc1.1.6.L93.B0", "hvc1.1.6.H150.90"),
        ("av01.0.08M.08", "av01.0.04M.10.0.110.09.16.09.0"),
        ("vp09.00.31.08", "vp09.00.10.08"),
        ("opus", "opus"),
    ],
)
def test_players_have_both_or_neither(one: str, other: str) -> None:
    assert decoder_of(one) == decoder_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("avc1.64001f", "hvc1.1.6.L93.B0"),
        ("avc1.64001f", "avc1.6e001f"),
        ("hvc1.1.6.L93.B0", "hvc1.2.4.L93.B0"),
        ("av01.0.08M.08", "av01.1.08M.08"),
        ("vp09.00.31.08", "vp09.02.31.10"),
        ("mp4a.40.2", "mp4a.40.42"),
        ("mp4a.40.2", "opus"),
    ],
)
def test_players_may_lack_the_one_or_the_other(one: str, other: str) -> None:
    assert decoder_of(one) != decoder_of(other)
