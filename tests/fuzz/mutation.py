"""Hostile bytes from honest ones, by dice that the caller owns: equal dice, equal bytes."""

from __future__ import annotations

import random
from collections.abc import Sequence

MAX_BYTES = 1 << 16
"""Of an input. What grows with the input's length shows below it, and executions stay fast."""

_INTERESTING = (0, 1, 2, 3, 7, 8, 0x10, 0x1F, 0x20, 0x3F, 0x40, 0x7F, 0x80, 0xFE, 0xFF)
_WIDE = (
    0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000,
    0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF,
)  # fmt: skip


def mutate(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A seed after one to eight random changes, or now and then plain noise."""
    if not seeds or dice.random() < 0.02:
        return dice.randbytes(dice.randrange(200))
    data = bytearray(dice.choice(seeds))
    for _ in range(1 << dice.randrange(4)):
        dice.choice(_CHANGES)(dice, data, seeds)
    del data[MAX_BYTES:]
    return bytes(data)


def _set_byte(dice: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.choice(_INTERESTING)


def _flip_bit(dice: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _add_to_byte(dice: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        at = dice.randrange(len(data))
        data[at] = (data[at] + dice.randrange(-8, 9)) & 0xFF


def _set_number(dice: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    width = dice.choice((2, 4, 8))
    value = dice.choice(_WIDE) & ((1 << 8 * width) - 1)
    at = dice.randrange(len(data) + 1)
    data[at : at + width] = value.to_bytes(width, dice.choice(("big", "little")))


def _cut_tail(dice: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    del data[dice.randrange(len(data) + 1) :]


def _remove(dice: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    del data[at : at + 1 + dice.randrange(16)]


def _insert(dice: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.choice((bytes(1), b"\xff", dice.randbytes(4))) * dice.randrange(1, 9)


def _repeat(dice: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    piece = data[at : at + 1 + dice.randrange(32)]
    data[at:at] = piece * dice.choice((1, 1, 2, 50))


def _splice(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = dice.choice(seeds)
    start = dice.randrange(len(other) + 1)
    at = dice.randrange(len(data) + 1)
    data[at : at + dice.randrange(32)] = other[start : start + dice.randrange(64)]


_CHANGES = (
    _set_byte, _set_byte, _flip_bit, _flip_bit, _add_to_byte, _set_number, _cut_tail, _remove,
    _insert, _repeat, _splice,
)  # fmt: skip
