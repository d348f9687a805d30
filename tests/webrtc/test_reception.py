"""What all viewers report, in a few figures."""

from __future__ import annotations

import pytest

from webrtc.fanout_events import StreamSummary, ViewerSummary
from webrtc.reception import Reception, ReceptionStatistics


def summary(nacks: int = 0, *, loss: float = 0.0, rtt_s: float = 0.0) -> ViewerSummary:
    video = StreamSummary(100, 1_000, 0, nacks, 0, loss, 0.0)
    audio = StreamSummary(50, 500, 0, 1 if nacks else 0, 0, 0.9, 0.0)
    return ViewerSummary(1, 0.0, video, audio, rtt_s, 0, 0.0, 0, 0.0, 0, 0.0, 0.0, 0, 0)


def test_packets_asked_for_again_are_counted_once_and_stay_counted_when_viewers_go() -> None:
    reception = Reception()
    first, second = summary(3), summary(5)
    reception.add(None, first)
    reception.add(first, second)
    reception.add(None, summary(2))
    assert reception.statistics([]).nacks == 6 + 3


def test_round_trips_and_losses_are_of_those_who_have_reported() -> None:
    latest = [summary(loss=0.1, rtt_s=0.02), summary(loss=0.3), None, summary(rtt_s=0.04)]
    seen = Reception().statistics(latest)
    assert (seen.rtt_s, seen.worst_rtt_s) == (pytest.approx(0.03), 0.04)
    assert (seen.loss, seen.worst_loss) == (pytest.approx(0.4 / 3), 0.3)
    assert Reception().statistics([]) == ReceptionStatistics()
