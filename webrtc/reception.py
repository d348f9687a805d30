"""How well all viewers together receive, by what they report. Sans-IO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webrtc.fanout_events import ViewerSummary


@dataclass(frozen=True, slots=True)
class ReceptionStatistics:
    """Counters since the start; the rest is of the viewers who have reported, as of now."""

    nacks: int = 0
    """Packets that were asked for again."""
    pictures_lost: int = 0
    """Times that a viewer could not go on without a key frame (PLI, FIR)."""
    rtt_s: float = 0.0
    """On average."""
    worst_rtt_s: float = 0.0
    loss: float = 0.0
    """Fraction of the video's packets that were lost on the way lately, on average."""
    worst_loss: float = 0.0


class Reception:
    """Owns the counters; signalling tells it everything that viewers report."""

    def __init__(self) -> None:
        self.pictures_lost = 0
        self._nacks = 0

    def add(self, before: ViewerSummary | None, now: ViewerSummary) -> None:
        """A viewer reports, after what it has reported `before`."""
        self._nacks += max(0, _nacks(now) - (_nacks(before) if before is not None else 0))

    def statistics(self, latest: Iterable[ViewerSummary | None]) -> ReceptionStatistics:
        """With the latest summary of each viewer."""
        seen = [one for one in latest if one is not None]
        trips = [one.rtt_s for one in seen if one.rtt_s]
        losses = [one.video.loss for one in seen if one.video is not None]
        return ReceptionStatistics(
            nacks=self._nacks,
            pictures_lost=self.pictures_lost,
            rtt_s=sum(trips) / len(trips) if trips else 0.0,
            worst_rtt_s=max(trips, default=0.0),
            loss=sum(losses) / len(losses) if losses else 0.0,
            worst_loss=max(losses, default=0.0),
        )


def _nacks(summary: ViewerSummary) -> int:
    return sum(stream.nacks for stream in (summary.video, summary.audio) if stream is not None)
