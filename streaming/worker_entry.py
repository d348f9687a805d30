"""The first lines of every worker process: find the link, and never outlive the parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from streaming.cpu_priority import give_up_raising_priority
from streaming.link import BlockingLink

_PR_SET_PDEATHSIG = 1


def enter_worker(argv: Sequence[str], message_type: Any) -> BlockingLink[Any]:
    """Makes this process a worker and returns its link; `argv` is `[fd, ...]`, no program in it."""
    live_with_parent()
    return BlockingLink.from_fd(int(argv[0]), message_type)


def live_with_parent(*, raises_priority: bool = False) -> None:
    """Makes this process end when its parent decides, or with it.

    Ctrl-C reaches the whole process group: it is the parent's business, which closes the link.
    The kernel kills us with the parent, so that a worker stuck inside FFmpeg cannot stay behind.
    Its libraries cannot give themselves a higher priority than the parent's; with
    ``raises_priority`` from when it calls `give_up_raising_priority` itself.
    """
    if not raises_priority:
        give_up_raising_priority()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
