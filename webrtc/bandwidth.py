"""What a viewer's reports of about a second say of the way to it; sans-IO.

Two kinds of viewers. Those with transport-wide feedback tell when each packet came: a delay that
grows, or heavy loss, is congestion, and then what arrived is what the way carries. While nothing is
congested what arrives says only how much was sent; how fast packets that left together arrived says
more. Viewers that send REMB estimate by themselves. Their figure begins near 300 kb/s, grows by
eight per cent a second and never beyond 1.5 times what is sent, so that it is low means nothing;
that it falls means congestion, for it falls when their delay grows (draft-ietf-rmcat-gcc-02 5).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from webrtc.fanout_events import ViewerSummary

_QUEUE_S = 0.1
_DEEP_QUEUE_S = 0.25
"""Packets that wait so long more than the best of late are in a router's buffer; a deep one is
about to overflow."""

_SLOPE = 0.02
_LEAST_QUEUE_S = 0.03
"""A queue of so many seconds that grows by so many in a second will be one soon."""

_HEAVY_LOSS = 0.1
"""libwebrtc's threshold of its loss-based control (draft-ietf-rmcat-gcc-02 6); less is what radio
loses by itself, and retransmission makes good."""

_FALL = 0.97
"""An estimate of the viewer's that falls below so much of the last: it falls to 0.85."""


class Congestion(enum.IntEnum):
    """Whether more is sent than the way carries."""

    NONE = 0
    MILD = 1
    """So it seems; bursts of others look the same."""
    HEAVY = 2


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """The way to a viewer."""

    congestion: Congestion
    passed: int
    """Bits per second: what arrived, or the viewer's own estimate; 0: unknown."""
    carried: int
    """Bits per second of the narrowest link, by packets that left together; 0: unknown."""
    loss: float
    """Fraction lost of late."""

    @property
    def room(self) -> int:
        """Bits per second that get through; of use in congestion only. 0: unknown."""
        return min(self.passed, self.carried or self.passed)


class BandwidthEstimate:
    """Owns what has to be remembered of one viewer from report to report."""

    def __init__(self) -> None:
        self._remb = 0

    def update(self, summary: ViewerSummary) -> Bandwidth | None:
        """Take the reports of about a second; None: there were none."""
        if summary.reported_s > 0:
            return _from_arrivals(summary)
        if summary.remb_bitrate:
            return self._from_remb(summary)
        return None

    def _from_remb(self, summary: ViewerSummary) -> Bandwidth:
        before, self._remb = self._remb, summary.remb_bitrate
        loss = summary.video.loss if summary.video is not None else 0.0
        congestion = Congestion.MILD if self._remb < before * _FALL else Congestion.NONE
        if loss > _HEAVY_LOSS:
            congestion = Congestion.HEAVY
        return Bandwidth(congestion, self._remb, 0, loss)


def _from_arrivals(summary: ViewerSummary) -> Bandwidth:
    queue_s, loss = summary.queue_delay_s, summary.reported_loss
    is_filling = summary.delay_slope > _SLOPE and queue_s > _LEAST_QUEUE_S
    congestion = Congestion.NONE
    if queue_s > _QUEUE_S or is_filling:
        congestion = Congestion.MILD
    if queue_s > _DEEP_QUEUE_S or loss > _HEAVY_LOSS:
        congestion = Congestion.HEAVY
    return Bandwidth(congestion, summary.received_bitrate, summary.burst_bitrate, loss)
