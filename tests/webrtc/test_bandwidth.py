from __future__ import annotations

import pytest

from tests.webrtc.reports import summary
from webrtc.bandwidth import Bandwidth, BandwidthEstimate, Congestion
from webrtc.fanout_events import StreamSummary


def of_arrivals(**said: float) -> Bandwidth:
    """From transport-wide feedback about 1 Mb/s."""
    base = {"reported_s": 1.0, "reported_packets": 100, "received_bitrate": 1_000_000}
    bandwidth = BandwidthEstimate().update(summary(**{**base, **said}))
    assert bandwidth is not None
    return bandwidth


@pytest.mark.parametrize(
    ("said", "congestion"),
    [
        ({}, Congestion.NONE),
        ({"reported_loss": 0.05}, Congestion.NONE),
        ({"queue_delay_s": 0.05}, Congestion.NONE),
        ({"delay_slope": 0.1}, Congestion.NONE),
        ({"delay_slope": 0.1, "queue_delay_s": 0.05}, Congestion.MILD),
        ({"queue_delay_s": 0.15}, Congestion.MILD),
        ({"queue_delay_s": 0.4}, Congestion.HEAVY),
        ({"reported_loss": 0.2}, Congestion.HEAVY),
    ],
)
def test_delay_that_grows_and_heavy_loss_are_congestion(
    said: dict[str, float], congestion: Congestion
) -> None:
    assert of_arrivals(**said).congestion is congestion


def test_there_is_no_more_room_than_what_arrived_or_what_bursts_were_carried_with() -> None:
    assert of_arrivals().room == 1_000_000
    assert of_arrivals(burst_bitrate=700_000).room == 700_000
    assert of_arrivals(burst_bitrate=9_000_000).room == 1_000_000


def test_a_low_estimate_of_the_viewers_own_means_nothing_while_it_rises() -> None:
    estimate = BandwidthEstimate()
    for remb in (300_000, 324_000, 350_000):
        bandwidth = estimate.update(summary(remb_bitrate=remb))
        assert bandwidth == Bandwidth(Congestion.NONE, remb, 0, 0.0)


def test_an_estimate_of_the_viewers_own_that_falls_is_congestion() -> None:
    estimate = BandwidthEstimate()
    estimate.update(summary(remb_bitrate=2_000_000))
    bandwidth = estimate.update(summary(remb_bitrate=900_000))
    assert bandwidth is not None
    assert (bandwidth.congestion, bandwidth.room) == (Congestion.MILD, 900_000)


def test_heavy_loss_is_congestion_whatever_the_viewer_estimates() -> None:
    lossy = StreamSummary(packets=0, bytes=0, resent=0, nacks=0, skipped=0, loss=0.3, jitter_s=0.0)
    bandwidth = BandwidthEstimate().update(summary(remb_bitrate=2_000_000, video=lossy))
    assert bandwidth is not None
    assert bandwidth.congestion is Congestion.HEAVY


def test_without_any_report_nothing_is_known() -> None:
    assert BandwidthEstimate().update(summary()) is None
