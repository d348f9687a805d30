"""Who is first, and how late packets leave."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Any

import pytest

from bench.datagrams import SO_TIMESTAMPNS
from tests.webrtc.fanout_stage import FRAME_S, Stage, Viewer, loopback, open_stage
from webrtc.lateness import LATE_BOUNDS_S, LatenessCounts
from webrtc.native_choice import native

needs_native = pytest.mark.skipif(native is None, reason="needs the extension")
"""Order among viewers is the C's own: the Python twin has no crowds to send to."""


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
