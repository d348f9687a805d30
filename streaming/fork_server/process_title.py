"""How a forked process is called where operators look: /proc, ps, top."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

_PR_SET_NAME = 15
_ARG_START, _ARG_END = 47, 48
"""Fields of /proc/<pid>/stat, counted from 0 (proc(5) has them as 48 and 49)."""


def set_title(name: str, words: Sequence[str]) -> None:
    """`name` (15 bytes at most) for top, `words` as the command line as far as there is room.

    A command line is memory of the process itself, which nobody reads but the kernel: Python has
    copied its own. Without this each child would be called like the process it was forked from.
    """
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15])
    with open("/proc/self/stat", "rb") as stat:
        _, _, after = stat.read().rpartition(b")")
    fields = [b"", b"", *after.split()]
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    text = b"\0".join(word.encode() for word in words)[: end - start - 1]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text, len(text))
