"""What the main process and its fork server say: one request, one answer, in order."""

from __future__ import annotations

from typing import Final

import msgspec

MOST_BYTES: Final = 1 << 17
"""A request carries the environment, some kilobytes; a socket's buffer has 200."""
MOST_DESCRIPTORS: Final = 64
"""A message of a Unix socket takes 253; WebRTC's sockets are one for each local address."""


class ForkRequest(msgspec.Struct, frozen=True, array_like=True):
    """One child; with it come the descriptors for `places`, and one more for standard error
    where it `has_stderr` of its own."""

    module: str
    arguments: tuple[str, ...]
    places: tuple[int, ...]
    """The numbers that the descriptors have in the child, as in the main process."""
    has_stderr: bool
    environment: dict[bytes, bytes]


class Forked(msgspec.Struct, frozen=True, array_like=True):
    """The answer; from here on the child is the main process's own."""

    pid: int
    """0 where there is none."""
    errno: int = 0
    """Why not."""
