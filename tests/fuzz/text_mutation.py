"""Hostile texts from honest ones: what is changed are lines, words and numbers, so that most of
what comes out is read to its end. Bytes that no text has are for mutation.py."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from .mutation import MAX_BYTES

_LINE = re.compile(rb"[^\n]*\n?")
_WORD = re.compile(rb"[0-9A-Za-z]+|[^0-9A-Za-z]")
_ODD_WORDS = (
    b"", b"0", b"-1", b"1", b"127", b"255", b"256", b"65535", b"65536", b"4294967296", b"1e9",
    b"99999999999999999999", b"*", b" ", b":", b"/", b";", b"=", b"null", b"true", b"{}", b"[]",
    b'"', b"\\u0000", b"\\ud800", "é".encode(), b"x" * 300,
)  # fmt: skip


def mutate_text(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A seed after one to four changes of its lines and words."""
    data = dice.choice(seeds)
    for _ in range(1 << dice.randrange(3)):
        shape = dice.choice((_LINE, _WORD, _WORD))
        # Lines among lines, and words within one line: cheap where a text is long.
        lines = _LINE.findall(data)
        if shape is _LINE:
            _change(dice, lines, _LINE.findall(dice.choice(seeds)))
        else:
            at = dice.randrange(len(lines))
            words = _WORD.findall(lines[at])
            _change(dice, words, _ODD_WORDS if dice.random() < 0.5 else _words(dice, seeds))
            lines[at] = b"".join(words)
        data = b"".join(lines)
    return data[:MAX_BYTES]


def _words(dice: random.Random, seeds: Sequence[bytes]) -> list[bytes]:
    return _WORD.findall(dice.choice(_LINE.findall(dice.choice(seeds)))) or [b""]


def _change(dice: random.Random, pieces: list[bytes], others: Sequence[bytes]) -> None:
    """Leaves one out, doubles it, swaps it with another, or puts one of the others there."""
    at = dice.randrange(len(pieces)) if pieces else 0
    match dice.randrange(5):
        case 0:
            del pieces[at : at + 1]
        case 1:
            pieces[at:at] = pieces[at : at + 1] * dice.choice((1, 1, 1, 40))
        case 2 if pieces:
            other = dice.randrange(len(pieces))
            pieces[at], pieces[other] = pieces[other], pieces[at]
        case 3:
            pieces[at : at + 1] = [dice.choice(others)]
        case _:
            pieces.insert(at, dice.choice(others))
