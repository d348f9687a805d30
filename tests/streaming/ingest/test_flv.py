from __future__ import annotations

from pathlib import Path

import av
import pytest

from segmenter.media import Codec, Sample, Track
from streaming.errors import MalformedTag, UnsupportedMedia
from streaming.ingest.flv import (
    CHANGE_WINDOW_S,
    MAX_BAD_TAGS,
    MAX_CHANGES,
    MAX_HELD_BYTES,
    MAX_HELD_SAMPLES,
    MAX_TRACKS,
    TRACK_WAIT_MS,
    Demuxed,
    FlvDemuxer,
    TracksReady,
)
from streaming.ingest.flv_lane import MAX_FRAMES_WITHOUT_TRACK
from streaming.ingest.rtmp.amf0 import Writable, write_values
from streaming.ingest.rtmp.messages import AGGREGATE, DATA_AMF0, DATA_AMF3, Message
from tests.streaming.ingest.rtmp.wire import (
    AAC_CONFIG,
    AUDIO,
    AUDIO_CONFIG_TAG,
    AVC_CONFIG,
    FRAME_TAG,
    IDR,
    KEY_TAG,
    SOUND_TAG,
    VIDEO,
    VIDEO_CONFIG_TAG,
)

SAMPLES = Path(__file__).parents[3] / "media-samples"

OTHER_SPS = bytes.fromhex("6742c00bda0f0a690000030001000003003c0f142a80")
"""240×320, Constrained Baseline."""
OTHER_CONFIG = (
    b"\x01\x42\xc0\x0b\xff\xe1" + len(OTHER_SPS).to_bytes(2, "big") + OTHER_SPS
    + b"\x01\x00\x04\x68\xce\x06\xe2"
)  # fmt: skip
MONO_CONFIG_TAG = b"\xaf\x00\x12\x08"


class Publisher:
    """Feeds a demuxer and remembers what came out."""

    def __init__(self) -> None:
        self.demuxer = FlvDemuxer()
        self.out: list[Demuxed] = []
        self.now_utc = 0.0

    def send(self, type_id: int, payload: bytes, time: int = 0) -> None:
        self.out += self.demuxer.push(Message(type_id, time, 1, payload), self.now_utc)

    def video(self, payload: bytes, time: int = 0) -> None:
        self.send(VIDEO, payload, time)

    def audio(self, payload: bytes, time: int = 0) -> None:
        self.send(AUDIO, payload, time)

    def announce(self, **properties: Writable) -> None:
        self.send(DATA_AMF0, write_values("@setDataFrame", "onMetaData", properties))

    def start(self) -> None:
        """Both kinds of tracks, and a first sample of each."""
        self.video(VIDEO_CONFIG_TAG)
        self.audio(AUDIO_CONFIG_TAG)
        self.video(KEY_TAG)
        self.audio(SOUND_TAG)

    @property
    def tracks(self) -> list[tuple[Track, ...]]:
        return [item.tracks for item in self.out if isinstance(item, TracksReady)]

    @property
    def samples(self) -> list[Sample]:
        return [item for item in self.out if isinstance(item, Sample)]

    @property
    def shape(self) -> list[str]:
        """The order of what came out: track lists as names, samples as their track."""
        return [
            item.track
            if isinstance(item, Sample)
            else "[" + " ".join(track.name for track in item.tracks) + "]"
            for item in self.out
        ]


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


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


# -- changes ---------------------------------------------------------------------------------------


def test_a_repeated_configuration_changes_nothing(publisher: Publisher) -> None:
    publisher.start()
    publisher.video(VIDEO_CONFIG_TAG, 40)
    publisher.audio(AUDIO_CONFIG_TAG, 40)
    publisher.video(KEY_TAG, 40)
    assert publisher.shape == ["[source audio]", "source", "audio", "source"]


def test_a_new_configuration_gives_the_whole_list_before_its_first_sample(
    publisher: Publisher,
) -> None:
    publisher.start()
    publisher.video(b"\x17\x00\x00\x00\x00" + OTHER_CONFIG, 40)
    publisher.video(KEY_TAG, 40)
    assert publisher.shape == ["[source audio]", "source", "audio", "[source audio]", "source"]
    before, after = publisher.tracks
    assert (after[0].width, after[0].height) == (240, 320)
    assert after[1] == before[1]


def test_a_new_sampling_rate_gives_the_list_again(publisher: Publisher) -> None:
    publisher.start()
    publisher.audio(MONO_CONFIG_TAG, 40)
    assert publisher.tracks[-1][1].sample_rate == 44_100
    assert publisher.tracks[-1][1].channels == 1


def test_parameter_sets_between_the_pictures_move_to_the_track(publisher: Publisher) -> None:
    publisher.start()
    pps = bytes.fromhex("68ce06e2")
    nals = [len(nal).to_bytes(4, "big") + nal for nal in (OTHER_SPS, pps)]
    publisher.video(KEY_TAG[:5] + b"".join(nals) + IDR, 40)
    assert publisher.tracks[-1][0].width == 240
    assert publisher.samples[-1].data == IDR


def test_a_change_of_codec_keeps_the_name(publisher: Publisher) -> None:
    publisher.start()
    packets, config = clip("hevc.mp4", "video")
    publisher.video(b"\x90hvc1" + config, 40)
    publisher.video(b"\x93hvc1" + packets[0], 40)
    assert publisher.shape[-2:] == ["[source audio]", "source"]
    assert publisher.tracks[-1][0].codec is Codec.H265
    assert publisher.samples[-1].is_sync


def test_changes_without_end_are_refused(publisher: Publisher) -> None:
    publisher.start()
    publisher.now_utc = 1.0
    configs = [MONO_CONFIG_TAG, AUDIO_CONFIG_TAG]
    for index in range(MAX_CHANGES - 1):
        publisher.audio(configs[index % 2])
    with pytest.raises(UnsupportedMedia, match="tracks changed"):
        publisher.audio(configs[(MAX_CHANGES - 1) % 2])


def test_changes_now_and_then_are_fine(publisher: Publisher) -> None:
    publisher.start()
    configs = [MONO_CONFIG_TAG, AUDIO_CONFIG_TAG]
    for index in range(MAX_CHANGES * 3):
        publisher.now_utc += CHANGE_WINDOW_S / 20
        publisher.audio(configs[index % 2])
    assert len(publisher.tracks) == MAX_CHANGES * 3 + 1


# -- other codecs ----------------------------------------------------------------------------------


def clip(name: str, kind: str) -> tuple[list[bytes], bytes]:
    """Packets and configuration of one stream of a sample clip."""
    with av.open(str(SAMPLES / name)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
        return packets, bytes(stream.codec_context.extradata or b"")


@pytest.mark.parametrize(
    ("name", "fourcc", "codec"),
    [("av1.mp4", b"av01", Codec.AV1), ("vp9.mp4", b"vp09", Codec.VP9)],
)
def test_av1_and_vp9_start_with_their_first_key_frame(
    publisher: Publisher, name: str, fourcc: bytes, codec: Codec
) -> None:
    packets, config = clip(name, "video")
    publisher.announce(videocodecid=7)
    publisher.video(b"\x90" + fourcc + (config or b"vpcC"))
    publisher.video(b"\xa1" + fourcc + packets[1])
    assert publisher.out == []
    publisher.video(b"\x91" + fourcc + packets[0], 40)
    publisher.video(b"\xa1" + fourcc + packets[1], 80)
    assert publisher.shape == ["[source]", "source", "source"]
    (track,) = publisher.tracks[0]
    assert (track.codec, track.width, track.height) == (codec, 320, 180)
    assert [sample.is_sync for sample in publisher.samples] == [True, False]


def test_opus(publisher: Publisher) -> None:
    publisher.announce(audiocodecid=7)
    head = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
    publisher.audio(b"\x90Opus" + head)
    publisher.audio(b"\x91Opus\xfc\xff\xfe")
    (track,) = publisher.tracks[0]
    assert (track.codec, track.timescale, track.channels) == (Codec.OPUS, 48_000, 2)
    assert publisher.samples[0].data == b"\xfc\xff\xfe"


def test_a_track_that_is_never_told_is_refused_with_a_reason(publisher: Publisher) -> None:
    packets, config = clip("av1.mp4", "video")
    publisher.video(b"\x90av01" + config)
    for _ in range(MAX_FRAMES_WITHOUT_TRACK):
        publisher.video(b"\xa1av01" + packets[1])
    with pytest.raises(UnsupportedMedia, match="no AV1 key frame"):
        publisher.video(b"\xa1av01" + packets[1])


def test_further_tracks_have_numbered_names(publisher: Publisher) -> None:
    publisher.start()
    publisher.audio(b"\x95\x00mp4a\x01" + AAC_CONFIG, 40)
    publisher.audio(b"\x95\x01mp4a\x01" + SOUND_TAG[2:], 40)
    publisher.video(b"\x96\x00avc1\x01" + AVC_CONFIG, 40)
    assert [track.name for track in publisher.tracks[-1]] == [
        "source", "source2", "audio", "audio2",
    ]  # fmt: skip
    assert publisher.samples[-1].track == "audio2"


def test_frames_of_a_further_track_without_configuration_are_left_out(
    publisher: Publisher,
) -> None:
    publisher.start()
    publisher.audio(b"\x95\x01mp4a\x01sound", 40)
    assert publisher.demuxer.statistics().left_out == 1


def test_there_is_a_limit_to_tracks_of_one_kind(publisher: Publisher) -> None:
    publisher.start()
    for track_id in range(1, 200):
        publisher.audio(b"\x95\x00mp4a" + bytes((track_id,)) + AAC_CONFIG)
    assert len(publisher.tracks[-1]) == 1 + MAX_TRACKS
    assert publisher.demuxer.statistics().left_out == 199 - (MAX_TRACKS - 1)


# -- broken and hostile ----------------------------------------------------------------------------


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


def test_statistics_count_samples_and_changes(publisher: Publisher) -> None:
    publisher.start()
    publisher.audio(MONO_CONFIG_TAG)
    statistics = publisher.demuxer.statistics()
    assert (statistics.samples, statistics.track_changes) == (2, 2)
