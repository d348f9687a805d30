"""What our packetizers made is read back, through reordering and over losses."""

from __future__ import annotations

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import example, given
from hypothesis import strategies as st

from segmenter.codecs import av1
from segmenter.media import Codec, Sample, Track
from tests.webrtc.clips import audio_clip, video_clip, vp8_clip
from tests.webrtc.packets import packet, packets_of, shuffled
from tests.webrtc.rtp.clips import samples_of
from webrtc.depacketizer import AccessUnit, AccessUnits
from webrtc.jitter_buffer import JitterBuffer
from webrtc.packetizer import packetizer_of
from webrtc.rtp_packet import RtpPacket

CLIPS = {
    Codec.H264: lambda: (video_clip().track, list(video_clip().samples)),
    Codec.H265: lambda: samples_of("hevc.mp4"),
    Codec.AV1: lambda: samples_of("av1.mp4"),
    Codec.VP8: lambda: (vp8_clip(width=640).track, list(vp8_clip(width=640).samples)),
    Codec.VP9: lambda: samples_of("vp9.mp4"),
    Codec.OPUS: lambda: (audio_clip().track, list(audio_clip().samples)),
}
VIDEO = [codec for codec in CLIPS if codec is not Codec.OPUS]


def clip_of(codec: Codec) -> tuple[Track, list[Sample], list[list[bytes]]]:
    track, samples = CLIPS[codec]()
    packetizer = packetizer_of(track)
    return track, samples, [packetizer.push(sample) for sample in samples]


def read(codec: Codec, packets: list[RtpPacket]) -> tuple[AccessUnits, list[AccessUnit]]:
    buffer, units = JitterBuffer(0.4), AccessUnits(codec, "t")
    arrived = [each for one in packets for each in buffer.push(one, 0.0)]
    arrived += buffer.handle_timer(1.0)
    return units, [unit for each in arrived for unit in units.push(each)]


def canonical(codec: Codec, data: bytes) -> bytes:
    return av1.strip_temporal_delimiters(data) if codec is Codec.AV1 else data


@pytest.mark.parametrize("codec", CLIPS, ids=str)
def test_every_access_unit_comes_back_whatever_overtakes(codec: Codec) -> None:
    track, samples, units = clip_of(codec)
    packets = packets_of(units)
    depacketizer, found = read(codec, [packets[0], *shuffled(packets[1:], seed=4)])
    assert [unit.is_sync for unit in found] == [sample.is_sync for sample in samples]
    assert [unit.data for unit in found] == [canonical(codec, s.data) for s in samples]
    described = depacketizer.track
    assert described is not None
    assert (described.codec, described.width, described.height) == (
        codec, track.width, track.height
    )  # fmt: skip
    if codec is Codec.H264:
        assert described.codec_config == track.codec_config


@pytest.mark.parametrize("codec", VIDEO, ids=str)
def test_after_a_loss_nothing_comes_before_the_next_key_frame(codec: Codec) -> None:
    _, samples, units = clip_of(codec)
    payloads = units[:3] + units[:2]  # the clip begins anew, with its key frame
    packets = packets_of(payloads)
    missing = len(units[0])  # the first packet of the second access unit
    depacketizer, found = read(codec, packets[:missing] + packets[missing + 1 :])
    expected = [samples[0], samples[0], samples[1]]
    assert [unit.data for unit in found] == [canonical(codec, s.data) for s in expected]
    assert not depacketizer.needs_key_frame


@given(
    picture=st.none() | st.integers(0, 0x7FFF),
    level=st.none() | st.integers(0, 255),
    layer=st.none() | st.integers(0, 3),
    key=st.none() | st.integers(0, 31),
)
def test_vp8_behind_any_descriptor_is_read(
    picture: int | None, level: int | None, layer: int | None, key: int | None
) -> None:
    """aiortc writes what libwebrtc and others put in front of their packets."""
    samples = vp8_clip().samples[:2]
    units = []
    for sample in samples:
        at, payloads = 0, []
        while at < len(sample.data):
            head = VpxPayloadDescriptor(
                partition_start=int(not at), partition_id=0, picture_id=picture,
                tl0picidx=level, tid=None if layer is None else (layer, 0), keyidx=key,
            )  # fmt: skip
            payloads.append(bytes(head) + sample.data[at : at + 300])
            at += 300
        units.append(payloads)
    _, found = read(Codec.VP8, packets_of(units))
    assert [unit.data for unit in found] == [sample.data for sample in samples]


def test_vp8_that_begins_within_a_frame_or_lacks_its_end_is_given_up() -> None:
    frame = vp8_clip().samples[0].data
    for payload in (b"\x10" + frame[:20], b"\x00" + frame, b"\x11" + frame):
        depacketizer, found = read(Codec.VP8, [packet(1, payload, is_marked=True)])
        assert found == []
        assert depacketizer.broken == 1
        assert depacketizer.needs_key_frame


def test_a_lost_packet_of_sound_is_that_packet() -> None:
    _, samples, units = clip_of(Codec.OPUS)
    packets = packets_of(units, ticks=960)
    _, found = read(Codec.OPUS, packets[:2] + packets[3:])
    assert [unit.data for unit in found] == [s.data for n, s in enumerate(samples) if n != 2]
    assert found[0].duration == 960


def test_a_publisher_that_begins_within_a_group_of_pictures_waits_for_a_key_frame() -> None:
    _, _, units = clip_of(Codec.H264)
    depacketizer, found = read(Codec.H264, packets_of(units[5:10]))
    assert found == []
    assert depacketizer.needs_key_frame


def test_without_a_marker_the_next_timestamp_ends_an_access_unit() -> None:
    _, samples, units = clip_of(Codec.H264)
    packets = [
        packet(each.sequence, each.payload, timestamp=each.timestamp) for each in packets_of(units)
    ]
    _, found = read(Codec.H264, packets)
    assert [unit.data for unit in found] == [sample.data for sample in samples[:-1]]


def test_a_picture_that_never_ends_is_given_up() -> None:
    units = AccessUnits(Codec.H264, "t")
    buffer = JitterBuffer(0.4)
    chunk = b"\x7c\x05" + bytes(60_000)
    for number in range(300):
        payload = b"\x7c\x85" + chunk[2:] if number == 0 else chunk
        for arrived in buffer.push(packet(number, payload), 0.0):
            assert units.push(arrived) == []
    assert units.broken == 1


@pytest.mark.parametrize("codec", CLIPS, ids=str)
@example(payloads=[b"\x10\x04"], marks=1)  # an OBU that ends before its extension
@given(payloads=st.lists(st.binary(min_size=0, max_size=60), max_size=12), marks=st.integers(0))
def test_any_payloads_are_survived(codec: Codec, payloads: list[bytes], marks: int) -> None:
    packets = [
        packet(n, payload, timestamp=n // 3, is_marked=bool(marks >> n & 1))
        for n, payload in enumerate(payloads)
    ]
    read(codec, packets)
