"""What the origin and the worker that encodes a slate say to each other."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from msgspec import Struct

from segmenter.media import Track
from streaming.slate.loop import SlateLoop, SlateStrip
from streaming.transcode.messages import TrackMessage
from streaming.transcode.planned_rung import PlannedRung


class RungSetup(Struct, frozen=True, array_like=True):
    """How one of the tracks is encoded live, for its slate to be encoded the same way."""

    planned: PlannedRung
    encoder: str
    """FFmpeg's name of it."""


class LadderToCover(NamedTuple):
    """What a worker encodes for a path, and how."""

    tracks: tuple[Track, ...]
    rungs: tuple[RungSetup, ...]


class SlateSetup(Struct, frozen=True, array_like=True, tag="slate"):
    """Origin to worker, first and only: what to encode."""

    tracks: tuple[TrackMessage, ...]
    """What the slate has to look and sound like."""
    picture: str
    """"card", or an image file."""
    text: str
    audio: str
    """"silence", "tone", or a sound file."""
    gop_s: float
    rungs: tuple[RungSetup, ...] = ()
    """Of those tracks that are rungs of a ladder."""


class StripMessage(Struct, frozen=True, array_like=True):
    """A `SlateStrip`."""

    track: TrackMessage
    samples: tuple[tuple[bytes, bool], ...]
    duration: tuple[int, int]


class SlateReady(Struct, frozen=True, array_like=True, tag="ready"):
    """Worker to origin: the encoded slate."""

    strips: tuple[StripMessage, ...]
    warnings: tuple[str, ...]
    """What could not be used, and what stands in for it; sentences for the log."""

    def to_strips(self) -> list[SlateStrip]:
        """Each track's loop."""
        return [
            SlateStrip(strip.track.to_track(), strip.samples, Fraction(*strip.duration))
            for strip in self.strips
        ]

    def to_loop(self) -> SlateLoop:
        """The slate, ready to be played."""
        return SlateLoop(self.to_strips())


class SlateFailure(Struct, frozen=True, array_like=True, tag="failure"):
    """Worker to origin: there will be no such slate, and why, in one sentence."""

    reason: str


SlateNews = SlateReady | SlateFailure
"""Everything that a worker sends."""
