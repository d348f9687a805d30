"""Tags that are broken, and aggregates of tags."""

from __future__ import annotations

import pytest

from streaming.errors import MalformedTag, UnsupportedMedia
from streaming.ingest.flv import (
    MAX_BAD_TAGS,
)
from streaming.ingest.rtmp.messages import AGGREGATE, DATA_AMF0
from tests.streaming.ingest.flv_publisher import Publisher
from tests.streaming.ingest.rtmp.wire import (
    AUDIO,
    KEY_TAG,
    SOUND_TAG,
    VIDEO,
)


def test_a_configuration_that_cannot_be_read_is_refused_with_the_reason(
    publisher: Publisher,
) -> None:
    with pytest.raises(UnsupportedMedia, match=r"the H\.264 configuration cannot be read: "):
        publisher.video(b"\x17\x00\x00\x00\x00\x01\x64")
    with pytest.raises(UnsupportedMedia, match="the AAC configuration cannot be read: "):
        publisher.audio(b"\xaf\x00\x00")


def test_frames_before_their_configuration_are_bad_tags(publisher: Publisher) -> None:
    publisher.video(KEY_TAG)
    publisher.audio(SOUND_TAG)
    assert publisher.out == []
    assert publisher.demuxer.statistics().bad_tags == 2


def test_an_empty_configuration_is_a_bad_tag(publisher: Publisher) -> None:
    publisher.video(b"\x17\x00\x00\x00\x00")
    assert publisher.demuxer.statistics().bad_tags == 1


def test_bad_tags_are_tolerated_up_to_a_limit_in_a_row(publisher: Publisher) -> None:
    for _ in range(MAX_BAD_TAGS):
        publisher.video(KEY_TAG)
    with pytest.raises(MalformedTag, match="101 unreadable tags: h264 frames before"):
        publisher.video(KEY_TAG)


def test_one_good_sample_forgives_bad_ones(publisher: Publisher) -> None:
    publisher.start()
    for _ in range(5):
        for _ in range(MAX_BAD_TAGS):
            publisher.audio(b"\x91Opus\xfc\xff\xfe", 40)
        publisher.audio(SOUND_TAG, 40)
    assert publisher.demuxer.statistics().bad_tags == 5 * MAX_BAD_TAGS


def test_garbage_in_metadata_is_a_bad_tag(publisher: Publisher) -> None:
    publisher.send(DATA_AMF0, b"\x02\xff\xff")
    publisher.start()
    assert publisher.demuxer.statistics().bad_tags == 1
    assert len(publisher.samples) == 2


# -- aggregates ------------------------------------------------------------------------------------


def flv_tag(type_id: int, time: int, payload: bytes) -> bytes:
    stamp = (time & 0xFFFFFF).to_bytes(3, "big") + bytes((time >> 24,))
    header = bytes((type_id,)) + len(payload).to_bytes(3, "big") + stamp + bytes(3)
    return header + payload + (11 + len(payload)).to_bytes(4, "big")


def test_an_aggregate_holds_tags_whose_times_are_shifted(publisher: Publisher) -> None:
    publisher.start()
    tags = flv_tag(VIDEO, 0x1000000, KEY_TAG) + flv_tag(AUDIO, 0x1000000 + 21, SOUND_TAG)
    publisher.send(AGGREGATE, tags, 40)
    assert [(s.track, s.dts) for s in publisher.samples[-2:]] == [("source", 40), ("audio", 61)]


def test_an_aggregate_cannot_nest(publisher: Publisher) -> None:
    publisher.start()
    inner = flv_tag(VIDEO, 0, KEY_TAG)
    publisher.send(AGGREGATE, flv_tag(AGGREGATE, 0, inner), 40)
    assert len(publisher.samples) == 2


def test_an_aggregate_that_is_cut_off_is_a_bad_tag(publisher: Publisher) -> None:
    publisher.start()
    tags = flv_tag(VIDEO, 0, KEY_TAG)
    for size in (5, 12, len(tags) - 5):
        publisher.send(AGGREGATE, tags[:size], 40)
    assert publisher.demuxer.statistics().bad_tags == 3


def test_an_aggregate_without_its_last_back_pointer_is_whole(publisher: Publisher) -> None:
    publisher.start()
    publisher.send(AGGREGATE, flv_tag(VIDEO, 0, KEY_TAG)[:-4], 40)
    assert len(publisher.samples) == 3
