"""What viewers see of the fan-out; libsrtp opens what was sealed."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import socket
import struct
import time
from typing import Any

import pytest

from bench.datagrams import SO_TIMESTAMPNS
from tests.webrtc.fanout_stage import (
    AUDIO,
    AUDIO_SSRC,
    FRAME_S,
    PASSWORD,
    RTX_SSRC,
    UTC_OFFSET_S,
    VIDEO,
    VIDEO_SSRC,
    VIEWER_SSRC,
    Packet,
    Stage,
    Viewer,
    check_of,
    keys_of,
    loopback,
    nack,
    open_stage,
    picture_loss,
)
from webrtc.errors import LocalError
from webrtc.fanout import Fanout
from webrtc.fanout_events import AddressChanged, Bye, PictureLost, ViewerSummary
from webrtc.lateness import LATE_BOUNDS_S, LatenessCounts
from webrtc.native_choice import native
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES
from webrtc.stun import BINDING_SUCCESS, parse_stun, read_xor_address
from webrtc.viewer_settings import SrtpProfile, ViewerSettings

PROFILES = list(SrtpProfile)

needs_native = pytest.mark.skipif(native is None, reason="needs the extension")
"""Order among viewers is the C's own: the Python twin has no crowds to send to."""


def video_of(packets: list[Packet]) -> list[Packet]:
    return [packet for packet in packets if packet.ssrc == VIDEO_SSRC]


def frames_of(packets: list[Packet]) -> list[int]:
    """The frame numbers of a viewer's video, by its timestamps."""
    offset = VIDEO.timestamp_offset
    ticks = [p.timestamp - offset & 0xFFFFFFFF for p in video_of(packets) if p.marker]
    return [tick // 3000 for tick in ticks]


def sequences_of(packets: list[Packet]) -> list[int]:
    return [packet.sequence for packet in video_of(packets)]


def is_gapless(packets: list[Packet]) -> bool:
    numbers = sequences_of(packets)
    return all(b - a & 0xFFFF == 1 for a, b in itertools.pairwise(numbers))


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


def test_a_switch_waits_for_the_other_renditions_key_frame_and_leaves_no_gap(stage: Stage) -> None:
    viewer = stage.join()
    high, low = stage.fanout.add_ring(90_000), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", high)
    for number in range(12):
        is_key = number in (0, 6)
        stage.write_frame(high, number, is_key=is_key)
        stage.write_frame(low, number, [100], is_key=is_key)
        if number == 3:
            stage.fanout.play(viewer.number, "video", low)
        stage.step(FRAME_S)
    packets = viewer.packets()
    assert frames_of(packets) == list(range(12))
    assert is_gapless(packets)
    assert [len(p.payload) for p in packets] == [900, 300] * 6 + [100] * 6


def test_a_rendition_whose_encoder_is_slower_is_waited_for_at_a_key_frame(stage: Stage) -> None:
    viewer = stage.join()
    high, low = stage.fanout.add_ring(90_000), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", high)
    for number in range(12):
        stage.write_frame(high, number, is_key=number in (0, 6))
        if number >= 3:
            stage.write_frame(low, number - 3, [100], is_key=number - 3 in (0, 6))
        if number == 2:
            stage.fanout.play(viewer.number, "video", low)
        stage.step(FRAME_S)
    packets = viewer.packets()
    assert frames_of(packets) == list(range(9))
    assert [len(p.payload) for p in packets] == [900, 300] * 6 + [100] * 3


def test_a_rendition_that_never_comes_to_a_key_frame_costs_a_quarter_second_at_most(
    stage: Stage,
) -> None:
    viewer = stage.join()
    high, low = stage.fanout.add_ring(90_000), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", high)
    for number in range(30):
        stage.write_frame(high, number, is_key=number % 10 == 0)
        if number == 5:
            stage.fanout.play(viewer.number, "video", low)
        stage.step(FRAME_S)
    stage.step(0.25)
    packets = viewer.packets()
    assert frames_of(packets) == list(range(30))
    assert is_gapless(packets)


def test_the_latest_wish_holds_and_one_for_what_plays_takes_a_switch_back(stage: Stage) -> None:
    viewer = stage.join()
    high, low = stage.fanout.add_ring(90_000), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", high)
    for number in range(8):
        for ring, size in ((high, 500), (low, 100)):
            stage.write_frame(ring, number, [size], is_key=number % 4 == 0)
        if number == 1:
            stage.fanout.play(viewer.number, "video", low)
        if number == 2:
            stage.fanout.play(viewer.number, "video", high)
        stage.step(FRAME_S)
    assert [len(p.payload) for p in viewer.packets()] == [500] * 8


def test_after_a_pause_no_picture_comes_twice(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    for number in range(10):
        stage.write_frame(ring, number, is_key=number in (0, 8))
        if number == 3:
            stage.fanout.pause(viewer.number, "video")
        if number == 5:
            stage.fanout.play(viewer.number, "video", ring)
        stage.step(FRAME_S)
    packets = viewer.packets()
    assert frames_of(packets) == [0, 1, 2, 8, 9]
    assert is_gapless(packets)


def test_a_ring_that_goes_takes_its_pictures_with_it(stage: Stage) -> None:
    viewer = stage.join()
    high, low = stage.fanout.add_ring(90_000), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", high)
    stage.write_frame(high, 0, is_key=True)
    stage.step()
    stage.fanout.play(viewer.number, "video", low)
    stage.fanout.remove_ring(high)
    stage.write_frame(low, 1, is_key=True)
    stage.step()
    assert frames_of(viewer.packets()) == [0, 1]
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1000)))
    stage.step()
    assert viewer.packets() == []
    with pytest.raises(LocalError):
        stage.fanout.play(viewer.number, "video", high)


def test_a_viewer_that_is_a_second_late_goes_to_the_newest_key_frame(stage: Stage) -> None:
    viewer, ring = stage.join(pace_bitrate=200_000), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    for number in range(70):
        stage.write_frame(ring, number, [1000] * 2, is_key=number % 30 == 0)
        stage.step(FRAME_S)
    packets = viewer.packets()
    assert is_gapless(packets)
    frames = frames_of(packets)
    assert frames == sorted(set(frames))
    assert any(b - a > 1 and b % 30 == 0 for a, b in itertools.pairwise(frames))
    assert stage.fanout.statistics().skipped >= 1


def test_lost_packets_are_sent_again_by_rtx_once_a_round_trip(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    payloads = stage.write_frame(ring, 0, is_key=True)
    stage.step()
    original = viewer.packets()
    for _times in range(2):
        assert stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1001))) == []
        stage.step()
    (again,) = viewer.packets()
    assert (again.ssrc, again.payload_type, again.sequence) == (RTX_SSRC, 97, 2000)
    assert again.payload == struct.pack("!H", 1001) + payloads[1]
    assert (again.marker, again.timestamp) == (True, original[1].timestamp)
    assert again.elements[3] == b"\0\2"
    stage.now_s += 0.02
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1001)))
    stage.step()
    assert [packet.sequence for packet in viewer.packets()] == [2001]


@pytest.mark.parametrize("profile", PROFILES)
def test_without_rtx_the_very_same_bytes_are_sent_again(stage: Stage, profile: SrtpProfile) -> None:
    video = dataclasses.replace(
        VIDEO,
        rtx_ssrc=0,
        rtx_payload_type=0,
        abs_send_time_extension=0,
        transport_cc_extension=0,
    )
    viewer, ring = stage.join(profile, video), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.write_frame(ring, 0, is_key=True)
    stage.step()
    original = viewer.datagrams()
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1000)))
    stage.step(0.3)
    assert viewer.datagrams() == original[:1]


def test_without_rtx_nothing_is_resent_whose_header_would_change(stage: Stage) -> None:
    video = dataclasses.replace(VIDEO, rtx_ssrc=0, rtx_payload_type=0)
    viewer, ring = stage.join(video=video), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.write_frame(ring, 0, is_key=True)
    stage.step()
    viewer.packets()
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1000)))
    stage.step()
    assert viewer.packets() == []  # another header under the same nonce would give the key away


def test_packets_are_found_on_both_sides_of_a_switch(stage: Stage) -> None:
    viewer = stage.join()
    high, low = stage.fanout.add_ring(90_000), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", high)
    for number in range(4):
        stage.write_frame(high, number, [500], is_key=number in (0, 2))
        stage.write_frame(low, number, [100], is_key=number in (0, 2))
        stage.step(FRAME_S)
        stage.fanout.play(viewer.number, "video", low)
    assert [len(packet.payload) for packet in viewer.packets()] == [500, 500, 100, 100]
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1001, 1002, 1003, 1004, 999)))
    stage.step()
    assert [len(packet.payload) for packet in viewer.packets()] == [502, 102, 102]


def test_what_one_viewer_may_ask_for_again_is_bounded(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.write_frame(ring, 0, [20] * 700, is_key=True)
    while stage.step(0.001) < math.inf:
        pass
    assert len(video_of(viewer.packets())) == 700
    for first in range(1000, 1700, 100):
        stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, *range(first, first + 100))))
    stage.step()
    assert len(viewer.packets()) == 250
    stage.now_s += 1.0
    stage.write_frame(ring, 1, [20] * 10)
    stage.step()
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, *range(1600, 1700))))
    stage.step()
    assert len(viewer.packets()) == 10 + 3, "three for ten that are sent"


def report_of(viewer: Viewer, ssrc: int) -> tuple[int, int, int, int]:
    """NTP, RTP timestamp, packets and bytes of the sender report for a stream."""
    viewer.packets()
    (report,) = (r for r in viewer.reports if int.from_bytes(r[4:8], "big") == ssrc)
    kind, seconds, fraction, *rest = struct.unpack_from("!B6xIIIII", report, 1)
    assert kind == 200
    assert report[28:] == struct.pack("!BBHIBB", 0x81, 202, 4, ssrc, 1, 9) + b"headwater\0"
    return (seconds << 32 | fraction, *rest)


def test_sender_reports_put_sound_and_picture_on_one_clock(stage: Stage) -> None:
    viewer = stage.join()
    video, audio = stage.fanout.add_ring(90_000), stage.fanout.add_ring(48_000)
    stage.fanout.play(viewer.number, "video", video)
    stage.fanout.play(viewer.number, "audio", audio, "live")
    stage.step()
    now_utc = stage.now_s + UTC_OFFSET_S
    payload = [bytes(10)]
    picture_s, sound_s = now_utc - 0.5, now_utc - 0.25  # pictures come later: they were encoded
    stage.fanout.write(video, payload, 90_000, True, picture_s, now_s=stage.now_s)
    stage.fanout.write(audio, payload * 2, 48_000, True, sound_s, now_s=stage.now_s)
    stage.step()
    ntp, ticks, packets, size = report_of(viewer, VIDEO_SSRC)
    assert ntp / 2**32 - 2_208_988_800 == pytest.approx(now_utc, abs=1e-6)
    assert ticks == 90_000 + 45_000 + VIDEO.timestamp_offset - 2**32
    assert (packets, size) == (1, 10)
    ntp, ticks, packets, size = report_of(viewer, AUDIO_SSRC)
    assert ticks == 48_000 + 12_000 + AUDIO.timestamp_offset
    assert (packets, size) == (2, 20)
    stage.step(0.9)
    viewer.packets()
    assert len(viewer.reports) == 2
    stage.fanout.write(video, payload, 91_000, False, picture_s, now_s=stage.now_s)
    stage.step(0.2)
    viewer.packets()
    assert len(viewer.reports) >= 3


def test_checks_of_a_known_viewer_are_answered_and_keep_it_alive(stage: Stage) -> None:
    viewer = stage.join()
    stage.now_s += 3.0
    assert stage.send(viewer, check_of(viewer)) == []
    (answer,) = viewer.datagrams()
    message = parse_stun(answer)
    assert message.message_type == BINDING_SUCCESS
    assert message.is_from(PASSWORD)
    assert read_xor_address(message) == viewer.socket.getsockname()
    (summary,) = stage.fanout.poll(now_s=stage.now_s)
    assert isinstance(summary, ViewerSummary)
    assert summary.last_seen_s == stage.now_s


def test_a_forged_check_is_not_answered(stage: Stage) -> None:
    viewer = stage.join()
    assert stage.send(viewer, check_of(viewer, password="wrong")) == []
    assert viewer.datagrams() == []
    assert stage.fanout.statistics().rejected == 1


def test_a_viewer_is_followed_to_the_address_that_it_nominates(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    moved, home = stage.open_socket(), viewer.socket
    viewer.socket = moved
    stage.fanout.play(viewer.number, "video", ring)
    stage.send(viewer, check_of(viewer))
    assert stage.fanout.poll(now_s=stage.now_s) == []
    stage.send(viewer, check_of(viewer, nominates=True))
    address = moved.getsockname()
    assert stage.fanout.poll(now_s=stage.now_s) == [AddressChanged(viewer.number, address, 0)]
    assert len(viewer.datagrams()) == 2
    stage.write_frame(ring, 0, is_key=True)
    stage.step()
    assert len(viewer.packets()) == 2
    stage.send(viewer, viewer.seal(picture_loss(VIDEO_SSRC)))
    assert stage.fanout.poll(now_s=stage.now_s) == [PictureLost(viewer.number, "video")]
    viewer.socket = home
    assert stage.send(viewer, viewer.seal(picture_loss(VIDEO_SSRC))) != []


def test_what_is_none_of_a_viewers_checks_and_reports_is_given_back(stage: Stage) -> None:
    viewer, stranger = stage.join(), stage.open_socket()
    home = viewer.socket.getsockname()
    handshake, media = b"\x16\xfe\xfd" + bytes(30), b"\x80\x60" + bytes(30)
    assert stage.send(viewer, handshake) == [(handshake, home)]
    assert stage.send(viewer, media) == [(media, home)]
    stranger.sendto(viewer.seal(nack(VIDEO_SSRC, 1)), stage.socket.getsockname())
    ((_, address),) = stage.fanout.receive(0, now_s=stage.now_s)
    assert address == stranger.getsockname()
    other = check_of(viewer).replace(b"ours0", b"other")
    assert stage.send(viewer, b"") == [(b"", home)]
    assert stage.send(viewer, other) == []  # its fingerprint is wrong now, and it is a viewer's


def test_reports_that_are_repeated_or_forged_are_dropped(stage: Stage) -> None:
    viewer = stage.join()
    sealed = viewer.seal(picture_loss(VIDEO_SSRC))
    for datagram in (sealed, sealed, sealed[:-1] + b"\0", b"\x81\xce" + bytes(20)):
        assert stage.send(viewer, datagram) == []
    assert stage.fanout.poll(now_s=stage.now_s) == [PictureLost(viewer.number, "video")]
    assert stage.fanout.statistics().rejected == 3


def test_a_goodbye_and_a_lost_picture_are_told_at_once(stage: Stage) -> None:
    viewer = stage.join()
    full = struct.pack("!BBHIIIB3x", 0x84, 206, 4, VIEWER_SSRC, 0, VIDEO_SSRC, 1)
    goodbye = struct.pack("!BBHI", 0x81, 203, 1, VIEWER_SSRC)
    stage.send(viewer, viewer.seal(full + picture_loss(AUDIO_SSRC) + goodbye))
    number = viewer.number
    assert stage.fanout.poll(now_s=stage.now_s) == [
        PictureLost(number, "video"),
        PictureLost(number, "audio"),
        Bye(number),
    ]


def test_extended_reports_as_chromium_offers_them_hide_nothing_behind_them(stage: Stage) -> None:
    """RFC 3611: a receiver reference time, which we need no answer to, and DLRR."""
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.write_frame(ring, 1, is_key=True)
    stage.step()
    stage.fanout.poll(now_s=stage.now_s)
    reference = struct.pack("!BBHI", 0x80, 207, 4, VIEWER_SSRC) + struct.pack("!BBHQ", 4, 0, 2, 1)
    delays = struct.pack("!BBHI", 0x80, 207, 5, VIEWER_SSRC)
    delays += struct.pack("!BBHIII", 5, 0, 3, VIDEO_SSRC, 1, 2)
    assert stage.send(viewer, viewer.seal(reference + delays + picture_loss(VIDEO_SSRC))) == []
    assert stage.fanout.poll(now_s=stage.now_s) == [PictureLost(viewer.number, "video")]
    assert stage.fanout.statistics().rejected == 0


def test_a_summary_tells_loss_round_trip_and_the_viewers_estimate(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.write_frame(ring, 0, is_key=True)
    stage.step()
    ntp = report_of(viewer, VIDEO_SSRC)[0]
    stage.now_s += 0.5
    block = (VIDEO_SSRC, 64 << 24, 1001, 900, ntp >> 16 & 0xFFFFFFFF, int(0.45 * 65536))
    receiver = struct.pack("!BBHIIIIIII", 0x81, 201, 7, VIEWER_SSRC, *block)
    remb = struct.pack("!BBHII4sBBHI", 0x8F, 206, 5, VIEWER_SSRC, 0, b"REMB", 1, 5 << 2 | 1, 2, 1)
    stage.send(viewer, viewer.seal(receiver + remb))
    stage.now_s += 0.5
    (summary,) = stage.fanout.poll(now_s=stage.now_s)
    assert isinstance(summary, ViewerSummary)
    assert summary.rtt_s == pytest.approx(0.05, abs=0.001)
    assert summary.remb_bitrate == (65536 + 2) << 5
    assert summary.video is not None
    assert (summary.video.loss, summary.video.jitter_s) == (0.25, 0.01)
    assert (summary.video.packets, summary.video.bytes) == (2, 1200)
    assert stage.fanout.poll(now_s=stage.now_s + 0.9) == []
    assert len(stage.fanout.poll(now_s=stage.now_s + 1.0)) == 1


def arrivals(first: int, times: list[int | None]) -> bytes:
    """Transport-wide feedback with two bytes for each delta; times in 250 µs since 64 ms x 10."""
    symbols = [0 if time is None else 2 for time in times]
    symbols += [0] * (-len(symbols) % 7)
    chunks = b"".join(
        struct.pack("!H", 0xC000 | sum(s << 12 - 2 * n for n, s in enumerate(symbols[at : at + 7])))
        for at in range(0, len(symbols), 7)
    )
    deltas, last = b"", 0
    for at in times:
        if at is not None:
            deltas += struct.pack("!h", at - last)
            last = at
    body = struct.pack("!HH3sB", first, len(times), (10).to_bytes(3, "big"), 0) + chunks + deltas
    body += bytes(-len(body) % 4)
    return struct.pack("!BBHII", 0x8F, 205, 2 + len(body) // 4, VIEWER_SSRC, VIDEO_SSRC) + body


def test_transport_wide_feedback_becomes_loss_delay_and_bitrate(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.step()
    for number in range(21):
        stage.write_frame(ring, number, [500], is_key=number == 0)
        stage.step()
        stage.now_s += 0.01
    # 10 ms apart when sent, 11 ms when they come, the fifth and sixth not at all
    times = [None if number in (5, 6) else 44 * number for number in range(21)]
    stage.send(viewer, viewer.seal(arrivals(0, times)))
    stage.send(viewer, viewer.seal(arrivals(0, times)))
    stage.now_s += 1.0
    (summary,) = stage.fanout.poll(now_s=stage.now_s)
    assert isinstance(summary, ViewerSummary)
    assert summary.reported_s == pytest.approx(0.22)
    assert summary.reported_packets == 23  # the two lost ones are told of twice
    assert summary.reported_loss == pytest.approx(4 / 23)
    assert summary.received_bitrate == pytest.approx(19 * 500 * 8 / 0.22, rel=1e-3)
    assert summary.queue_delay_s == pytest.approx(0.02, abs=1e-4)
    assert summary.delay_slope == pytest.approx(1 / 11, rel=0.01)


def test_packets_that_left_together_tell_what_the_way_carries(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.step()
    for number in range(3):
        stage.write_frame(ring, number, [1000] * 8, is_key=number == 0)
        stage.step(FRAME_S)
    # each frame leaves at once; its packets come 4 ms apart: 2 Mb/s
    times = [133 * frame + 16 * place for frame in range(3) for place in range(8)]
    stage.send(viewer, viewer.seal(arrivals(0, list(times))))
    stage.now_s += 1.0
    (summary,) = stage.fanout.poll(now_s=stage.now_s)
    assert isinstance(summary, ViewerSummary)
    assert summary.burst_bitrate == pytest.approx(2_000_000, rel=0.1)
    stage.now_s += 1.0
    (later,) = stage.fanout.poll(now_s=stage.now_s)
    assert isinstance(later, ViewerSummary)
    assert later.burst_bitrate == 0, "nothing new"


def test_single_packets_tell_nothing_of_what_the_way_carries(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    stage.step()
    for number in range(20):
        stage.write_frame(ring, number, [1000], is_key=number == 0)
        stage.step(FRAME_S)
    stage.send(viewer, viewer.seal(arrivals(0, [133 * number for number in range(20)])))
    (summary,) = stage.fanout.poll(now_s=stage.now_s + 1.0)
    assert isinstance(summary, ViewerSummary)
    assert summary.burst_bitrate == 0


BITRATE = (60 + 43 * 8) * 1000 * 8 / (44 * FRAME_S)
CARRIED_BYTES = 12 + 16 + 16
"""Of a packet besides its payload: header, extensions, tag."""


def join_late(stage: Stage, *, told_gap: int | None = None) -> tuple[Viewer, int]:
    """A viewer that joins 1.5 s of BITRATE after a key frame; by its
    feedback each of the first 16 packets comes `told_gap` quarters of a millisecond after the one
    before. Gives it, and the ring."""
    viewer, ring = stage.join(pace_bitrate=50_000_000), stage.fanout.add_ring(90_000)
    for number in range(45):
        sizes = [1000] * (60 if number == 0 else 8)
        stage.write_frame(ring, number, sizes, is_key=number == 0)
    stage.fanout.play(viewer.number, "video", ring)
    stage.step()
    if told_gap is not None:
        # The 17th says that the burst of the others is over.
        stage.send(viewer, viewer.seal(arrivals(0, [told_gap * place for place in range(16)])))
        stage.step(0.05)
        stage.send(viewer, viewer.seal(arrivals(16, [told_gap * 16 + 200])))
        stage.now_s -= 0.05
    return viewer, ring


def paced_bitrate(stage: Stage) -> float:
    """Bits per second between two chunks of 16 packets."""
    stage.now_s = began_s = stage.step()
    return 16 * (1000 + CARRIED_BYTES) * 8 / (stage.step() - began_s)


def test_a_joiner_gets_two_chunks_at_once_and_the_rest_at_twice_the_bitrate(stage: Stage) -> None:
    viewer, _ = join_late(stage)
    stage.step(0.004)
    assert len(viewer.packets()) == 32
    assert paced_bitrate(stage) == pytest.approx(2 * BITRATE, rel=0.05)


@pytest.mark.parametrize(
    ("gap", "bitrate"),
    [
        pytest.param(6, 0.75 * 5_333_333, id="1.5 ms a packet: 5.3 Mb/s, of which three quarters"),
        pytest.param(28, 1.25 * BITRATE, id="7 ms: 1.1 Mb/s, which is too little to catch up"),
    ],
)
def test_a_joiner_whose_way_is_known_gets_what_that_carries(
    stage: Stage, gap: int, bitrate: float
) -> None:
    join_late(stage, told_gap=gap)
    stage.step(0.06)
    assert paced_bitrate(stage) == pytest.approx(bitrate, rel=0.05)


def test_on_a_wide_way_all_that_waits_leaves_at_the_full_pace(stage: Stage) -> None:
    viewer, _ = join_late(stage, told_gap=0)
    began_s = stage.now_s
    while (due_s := stage.step()) < math.inf:
        stage.now_s = due_s
    assert len(video_of(viewer.packets())) == 60 + 44 * 8
    assert stage.now_s - began_s < 0.12


def test_who_has_caught_up_gets_a_key_frame_at_the_full_pace(stage: Stage) -> None:
    viewer, ring = join_late(stage)
    while (due_s := stage.step()) < math.inf:
        stage.now_s = due_s
    viewer.packets()
    stage.write_frame(ring, 45, [1000] * 60, is_key=True)
    began_s = stage.now_s
    while (due_s := stage.step()) < math.inf:
        stage.now_s = due_s
    assert len(viewer.packets()) == 60
    assert stage.now_s - began_s < 0.012


def test_who_is_still_behind_begins_at_the_next_key_frame(stage: Stage) -> None:
    viewer, ring = join_late(stage)
    for number in range(45, 90):
        stage.write_frame(ring, number, [1000] * (60 if number == 60 else 8), is_key=number == 60)
        until_s = stage.now_s + FRAME_S
        while (due_s := stage.step()) <= until_s:
            stage.now_s = due_s
        stage.now_s = until_s
    packets = viewer.packets()
    frames = frames_of(packets)
    assert is_gapless(packets)
    assert frames[0] == 0
    assert frames[frames.index(60) - 1] < 59
    assert frames[-1] >= 88


def test_a_switch_of_renditions_is_paced_by_the_new_one(stage: Stage) -> None:
    viewer = stage.join(pace_bitrate=50_000_000)
    low, high = stage.fanout.add_ring(90_000), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", low)
    for number in range(30):
        is_key = number == 0
        stage.write_frame(low, number, [300], is_key=is_key)
        stage.write_frame(high, number, [1000] * 8, is_key=is_key)
        stage.step(FRAME_S)
    stage.fanout.play(viewer.number, "video", high)
    viewer.packets()
    stage.write_frame(low, 30, [300], is_key=True)
    stage.write_frame(high, 30, [1000] * 80, is_key=True)
    began_s = stage.now_s
    while (due_s := stage.step()) < math.inf:
        stage.now_s = due_s
    packets = viewer.packets()
    assert (frames_of(packets), len(packets)) == ([30], 80)
    assert stage.now_s - began_s == pytest.approx(0.1, rel=0.1), "48 kB of 80 at 4 Mb/s"


def test_who_waits_for_a_lower_rendition_is_sent_what_gets_through_and_nothing_again(
    stage: Stage,
) -> None:
    """Of 2 Mb/s where 1.1 get through, which the frame before the wish has told."""
    viewer, high, low = stage.join(), stage.fanout.add_ring(90_000), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", high)
    for number in range(40):
        if number == 31:
            stage.send(viewer, viewer.seal(arrivals(29 * 8, [28 * n for n in range(10)])))
            stage.fanout.play(viewer.number, "video", low)
        stage.write_frame(high, number, [1000] * 8, is_key=number == 0)
        stage.write_frame(low, number, [100], is_key=number in (0, 38))
        until_s = stage.now_s + FRAME_S
        while (due_s := stage.step()) <= until_s:
            stage.now_s = due_s
        stage.now_s = until_s
        if number == 36:
            assert frames_of(viewer.packets())[-1] == 33, "it falls behind by three"
            stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1000 + 33 * 8)))
    packets = viewer.packets()
    assert [packet for packet in packets if packet.ssrc == RTX_SSRC] == []
    assert frames_of(packets)[-2:] == [38, 39]
    assert 37 not in frames_of(packets), "the lower one's key frame does not wait for it"
    assert is_gapless(packets)
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1000 + 33 * 8)))
    stage.step()
    assert viewer.packets() == [], "nor is anything of before sent again after the switch"


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


def test_an_ice_restart_changes_what_checks_are_known_by(stage: Stage) -> None:
    viewer = stage.join()
    stage.fanout.set_ice(viewer.number, "new:theirs", PASSWORD)
    assert stage.send(viewer, check_of(viewer)) != []
    viewer.settings = dataclasses.replace(viewer.settings, ice_username="new:theirs")
    assert stage.send(viewer, check_of(viewer)) == []


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


def test_it_is_counted_how_late_each_picture_and_sound_left_whoever_is_not_behind(
    stage: Stage,
) -> None:
    viewer = stage.join(pace_bitrate=100_000 * 8)
    video, audio = stage.fanout.add_ring(90_000), stage.fanout.add_ring(48_000)
    stage.fanout.play(viewer.number, "video", video)
    stage.fanout.play(viewer.number, "audio", audio, "live")
    stage.step()
    stage.write_frame(video, 0, is_key=True)
    stage.step()
    stage.step(FRAME_S)
    assert sum(stage.fanout.statistics().picture_lateness.counts) == 0, "it has just caught up"
    stage.write_frame(video, 1, [1000] * 20)  # 16 at once, the rest after 160 ms by the pace
    stage.fanout.write(audio, [b"sound"], 0, True, stage.now_s, now_s=stage.now_s)
    stage.step(0.004)
    stage.step(0.25)
    seen = stage.fanout.statistics()
    assert seen.picture_lateness == one_of(0.254)
    stage.fanout.write(audio, [b"sound"], 960, True, stage.now_s, now_s=stage.now_s)
    stage.step(0.004)
    assert stage.fanout.statistics().sound_lateness == one_of(0.004)


def stamped_viewers(stage: Stage, count: int) -> list[Viewer]:
    viewers = [stage.join() for _ in range(count)]
    for viewer in viewers:
        viewer.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    wait_stamped()
    return viewers


def wait_stamped() -> None:
    """The system begins to stamp what comes in a moment after it was asked to; until then packets
    have the time at which they are read."""
    with loopback() as own:
        own.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        for _ in range(1000):
            own.sendto(b"?", own.getsockname())
            time.sleep(0.002)
            _, ((_, _, stamp),), *_ = own.recvmsg(16, 64)
            seconds, nanoseconds = struct.unpack("=qq", stamp)
            if time.time() - seconds - nanoseconds / 1e9 > 0.001:
                return
    raise AssertionError("nothing is stamped")


def stamps_of(viewer: Viewer, kind: int) -> list[tuple[int, int]]:
    """When the system took each packet of a payload type in."""
    stamps = []
    with contextlib.suppress(BlockingIOError):
        while True:
            datagram, (control, *_), *_ = viewer.socket.recvmsg(2048, 64)
            if datagram[1] & 0x7F == kind:
                stamps.append(struct.unpack("=qq", control[2]))
    return stamps


@needs_native
def test_who_has_begun_a_picture_gets_the_rest_before_others_begin_theirs() -> None:
    with open_stage() as stage:
        video = stage.fanout.add_ring(90_000)
        first, second, third = stamped_viewers(stage, 3)
        for viewer in (first, second, third):
            stage.fanout.play(viewer.number, "video", video)
        stage.write_frame(video, 0, is_key=True)
        stage.step()
        stage.step(FRAME_S)
        for viewer in (first, second, third):
            assert len(stamps_of(viewer, 96)) == 2
        stage.write_frame(video, 1, [1000] * 40)
        stage.step()
        stamps = sorted(stamps_of(viewer, 96) for viewer in (first, second, third))
        assert [len(each) for each in stamps] == [40, 40, 40]
        assert stamps[0][-1] < stamps[1][0]
        assert stamps[1][-1] < stamps[2][0]


@needs_native
def test_no_viewer_is_the_last_for_good() -> None:
    with open_stage() as stage:
        video = stage.fanout.add_ring(90_000)
        viewers = stamped_viewers(stage, 3)
        for viewer in viewers:
            stage.fanout.play(viewer.number, "video", video)
        stage.step()
        last, orders = set(), []
        for number in range(24):
            stage.write_frame(video, number, is_key=number % 4 == 0)
            stage.step(FRAME_S)
            came = {viewer.number: stamps_of(viewer, 96) for viewer in viewers}
            orders.append(sorted(came, key=lambda one: came[one]))
            last.add(orders[-1][-1])
        assert last == {viewer.number for viewer in viewers}
        groups = [orders[at : at + 4] for at in range(0, len(orders), 4)]
        assert all(group[0] == order for group in groups for order in group), "only key frames turn"


def one_of(late_s: float) -> Any:
    counts = [0] * (len(LATE_BOUNDS_S) + 1)
    counts[sum(bound < late_s for bound in LATE_BOUNDS_S)] = 1
    return LatenessCounts(tuple(counts), pytest.approx(late_s))
