"""What all senders are given: 2.55 Mb/s of video at 30 fps, and sound, per viewer."""

from __future__ import annotations

import random
from dataclasses import dataclass

FRAME_RATE = 30
GROUP = 60
KEY_BYTES = 60_000
FRAME_BYTES = 9_800
"""With a key frame each 2 s, 2.57 Mb/s."""
SOUND_BYTES = 160
"""64 kb/s of Opus, 50 a second."""
TICKS_PER_FRAME = 3000
TICKS_PER_SOUND = 960


@dataclass(frozen=True, slots=True)
class Moment:
    """A thirtieth of a second."""

    number: int
    nal_unit: bytes
    sounds: tuple[bytes, ...]

    @property
    def is_key(self) -> bool:
        """Whether the picture is one."""
        return self.number % GROUP == 0

    @property
    def length_prefixed(self) -> bytes:
        """The access unit in canonical form."""
        return len(self.nal_unit).to_bytes(4, "big") + self.nal_unit


def moments(count: int) -> list[Moment]:
    """The same for everybody."""
    dice = random.Random("headwater")
    made = []
    for number in range(count):
        is_key = number % GROUP == 0
        size = KEY_BYTES if is_key else int(FRAME_BYTES * dice.uniform(0.5, 1.5))
        nal_unit = (b"\x65" if is_key else b"\x41") + dice.randbytes(size)
        sounds = (number + 1) * 50 // FRAME_RATE - number * 50 // FRAME_RATE
        made.append(Moment(number, nal_unit, (bytes(SOUND_BYTES),) * sounds))
    return made
