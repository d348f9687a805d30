"""What the viewer of simulated ways takes for a picture that is whole."""

from __future__ import annotations

from tests.webrtc.fanout_stage import VIDEO_SSRC, Packet
from tests.webrtc.simulated_way import Receiver


def packet(sequence: int, timestamp: int, *, marker: bool) -> Packet:
    elements = {3: sequence.to_bytes(2, "big")}
    return Packet(marker, 96, sequence, timestamp, VIDEO_SSRC, elements, b"")


def test_a_picture_that_waits_only_for_the_end_of_the_one_before_is_whole_with_it() -> None:
    receiver = Receiver()
    receiver.take(packet(1, 0, marker=False), 1.0)
    receiver.take(packet(3, 3600, marker=False), 1.1)
    receiver.take(packet(4, 3600, marker=True), 1.1)
    assert receiver.shown == []
    receiver.take(packet(2, 0, marker=True), 1.2)
    assert receiver.shown == [(1.2, 0), (1.2, 3600)]
