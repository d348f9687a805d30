"""Pictures that come faster than they were taken are stamped as if they were of the present."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest

from tests.webrtc.fanout_stage import FRAME_S, VIDEO, VIDEO_SSRC, Stage, nack, video_of
from webrtc.backlog_times import MOST_STEPS, BacklogTimes
from webrtc.viewer_settings import SrtpProfile

FRAME_TICKS = 3000
PLAIN = dataclasses.replace(
    VIDEO, rtx_ssrc=0, rtx_payload_type=0, abs_send_time_extension=0, transport_cc_extension=0
)


def send(times: BacklogTimes, frames: int, per_new: int, start: int = 0) -> list[tuple[int, int]]:
    """So many wait, and a new one comes with each `per_new` that leave. (timestamp, stamp) each."""
    sent: list[tuple[int, int]] = []
    newest = frames - 1
    for number in itertools.count():
        if number > newest:
            return sent
        timestamp = start + number * FRAME_TICKS & 0xFFFFFFFF
        times.place(number, timestamp, start + newest * FRAME_TICKS & 0xFFFFFFFF)
        sent.append((timestamp, times.stamp(number, timestamp)))
        newest += number % per_new == per_new - 1
    raise AssertionError


@pytest.mark.parametrize("start", [0, 2**32 - 50 * FRAME_TICKS], ids=["", "over the wrap"])
@pytest.mark.parametrize("per_new", [2, 5, 1000])
def test_stamps_rise_with_the_newest_picture_until_they_are_true(per_new: int, start: int) -> None:
    times = BacklogTimes()
    sent = send(times, 60, per_new, start)
    steps = [b - a & 0xFFFFFFFF for (_, a), (_, b) in itertools.pairwise(sent)]
    assert all(0 < step < 2 * FRAME_TICKS for step in steps)
    first, last = sent[0][1] - start & 0xFFFFFFFF, sent[-1]
    assert first >= 58 * FRAME_TICKS, "as if it had just been taken"
    assert last[0] == last[1]
    later = last[0] + 7 * FRAME_TICKS & 0xFFFFFFFF
    times.place(len(sent), later, later + 20 * FRAME_TICKS & 0xFFFFFFFF)
    assert times.stamp(len(sent), later) == later, "who falls behind later is not hurried"


def test_what_is_sent_again_is_stamped_as_it_was() -> None:
    times = BacklogTimes()
    sent = send(times, 60, 3)
    assert [(at, times.stamp(index, at)) for index, (at, _) in enumerate(sent)] == sent


def test_another_ring_that_ends_earlier_sets_no_stamp_back() -> None:
    times = BacklogTimes()
    stamps = []
    for index, (frame, newest) in enumerate(
        [(0, 60), (1, 60), (2, 57), (57, 57), (58, 58), (61, 61)]
    ):
        times.place(index, frame * FRAME_TICKS, newest * FRAME_TICKS)
        stamps.append(times.stamp(index, frame * FRAME_TICKS))
    assert all(a < b for a, b in itertools.pairwise(stamps))
    assert stamps[-1] == 61 * FRAME_TICKS


def test_an_endless_backlog_is_bounded_and_stays_in_order() -> None:
    times = BacklogTimes()
    sent = []
    for number in range(4 * MOST_STEPS):
        at = number * FRAME_TICKS
        times.place(number, at, at + 10 * FRAME_TICKS)
        sent.append(times.stamp(number, at))
    assert all(a < b for a, b in itertools.pairwise(sent))


def test_a_joiner_is_sent_the_group_of_pictures_as_of_now(stage: Stage) -> None:
    ring = stage.fanout.add_ring(90_000)
    for number in range(30):
        stage.write_frame(ring, number, is_key=number == 0)
        stage.now_s += FRAME_S
    viewer = stage.join(SrtpProfile.AEAD_AES_128_GCM, PLAIN)
    stage.fanout.play(viewer.number, "video", ring)
    while (due_s := stage.step()) < math.inf:
        stage.now_s = due_s
    stage.write_frame(ring, 30)
    stage.step(FRAME_S)
    datagrams = viewer.datagrams()
    stage.send(viewer, viewer.seal(nack(VIDEO_SSRC, 1000)))
    stage.step(0.3)
    assert viewer.datagrams() == datagrams[:1], "the same number has the same bytes"
    packets = [viewer.open(datagram) for datagram in datagrams if not 192 <= datagram[1] <= 223]
    stamps = [p.timestamp - VIDEO.timestamp_offset & 0xFFFFFFFF for p in video_of(packets)]
    assert stamps[-1] == 30 * FRAME_TICKS
    assert stamps[0] >= 28 * FRAME_TICKS
