"""What viewers ask for again."""

from __future__ import annotations

import dataclasses
import math
import struct

import pytest

from tests.webrtc.fanout_stage import (
    FRAME_S,
    PROFILES,
    RTX_SSRC,
    VIDEO,
    VIDEO_SSRC,
    Stage,
    nack,
    video_of,
)
from webrtc.viewer_settings import SrtpProfile


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
