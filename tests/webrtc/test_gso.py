"""Runs of equal packets leave as one where the system takes that, and one by one elsewhere."""

from __future__ import annotations

import contextlib
import socket

import pytest

from tests.webrtc.fanout_stage import Packet, Stage, loopback, open_stage
from webrtc.native_choice import native

pytestmark = pytest.mark.skipif(native is None, reason="the Python twin never uses GSO")

SO_NO_CHECK = 11
"""Of Linux: datagrams without checksums, which the system then refuses to cut (EINVAL), as it does
where a device cannot compute them."""
UDP_GRO = 104
"""Of Linux: what left as one is received as one."""


def send_frames(stage: Stage, frames: int = 3) -> tuple[list[Packet], list[bytes]]:
    viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
    stage.fanout.play(viewer.number, "video", ring)
    written: list[bytes] = []
    for number in range(frames):
        written += stage.write_frame(ring, number, [900] * 10, is_key=not number)
        stage.step(0.033)
    return viewer.packets(), written


def test_equal_packets_leave_as_one() -> None:
    with open_stage() as stage:
        if not stage.fanout.statistics().gso:
            pytest.skip("this system has no GSO")
        viewer, ring = stage.join(), stage.fanout.add_ring(90_000)
        viewer.socket.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
        stage.fanout.play(viewer.number, "video", ring)
        stage.write_frame(ring, 1, [900] * 10, is_key=True)
        stage.step()
        assert len(viewer.socket.recv(65_536)) > 8 * 900


def test_where_the_system_refuses_them_they_leave_one_by_one_and_none_is_lost() -> None:
    with contextlib.closing(loopback()) as own:
        own.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        with open_stage(own=own) as stage:
            packets, written = send_frames(stage)
            assert [packet.payload for packet in packets] == written
            figures = stage.fanout.statistics()
            assert (figures.gso, figures.failures) == (False, 0)
