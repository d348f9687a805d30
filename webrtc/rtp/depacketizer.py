"""What every depacketizer is: payloads of one access unit in, a canonical access unit out."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from segmenter.media import Track

MAX_UNIT_BYTES: Final = 8 << 20
"""Of one access unit: a key frame of 4K at a quality nobody sends is 2 MB."""


class Unit(NamedTuple):
    """A canonical access unit (`segmenter/media.py`); ``duration`` as its codec tells, or 0."""

    data: bytes
    is_sync: bool
    duration: int = 0


class Depacketizer(Protocol):
    """One codec; `track` is None until its bytes have told it, and another object when they
    change."""

    track: Track | None

    def push(self, payload: bytes) -> None:
        """One packet's payload, not empty. Raises MediaPacketError."""

    def take(self) -> Unit | None:
        """The access unit, which is complete. Raises MediaError and MediaPacketError."""

    def drop(self) -> None:
        """What has come of the access unit is useless."""
