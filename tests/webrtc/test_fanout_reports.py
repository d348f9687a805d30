"""What the fan-out and its viewers tell each other: reports, losses, what the way carries."""

from __future__ import annotations

import struct

import pytest

from tests.webrtc.fanout_stage import (
    AUDIO,
    AUDIO_SSRC,
    FRAME_S,
    UTC_OFFSET_S,
    VIDEO,
    VIDEO_SSRC,
    VIEWER_SSRC,
    Stage,
    Viewer,
    arrivals,
    picture_loss,
)
from webrtc.fanout_events import Bye, PictureLost, ViewerSummary


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
    block = (VIDEO_SSRC, 64 << 24 | 7, 1001, 900, ntp >> 16 & 0xFFFFFFFF, int(0.45 * 65536))
    receiver = struct.pack("!BBHIIIIIII", 0x81, 201, 7, VIEWER_SSRC, *block)
    remb = struct.pack("!BBHII4sBBHI", 0x8F, 206, 5, VIEWER_SSRC, 0, b"REMB", 1, 5 << 2 | 1, 2, 1)
    stage.send(viewer, viewer.seal(receiver + remb))
    stage.now_s += 0.5
    (summary,) = stage.fanout.poll(now_s=stage.now_s)
    assert isinstance(summary, ViewerSummary)
    assert summary.rtt_s == pytest.approx(0.05, abs=0.001)
    assert summary.remb_bitrate == (65536 + 2) << 5
    assert summary.video is not None
    assert (summary.video.loss, summary.video.jitter_s, summary.video.lost) == (0.25, 0.01, 7)
    assert summary.audio is not None
    assert summary.audio.lost == -1, "it has not reported any"
    assert (summary.video.packets, summary.video.bytes) == (2, 1200)
    assert stage.fanout.poll(now_s=stage.now_s + 0.9) == []
    assert len(stage.fanout.poll(now_s=stage.now_s + 1.0)) == 1


def test_more_that_came_than_was_sent_is_no_loss(stage: Stage) -> None:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    for lost, told in ((0xFFFFFF, 0), (0x7FFFFF, 0x7FFFFF)):
        block = (VIDEO_SSRC, lost, 1001, 0, 0, 0)
        stage.send(viewer, viewer.seal(struct.pack("!BBHI6I", 0x81, 201, 7, VIEWER_SSRC, *block)))
        stage.now_s += 1.0
        (summary,) = stage.fanout.poll(now_s=stage.now_s)
        assert isinstance(summary, ViewerSummary)
        assert summary.video is not None
        assert summary.video.lost == told


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
