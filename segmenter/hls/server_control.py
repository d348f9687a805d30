"""What a low-latency server promises: EXT-X-SERVER-CONTROL (RFC 8216bis 4.4.3.8).

Its attributes must be the same in all renditions and for the life of their playlists (6.2.4),
while parts of audio and of video are of different lengths. So it is decided once, before the first
playlist, from the longest part target there is or that the settings would give a track.
"""

from __future__ import annotations

from dataclasses import dataclass

HOLD_BACK_TARGETS = 3
"""HOLD-BACK in target durations: the least that is allowed, and what players assume without it."""

PART_HOLD_BACK_TARGETS = 3
"""PART-HOLD-BACK in part targets: two are the least allowed, three the least advised."""

SKIP_TARGETS = 6
"""CAN-SKIP-UNTIL in target durations: the least that is allowed."""


@dataclass(frozen=True, slots=True)
class ServerControl:
    """The promises of one presentation; there is none without parts."""

    target_duration: int
    longest_part_target_s: float

    @property
    def can_skip_until_s(self) -> int:
        """The skip boundary: a delta update leaves out segments further from the end."""
        return SKIP_TARGETS * self.target_duration

    @property
    def part_hold_back_s(self) -> float:
        """How far from the end low-latency players should stay."""
        return PART_HOLD_BACK_TARGETS * self.longest_part_target_s

    @property
    def line(self) -> str:
        """The tag."""
        return (
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES"
            f",CAN-SKIP-UNTIL={self.can_skip_until_s:.1f},CAN-SKIP-DATERANGES=YES"
            f",HOLD-BACK={HOLD_BACK_TARGETS * self.target_duration:.1f}"
            f",PART-HOLD-BACK={self.part_hold_back_s:.3f}\n"
        )
