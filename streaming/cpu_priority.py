"""Who gets the processor first: threads that send are raised, all else keeps what it was started
with, whatever its libraries try.

SVT-AV1, run as root, makes the thread that opens it and all of its own real-time threads of the
highest priority (SCHED_FIFO 99), and so does what they start: an encoder that then has enough to do
leaves other processes five percent of a core, the origin among them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

_VERSION_3 = 0x20080522
_CAP_SYS_NICE = 23
"""linux/capability.h: to raise priorities, and to become real-time."""

Priority: TypeAlias = Literal["usual", "high", "realtime"]

HIGH_STEPS: Final = 10
"""Of nice above the process: nine times as much of a core as each other thread that wants it all.
With two such beside it a sender at 30 % of a core had a picture's last packet out within 15 ms
(p99); at five steps within 27, at none within 80, and most viewers lost pictures. What it leaves is
enough to feed it."""
REAL_TIME_LEVEL: Final = 1
"""The lowest; all that is not real-time is left 5 % of a core by such a thread (sched(7))."""


def raise_threads(ids: Sequence[int], wanted: Priority) -> Priority:
    """Raises threads of this process as far as the system allows, and gives how far.

    It allows it with CAP_SYS_NICE, or within RLIMIT_NICE and RLIMIT_RTPRIO.
    """
    if sys.platform != "linux":
        return "usual"  # elsewhere the number of a thread is another one's of a process
    if wanted == "realtime" and _all(ids, _make_real_time):
        return "realtime"
    if wanted != "usual" and _all(ids, _make_nicer):
        return "high"
    return "usual"


def _all(ids: Sequence[int], make: Callable[[int], None]) -> bool:
    try:
        for one in ids:
            make(one)
    except OSError:  # of one process, so it is the first that is refused
        return False
    return True


def _make_real_time(thread: int) -> None:
    # What the thread starts is not to be so, too.
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(thread, policy, os.sched_param(REAL_TIME_LEVEL))


def _make_nicer(thread: int) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, thread, own - HIGH_STEPS)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def give_up_raising_priority() -> None:
    """From now on this thread, and all that it starts, can only lower their priority.

    Threads that there are already keep their capabilities, so it is called before there are others
    than those that were raised.
    """
    if sys.platform != "linux":
        return
    for limit in (resource.RLIMIT_NICE, resource.RLIMIT_RTPRIO):
        with contextlib.suppress(OSError):  # a sandbox without them
            resource.setrlimit(limit, (0, 0))
    libc = ctypes.CDLL(None)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets):
        return
    kept = ~(1 << _CAP_SYS_NICE)
    sets[0].effective &= kept
    sets[0].permitted &= kept
    sets[0].inheritable &= kept
    libc.capset(ctypes.byref(header), sets)
