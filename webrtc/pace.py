"""When a stream's next chunk may leave. Sans-IO; specification of the C.

What has just come leaves at the viewer's most, for nobody gains by a picture that comes later. Who
joins or changes its rendition is behind: up to a whole group of pictures waits for it, and at that
pace would overflow the queue of a narrow way, key frame and all. So it gets as fast as its way is
known to carry, and before that is known not much faster than the rendition flows.

Who waits for a lower rendition since this one does not get through is sent no more than does: what
is beyond it would only fill the queue that the lower one's key frame has to pass.
"""

from __future__ import annotations

from typing import Final

PACE_SLACK_S: Final = 0.001
"""Earlier than the pace has it by this much will do: fewer timers."""

FIRST_BYTES: Final = 32_000
"""Of who is behind so many leave at the most: two chunks, of which one can tell what the way
carries, and the whole key frame of a small rendition. Half of the 64 kB that are a small queue."""

BLIND_GAIN: Final = 2.0
"""Then so many times the rendition's bitrate while nothing is known, which takes a round trip and
the 50 to 100 ms between two messages of feedback: the rendition fits, as we must assume, and a
way of twice as much is nothing special. libwebrtc has 2.5 for all that it sends."""
BLIND_LEAST_BITRATE: Final = 4_000_000
"""But at least this, which renditions are chosen by at first (rendition_choice.START_BITRATE)."""

CARRIED_SHARE: Final = 0.75
"""Of what bursts say that the way carries. A router that lets 3 kB pass at once has a burst of 16
packets look faster than it is by a fifth; the rest is for sound and for what is sent again."""
LEAST_GAIN: Final = 1.25
"""Times the rendition's bitrate at least, or a viewer would never catch up. Where the way carries
less, the queue grows, and that is what another rendition is chosen by."""
LEAST_BITRATE: Final = 500_000
"""The same of renditions whose bitrate is not known yet."""


def exceeds(bitrate: float, carried: float) -> bool:
    """Whether a rendition is known not to get through; bits per second, 0: unknown."""
    return 0 < carried * CARRIED_SHARE < bitrate


class Pace:
    """Owns whether a stream is behind, and its next chunk's time."""

    def __init__(self) -> None:
        self.is_behind = False
        """What is sent is older than what has just come."""
        self.is_ebbing = False
        """What is sent does not get through, and a lower rendition is waited for."""
        self.next_send_s = 0.0
        self._first_bytes = 0

    def begin(self) -> None:
        """A ring is begun with, somewhere before its end."""
        self.is_behind, self.is_ebbing, self._first_bytes = True, False, FIRST_BYTES

    def end(self) -> None:
        """The ring's end has been reached."""
        self.is_behind = False

    def is_time(self, now_s: float) -> bool:
        """Whether the next chunk may leave."""
        return self.next_send_s <= now_s + PACE_SLACK_S

    def note(
        self, size_bytes: int, now_s: float, most: float, bitrate: float, carried: float
    ) -> None:
        """A chunk leaves; bits per second: at most, of the rendition, of the way (0: unknown)."""
        allowed = self._bitrate(size_bytes, most, bitrate, carried)
        self.next_send_s = max(self.next_send_s, now_s) + size_bytes * 8.0 / allowed

    def _bitrate(self, size_bytes: int, most: float, bitrate: float, carried: float) -> float:
        if self.is_ebbing:
            return min(max(carried * CARRIED_SHARE, LEAST_BITRATE), most)
        if not self.is_behind:
            return most
        if carried:
            return min(max(carried * CARRIED_SHARE, bitrate * LEAST_GAIN, LEAST_BITRATE), most)
        if self._first_bytes > 0:
            self._first_bytes -= size_bytes
            return most
        return min(max(bitrate * BLIND_GAIN, BLIND_LEAST_BITRATE), most)
