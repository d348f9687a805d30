"""Judges whether a publisher's clock has jumped, or only a stamp or one track is wrong."""

from __future__ import annotations

import enum

from segmenter.media import Sample

SETTLE_S = 1.0
"""How long other tracks may take to follow a jump: longer than muxers interleave, short enough
to hold samples back for."""

LIVE_S = 1.0
"""A track without samples for this long is not waited for."""

SUSPECTS_LIMIT = 128
"""Samples held back; a second of 60 fps video with 50 packets of audio is 110."""


class Verdict(enum.Enum):
    """What the samples off the clock turned out to be."""

    OPEN = "open"
    JUMP = "jump"
    """The clock was set: all tracks that live have followed."""
    STRAY_TRACK = "stray track"
    """The others have stayed: these tracks count by another clock."""


class ClockJump:
    """Holds the samples whose stamps are off the clock until it is clear why.

    Owned by one Timeline. ``suspects`` are (sample, arrival), oldest first, at least one; they
    agree with each other. One sample alone proves nothing; stamps of 0 in mid-stream are common.
    """

    def __init__(self, sample: Sample, now_utc: float) -> None:
        self.suspects = [(sample, now_utc)]
        self.tracks = {sample.track}
        self._others_stayed = False

    def agrees(self, sample: Sample, reach: int) -> bool:
        """Is ``sample`` within ``reach`` source ticks of the suspects?"""
        return -reach <= sample.dts - self.suspects[-1][0].dts <= reach

    def add(self, sample: Sample, now_utc: float) -> None:
        """One more that agrees."""
        self.suspects.append((sample, now_utc))
        self.tracks.add(sample.track)

    def note_stayed(self) -> None:
        """Another track has come with a stamp of the old clock."""
        self._others_stayed = True

    def judge(self, arrivals: dict[str, float], now_utc: float) -> Verdict:
        """Judge by the latest arrival of each track on the old clock, seconds UTC."""
        began = self.suspects[0][1]
        missing = any(
            arrival >= began - LIVE_S
            for name, arrival in arrivals.items()
            if name not in self.tracks
        )
        if not missing:
            return Verdict.JUMP if len(self.suspects) > 1 else Verdict.OPEN
        if now_utc - began < SETTLE_S and len(self.suspects) < SUSPECTS_LIMIT:
            return Verdict.OPEN
        return Verdict.STRAY_TRACK if self._others_stayed else Verdict.JUMP
