"""Whether processes whose parents have ended become ours, or init's as they are everywhere."""

from __future__ import annotations

import ctypes
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36


def adopt(wanted: bool) -> bool:
    """Switches it for this process; False where that cannot be. Linux only."""
    libc = ctypes.CDLL(None)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) == 0)
