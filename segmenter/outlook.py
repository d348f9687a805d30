"""What is to come of a rendition, and so whether players are pointed to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from segmenter.segment import Segment

GONE_GAPS: Final = 3
"""Segments that a rendition lacks in succession, and is not expected: it will hardly be back while
players who come now have what they load first."""


class Outlook:
    """Owned by its rendition, which says what is listed; lanes say what they know of the rest."""

    def __init__(self) -> None:
        self.is_announced = True
        """Whether the latest publisher sends it, or an encoder will."""
        self.is_withheld = False
        """Whether nothing comes all the same: its encoder is stopped for a while, say."""
        self._awaits_media = False

    def withhold(self, is_withheld: bool) -> None:
        """Nothing comes for now; or it does again."""
        self.is_withheld = is_withheld
        self._awaits_media |= is_withheld

    def note_media(self) -> None:
        """Something of it has been listed."""
        self._awaits_media = self.is_withheld

    @property
    def is_expected(self) -> bool:
        """Whether media are about to come."""
        return self.is_announced and not self.is_withheld

    def is_offered(self, segments: Sequence[Segment]) -> bool:
        """Whether players who come should find it: not once nothing but gaps is to come.

        That is so after GONE_GAPS of ``segments``, or where a discontinuity began with one. What
        was withheld is offered again once there are media of it.
        """
        if self.is_announced and not self._awaits_media:
            return True
        for count, segment in enumerate(reversed(segments), 1):
            if not segment.is_gap:
                return True
            if count == GONE_GAPS or segment.starts_discontinuity:
                return False
        return True
