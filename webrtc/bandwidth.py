"""How much a viewer can receive, from its own estimate or from what arrived when; sans-IO.

A viewer that sends REMB has estimated by itself. From transport-wide feedback we do it in the
spirit of GCC (draft-ietf-rmcat-gcc-02): a delay that has grown, or heavy loss, means less than
what arrived; otherwise it may be up to 1.5 times that, approached by eight per cent a second.
"""

from __future__ import annotations

from webrtc.fanout_events import ViewerSummary

_QUEUE_S = 0.1
_SLOPE = 0.02
"""Seconds of queue, and its growth per second, that mean overuse: a router's buffer fills."""

_HEAVY_LOSS = 0.1
_DECREASE = 0.85
_INCREASE = 1.08
_CEILING = 1.5


class BandwidthEstimate:
    """Owns one viewer's estimate."""

    def __init__(self) -> None:
        self.bitrate = 0
        """Bits per second; 0 while unknown."""

    def update(self, summary: ViewerSummary) -> int:
        """Take the reports of about a second; the new estimate."""
        if summary.remb_bitrate:
            self.bitrate = summary.remb_bitrate
        elif summary.reported_s > 0:
            self.bitrate = self._from_reports(summary)
        return self.bitrate

    def _from_reports(self, summary: ViewerSummary) -> int:
        received = summary.received_bitrate
        is_queueing = summary.queue_delay_s > _QUEUE_S or summary.delay_slope > _SLOPE
        if is_queueing or summary.reported_loss > _HEAVY_LOSS:
            return int(received * _DECREASE)
        raised = max(self.bitrate, received) * _INCREASE
        return int(max(received, min(raised, received * _CEILING)))
