"""How fast packets leave to who is behind, and to who is not."""

from __future__ import annotations

import itertools
import math

import pytest

from tests.webrtc.fanout_stage import (
    FRAME_S,
    RTX_SSRC,
    VIDEO_SSRC,
    Stage,
    Viewer,
    arrivals,
    frames_of,
    is_gapless,
    nack,
    video_of,
)

BITRATE = (60 + 43 * 8) * 1000 * 8 / (44 * FRAME_S)
CARRIED_BYTES = 12 + 16 + 16
"""Of a packet besides its payload: header, extensions, tag."""


def join_late(stage: Stage, *, told_gap: int | None = None) -> tuple[Viewer, int]:
    """A viewer that joins 1.5 s of BITRATE after a key frame, and the ring. By its feedback each of
    the first 16 packets comes `told_gap` quarters of a millisecond after the one before."""
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
    video = video_of(packets)
    frames = [b.payload[0] for a, b in itertools.pairwise([None, *video]) if a is None or a.marker]
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
