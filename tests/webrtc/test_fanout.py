"""What viewers see of the fan-out; libsrtp opens what was sealed."""

from __future__ import annotations

import dataclasses

import pytest

from tests.webrtc.fanout_stage import (
    AUDIO_SSRC,
    FRAME_S,
    PROFILES,
    UTC_OFFSET_S,
    VIDEO,
    VIDEO_SSRC,
    Stage,
    check_of,
    frames_of,
    keys_of,
    loopback,
    nack,
    sequences_of,
    video_of,
)
from webrtc.errors import LocalError
from webrtc.fanout import Fanout
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES
from webrtc.viewer_settings import SrtpProfile, ViewerSettings


@pytest.mark.parametrize("profile", PROFILES)
def test_a_viewer_gets_what_was_written_behind_its_own_headers(
    stage: Stage, profile: SrtpProfile
) -> None:
    viewer, ring = stage.join(profile), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    payloads = stage.write_frame(ring, 7, is_key=True)
    stage.step()
    first, last = viewer.packets()
    assert [first.payload, last.payload] == payloads
    assert (first.sequence, last.sequence) == (1000, 1001)
    assert (first.marker, last.marker) == (False, True)
    assert first.timestamp == last.timestamp == 7 * 3000 + VIDEO.timestamp_offset & 0xFFFFFFFF
    assert (first.ssrc, first.payload_type) == (VIDEO_SSRC, 96)
    assert first.elements[4] == b"0"
    assert (first.elements[3], last.elements[3]) == (b"\0\0", b"\0\1")
    ticks = int((stage.now_s + UTC_OFFSET_S + 2_208_988_800) * (1 << 18)) & 0xFFFFFF
    assert int.from_bytes(first.elements[2], "big") == ticks


def test_payloads_as_large_as_packetizers_make_them_are_sent_and_sent_again(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.write_frame(ring, 0, [MAX_PAYLOAD_BYTES] * 2, is_key=True)
    stage.step()
    assert [len(packet.payload) for packet in viewer.packets()] == [MAX_PAYLOAD_BYTES] * 2
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1001)))
    stage.step()
    assert [len(packet.payload) for packet in viewer.packets()] == [MAX_PAYLOAD_BYTES + 2]
    with pytest.raises(LocalError):
        stage.write_frame(ring, 1, [MAX_PAYLOAD_BYTES + 1])


@pytest.mark.parametrize("profile", PROFILES)
def test_sequence_numbers_wrap_and_libsrtp_follows_the_rollover_counter(
    stage: Stage, profile: SrtpProfile
) -> None:
    video = dataclasses.replace(VIDEO, first_sequence=0xFFFE, rtx_first_sequence=0xFFFF)
    viewer, ring = stage.join(profile, video), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    for number in range(3):
        stage.write_frame(ring, number, is_key=number == 0)
        stage.step(FRAME_S)
    assert sequences_of(viewer.packets()) == [0xFFFE, 0xFFFF, 0, 1, 2, 3]
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 0xFFFF, 1)))
    stage.step()
    again = viewer.packets()
    assert [(p.sequence, p.payload[:2]) for p in again] == [(0xFFFF, b"\xff\xff"), (0, b"\0\1")]


def test_a_joiner_begins_with_the_newest_key_frame_and_its_sound_with_what_comes_next(
    stage: Stage,
) -> None:
    viewer = stage.join()
    video, audio = stage.fanout.add_ring(90_000), stage.fanout.add_ring(48_000)
    for number in range(10):
        stage.write_frame(video, number, is_key=number % 4 == 0)
        stage.fanout.write(audio, [b"old"], number, True, stage.now_s, now_s=stage.now_s)
    stage.fanout.play(viewer.number, "video", video)
    stage.fanout.play(viewer.number, "audio", audio, "live")
    stage.step()
    stage.fanout.write(audio, [b"new"], 480, True, stage.now_s, now_s=stage.now_s)
    stage.step()
    packets = viewer.packets()
    assert frames_of(packets) == [8, 9]
    (sound,) = (packet for packet in packets if packet.ssrc == AUDIO_SSRC)
    assert (sound.payload, sound.timestamp, sound.marker) == (b"new", 480 + 77, False)


def test_a_joiner_without_a_key_frame_in_the_ring_waits_for_one(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.write_frame(ring, 1)
    stage.fanout.play(viewer.number, "video", ring)
    for number in range(2, 6):
        stage.write_frame(ring, number, is_key=number == 4)
        stage.step(FRAME_S)
    assert frames_of(viewer.packets()) == [4, 5]


def test_a_large_key_frame_is_paced_and_sound_does_not_wait_for_it(stage: Stage) -> None:
    viewer = stage.join(pace_bitrate=10_000_000)
    video, audio = stage.fanout.add_ring(90_000), stage.fanout.add_ring(48_000)
    stage.fanout.play(viewer.number, "video", video)
    stage.fanout.play(viewer.number, "audio", audio, "live")
    stage.step()
    stage.write_frame(video, 0, [1000] * 40, is_key=True)
    stage.fanout.write(audio, [b"sound"], 0, True, stage.now_s, now_s=stage.now_s)
    due_s = stage.step()
    packets = viewer.packets()
    assert packets[0].ssrc == AUDIO_SSRC
    assert len(video_of(packets)) == 16
    assert due_s - stage.now_s == pytest.approx(16 * 1050 * 8 / 10e6, rel=0.02)
    assert stage.step(0.001) == due_s
    assert viewer.packets() == []
    stage.now_s = due_s
    stage.step()
    assert len(viewer.packets()) == 16


def test_a_removed_viewer_is_sent_and_told_nothing(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.fanout.remove_viewer(viewer.number)
    stage.write_frame(ring, 0, is_key=True)
    stage.step()
    assert viewer.packets() == []
    assert stage.send(viewer, check_of(viewer)) != []
    assert stage.fanout.statistics().viewers == 0
    with pytest.raises(LocalError):
        stage.fanout.remove_viewer(viewer.number)


def test_impossible_wishes_are_refused(stage: Stage) -> None:
    viewer = stage.join(audio=None)
    audio = stage.fanout.add_ring(48_000)
    for wish in (
        lambda: stage.fanout.play(viewer.number, "audio", audio),
        lambda: stage.fanout.play(viewer.number, "video", audio),
        lambda: stage.fanout.play(99, "video", audio),
        lambda: stage.fanout.write(99, [b"x"], 0, True, 0.0),
        lambda: stage.fanout.write(audio, [b""], 0, True, 0.0),
        lambda: stage.fanout.write(audio, [bytes(1500)], 0, True, 0.0),
        lambda: stage.fanout.add_viewer(viewer.settings),
        lambda: stage.fanout.add_ring(0),
    ):
        with pytest.raises(LocalError):
            wish()


def test_a_ring_keeps_to_its_bounds_and_to_whole_groups(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000, 2000, 10)
    stage.fanout.play(viewer.number, "video", ring)
    stage.write_frame(ring, 0, [600], is_key=True)
    assert not stage.fanout.write(ring, [bytes(1000)] * 3, 1, False, 0.0, now_s=stage.now_s)
    assert not stage.fanout.write(ring, [bytes(10)], 2, False, 0.0, now_s=stage.now_s)
    stage.write_frame(ring, 3, [600], is_key=True)
    for number in range(4, 8):
        stage.write_frame(ring, number, [600])
    stage.step()
    assert frames_of(viewer.packets()) == []  # the key frame has gone already
    stage.write_frame(ring, 8, [600], is_key=True)
    stage.step()
    assert frames_of(viewer.packets()) == [8]


def test_threads_send_by_themselves() -> None:
    own, mine = loopback(), loopback()
    mine.settimeout(5.0)
    keys = keys_of(SrtpProfile.AEAD_AES_128_GCM)
    fanout = Fanout([own.fileno()], 2)
    try:
        settings = ViewerSettings(mine.getsockname(), 0, keys, keys, "a:b", "c", "d", VIDEO)
        viewer, ring = fanout.add_viewer(settings), fanout.add_ring(90_000)
        fanout.play(viewer, "video", ring)
        fanout.write(ring, [bytes(100)] * 40, 0, True, 0.0)
        sizes = [len(mine.recv(2048)) for _ in range(41)]
        assert sizes.count(12 + 16 + 100 + 16) == 40  # and a sender report
    finally:
        fanout.close()
        own.close()
        mine.close()
