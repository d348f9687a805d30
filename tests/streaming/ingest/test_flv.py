from __future__ import annotations

import pytest

from segmenter.media import Codec
from streaming.ingest.flv import (
    MAX_HELD_BYTES,
    MAX_HELD_SAMPLES,
    TRACK_WAIT_MS,
)
from streaming.ingest.rtmp.amf0 import write_values
from streaming.ingest.rtmp.messages import DATA_AMF3
from tests.streaming.ingest.flv_publisher import OTHER_CONFIG, Publisher
from tests.streaming.ingest.rtmp.wire import (
    AAC_CONFIG,
    AUDIO_CONFIG_TAG,
    AVC_CONFIG,
    FRAME_TAG,
    IDR,
    KEY_TAG,
    SOUND_TAG,
    VIDEO,
    VIDEO_CONFIG_TAG,
)

# -- the plain case --------------------------------------------------------------------------------


def test_tracks_come_before_the_first_sample(publisher: Publisher) -> None:
    publisher.start()
    assert publisher.shape == ["[source audio]", "source", "audio"]
    video, sound = publisher.tracks[0]
    assert (video.codec, video.width, video.height, video.timescale) == (
        Codec.H264, 320, 180, 90_000,
    )  # fmt: skip
    assert video.codec_config == AVC_CONFIG
    assert (sound.codec, sound.sample_rate, sound.channels) == (Codec.AAC, 48_000, 2)
    assert sound.codec_config == AAC_CONFIG


def test_samples_keep_the_publishers_times(publisher: Publisher) -> None:
    publisher.start()
    publisher.now_utc = 1234.5
    publisher.video(b"\x27\x01\x00\x00\x43" + FRAME_TAG[5:], 0xFFFFFFF0)
    sample = publisher.samples[-1]
    assert (sample.dts, sample.pts, sample.is_sync) == (0xFFFFFFF0, 0xFFFFFFF0 + 67, False)
    assert sample.captured_utc == 1234.5
    assert type(sample.data) is bytes


def test_a_payload_in_several_chunks_makes_the_same_sample(publisher: Publisher) -> None:
    publisher.start()
    publisher.send(VIDEO, bytearray(KEY_TAG), 40)  # type: ignore[arg-type]
    sample = publisher.samples[-1]
    assert (type(sample.data), sample.data, sample.is_sync) == (bytes, IDR, True)


def test_a_key_frame_by_the_container_alone_is_no_sync_sample(publisher: Publisher) -> None:
    publisher.start()
    publisher.video(b"\x17" + FRAME_TAG[1:])
    assert not publisher.samples[-1].is_sync


def test_an_idr_picture_that_the_container_does_not_flag_is_no_sync_sample(
    publisher: Publisher,
) -> None:
    publisher.start()
    publisher.video(b"\x27" + KEY_TAG[1:])
    assert not publisher.samples[-1].is_sync


@pytest.mark.parametrize("tag", [b"\x17\x02\x00\x00\x00", b"\x27\x02"])
def test_an_end_of_sequence_makes_no_sample(publisher: Publisher, tag: bytes) -> None:
    publisher.start()
    before = len(publisher.out)
    publisher.video(tag)
    assert len(publisher.out) == before
    assert publisher.demuxer.statistics().bad_tags == 0


def test_an_empty_frame_makes_no_sample(publisher: Publisher) -> None:
    publisher.start()
    before = len(publisher.out)
    publisher.audio(b"\xaf\x01")
    publisher.video(b"\x27\x01\x00\x00\x00")
    assert len(publisher.out) == before


def test_metadata_give_hints_to_tracks(publisher: Publisher) -> None:
    publisher.announce(videodatarate=2500, audiodatarate=128)
    publisher.start()
    assert [track.bitrate for track in publisher.tracks[0]] == [2_500_000, 128_000]


def test_metadata_with_an_amf3_prefix_are_read(publisher: Publisher) -> None:
    data = write_values("onMetaData", {"videocodecid": 7})
    publisher.send(DATA_AMF3, b"\x00" + data)
    publisher.video(VIDEO_CONFIG_TAG)
    publisher.video(KEY_TAG)
    assert publisher.shape == ["[source]", "source"]


# -- waiting for tracks ----------------------------------------------------------------------------


def test_a_publisher_that_announced_one_kind_starts_at_once(publisher: Publisher) -> None:
    publisher.announce(videocodecid=7)
    publisher.video(VIDEO_CONFIG_TAG)
    publisher.video(KEY_TAG)
    assert publisher.shape == ["[source]", "source"]


def test_without_metadata_the_other_kind_is_waited_for(publisher: Publisher) -> None:
    publisher.audio(AUDIO_CONFIG_TAG)
    publisher.audio(SOUND_TAG, 0)
    publisher.audio(SOUND_TAG, 21)
    assert publisher.out == []
    publisher.video(VIDEO_CONFIG_TAG)
    publisher.video(KEY_TAG, 30)
    assert publisher.shape == ["[source audio]", "audio", "audio", "source"]


@pytest.mark.parametrize("announced", [{}, {"videocodecid": 7, "audiocodecid": 10}])
def test_a_track_that_never_comes_is_waited_for_one_second(
    publisher: Publisher, announced: dict[str, int]
) -> None:
    publisher.announce(**announced)
    publisher.video(VIDEO_CONFIG_TAG)
    for time in range(5000, 5000 + TRACK_WAIT_MS, 100):
        publisher.video(KEY_TAG, time)
    assert publisher.out == []
    publisher.video(KEY_TAG, 5000 + TRACK_WAIT_MS)
    assert publisher.shape == ["[source]"] + ["source"] * 11


def test_waiting_goes_on_over_a_wrap(publisher: Publisher) -> None:
    publisher.video(VIDEO_CONFIG_TAG)
    publisher.video(KEY_TAG, 2**32 - 500)
    publisher.video(KEY_TAG, 400)
    assert publisher.out == []
    publisher.video(KEY_TAG, 500)
    assert len(publisher.samples) == 3


def test_waiting_ends_when_time_stands_still(publisher: Publisher) -> None:
    publisher.video(VIDEO_CONFIG_TAG)
    for _ in range(MAX_HELD_SAMPLES):
        publisher.video(KEY_TAG)
    assert len(publisher.samples) == MAX_HELD_SAMPLES


def test_waiting_ends_when_too_many_bytes_are_held(publisher: Publisher) -> None:
    publisher.video(VIDEO_CONFIG_TAG)
    size = MAX_HELD_BYTES // 4
    for _ in range(4):
        assert publisher.out == []
        publisher.video(KEY_TAG[:5] + size.to_bytes(4, "big") + b"\x65" + bytes(size - 1))
    assert len(publisher.samples) == 4


def test_a_track_that_comes_late_joins(publisher: Publisher) -> None:
    publisher.announce(videocodecid=7)
    publisher.video(VIDEO_CONFIG_TAG)
    publisher.video(KEY_TAG)
    publisher.audio(AUDIO_CONFIG_TAG, 40)
    publisher.audio(SOUND_TAG, 40)
    assert publisher.shape == ["[source]", "source", "[source audio]", "audio"]


def test_what_is_held_goes_out_under_the_configuration_it_came_with(publisher: Publisher) -> None:
    publisher.video(VIDEO_CONFIG_TAG)
    publisher.video(KEY_TAG)
    publisher.video(b"\x17\x00\x00\x00\x00" + OTHER_CONFIG, 40)
    publisher.video(KEY_TAG, 40)
    assert publisher.shape == ["[source]", "source", "[source]", "source"]
    assert [tracks[0].width for tracks in publisher.tracks] == [320, 240]
