"""What a publisher's tracks are called, and which of its simulcast layers is the better one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from segmenter.media import MediaType, Track
from webrtc.publication import ReceivePlan

VIDEO_NAME: Final = "source"
AUDIO_NAME: Final = "audio"


class LayerNames:
    """Owned by a publisher: the best layer is the source itself, the others are numbered.

    Not by their rids: who comes next has others, and every name there was stays a rendition for as
    long as the path lives.
    """

    def __init__(self, plans: Sequence[ReceivePlan]) -> None:
        pictures = [plan.rids for plan in plans if plan.kind is MediaType.VIDEO]
        self._rids = pictures[0] if pictures else ()
        """Best first, as far as is known."""
        self.count = sum(len(plan.rids) or 1 for plan in plans)
        """How many tracks may come."""

    def name(self, plan: ReceivePlan, rid: str) -> str:
        """Of the track of that layer."""
        return AUDIO_NAME if plan.kind is MediaType.AUDIO else self._picture(rid)

    def rank(self, name: str) -> int:
        """To sort by: video first, the best layer before the others."""
        order = [self._picture(rid) for rid in self._rids or ("",)]
        return order.index(name) if name in order else len(order)

    def find_the_best(self, tracks: Mapping[str, Track]) -> dict[str, str]:
        """Looks at the sizes; gives new names by old ones where they are others than before.

        Offers may have their layers in either order: RFC 8853 says preference, not quality.
        """
        before = [self._picture(rid) for rid in self._rids]
        areas = [tracks[name].width * tracks[name].height for name in before if name in tracks]
        if len(areas) < 2 or areas[0] >= areas[-1]:
            return {}
        rids, self._rids = self._rids, self._rids[::-1]
        return {old: self._picture(rid) for old, rid in zip(before, rids, strict=True)}

    def _picture(self, rid: str) -> str:
        number = self._rids.index(rid) + 1 if self._rids else 1
        return VIDEO_NAME if number == 1 else f"{VIDEO_NAME}_{number}"
