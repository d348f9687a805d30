"""From rendition to rendition, and over what is missing."""

from __future__ import annotations

import itertools

import pytest

from tests.webrtc.fanout_stage import FRAME_S, VIDEO_SSRC, Stage, frames_of, is_gapless, nack
from webrtc.errors import LocalError


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
