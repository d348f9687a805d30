"""Whether processes whose parents have ended become ours, or init's as they are everywhere."""

from __future__ import annotations

import ctypes
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37


def adopt(wanted: bool) -> bool:
    """Switches it for this process; False where that cannot be. Linux only."""
    libc = ctypes.CDLL(None)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) == 0)


def adopts() -> bool:
    """Whether they do now, for whatever reason. Linux only."""
    is_subreaper = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(is_subreaper), 0, 0, 0)
    return bool(is_subreaper.value)
