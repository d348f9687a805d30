"""Keeps a process at the priority it was started with, whatever its libraries try.

SVT-AV1, run as root, makes the thread that opens it and all of its own real-time threads of the
highest priority (SCHED_FIFO 99), and so does what they start: an encoder that then has enough to do
leaves other processes five percent of a core, the origin among them.
"""

from __future__ import annotations

import ctypes
import sys

_VERSION_3 = 0x20080522
_CAP_SYS_NICE = 23
"""linux/capability.h: to raise priorities, and to become real-time."""


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

    To be called before there are other threads. Does nothing where there are no capabilities.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets):
        return
    kept = ~(1 << _CAP_SYS_NICE)
    sets[0].effective &= kept
    sets[0].permitted &= kept
    sets[0].inheritable &= kept
    libc.capset(ctypes.byref(header), sets)
