"""What a path offers to its subscribers."""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.media import Track


@dataclass(frozen=True, slots=True)
class Rendition:
    """A track, and the ring of the fan-out where its packets are."""

    track: Track
    ring: int | None
    """None: it can be had, but nobody makes it yet. Signalling tells when somebody wants it."""
    bitrate: int
    """Bits per second as measured, or else as announced."""

    @property
    def name(self) -> str:
        """The track's."""
        return self.track.name
