"""Hostile and unusual bytes on their way into the canonical form."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.errors import MediaError
from segmenter.media import Codec
from streaming.ingest.canonical import StreamFacts, canonical_form
from streaming.ingest.test_source import TestSource, parse_test_url
from tests.segmenter.fmp4.encodes import PACKAGED

SOURCE = TestSource(parse_test_url("test:?width=160&height=90&fps=10&gop_s=0.2"), 1e9)
SAMPLES = [s for s in SOURCE.produce(1e9 + 1) if s.track == "source"]
AVCC = SOURCE.tracks[0].codec_config


def annex_b(unit: bytes) -> bytes:
    out, position = b"", 0
    while position < len(unit):
        end = position + 4 + int.from_bytes(unit[position : position + 4], "big")
        out += b"\x00\x00\x00\x01" + unit[position + 4 : end]
        position = end
    return out


def parameter_sets() -> bytes:
    sps_end = 8 + int.from_bytes(AVCC[6:8], "big")
    pps_end = sps_end + 3 + int.from_bytes(AVCC[sps_end + 1 : sps_end + 3], "big")
    return b"\x00\x00\x01" + AVCC[8:sps_end] + b"\x00\x00\x01" + AVCC[sps_end + 3 : pps_end]


def test_start_codes_become_lengths_and_parameter_sets_the_configuration() -> None:
    form = canonical_form(StreamFacts("source", Codec.H264, b""))
    assert form.track is None
    (unit,) = form.read(b"\x00\x00\x01\x09\xf0" + parameter_sets() + annex_b(SAMPLES[0].data), True)
    assert unit.data == SAMPLES[0].data
    assert unit.is_sync
    assert form.track is not None
    assert (form.track.width, form.track.height) == (160, 90)
    assert form.track.codec_config == AVCC


def test_samples_with_lengths_pass_untouched() -> None:
    form = canonical_form(StreamFacts("source", Codec.H264, AVCC))
    assert form.read(SAMPLES[1].data, False)[0].data is SAMPLES[1].data


def test_repeated_parameter_sets_do_not_make_another_track() -> None:
    form = canonical_form(StreamFacts("source", Codec.H264, parameter_sets()))
    before = form.track
    form.read(parameter_sets() + annex_b(SAMPLES[0].data), True)
    assert form.track is before


def test_a_stream_without_idr_takes_what_the_container_calls_key() -> None:
    form = canonical_form(StreamFacts("source", Codec.H264, AVCC))
    assert form.read(SAMPLES[2].data, True)[0].is_sync
    form.read(SAMPLES[0].data, True)
    assert not form.read(SAMPLES[2].data, True)[0].is_sync


def test_a_clock_in_place_of_a_frame_rate_is_not_believed() -> None:
    facts = StreamFacts("source", Codec.H264, AVCC, frame_rate=Fraction(25))
    track = canonical_form(facts).track
    assert track is not None
    assert track.frame_rate == 10


@pytest.mark.parametrize("codec", PACKAGED)
@given(extradata=st.binary(max_size=60), data=st.binary(max_size=200), is_key=st.booleans())
def test_garbage_raises_media_errors_only(
    codec: Codec, extradata: bytes, data: bytes, is_key: bool
) -> None:
    try:
        form = canonical_form(StreamFacts("x", codec, extradata, channels=2))
        form.read(data, is_key)
    except MediaError:
        pass
