"""The wire itself: `python -m tests.wire.program SEED INSIDE OUTSIDE SERVER VIEWER`.

Puts one TUN device into each of the network namespaces SERVER and VIEWER, and says so. One command
a line comes on standard input, one answer goes to standard output: see `Command` and `Answer`. It
ends with its input.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from tests.wire.rebinding import Rebinding
from tests.wire.way import Way, WayStatistics, WireDirection

DEVICES = ("hw-server", "hw-viewer")
CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_MAX_PACKET_BYTES = 65_535
_MAX_PACKETS = 32
"""Taken from a device at one go, so that the other has its turn."""


class Command(msgspec.Struct, omit_defaults=True):
    """What to do; what is left out stays as it is."""

    down: Way | None = None
    """Server to viewer."""
    up: Way | None = None
    rebind: bool = False


class Answer(msgspec.Struct):
    """What has passed so far."""

    down: WayStatistics
    up: WayStatistics


class WireProgram:
    """Owns the devices and both directions."""

    def __init__(self, seed: int, rebinding: Rebinding, namespaces: Sequence[str]) -> None:
        self._server, self._viewer = map(_open_tun, DEVICES, namespaces)
        self._down, self._up = WireDirection(seed), WireDirection(seed + 1)
        self._rebinding = rebinding
        self._poll = select.poll()
        for descriptor in (sys.stdin.fileno(), self._server, self._viewer):
            self._poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        """Until the input ends."""
        self._answer()
        while True:
            for descriptor, _event in self._poll.poll(self._timeout_ms()):
                if descriptor == sys.stdin.fileno():
                    line = sys.stdin.readline()
                    if not line:
                        return
                    self._obey(msgspec.json.decode(line, type=Command))
                else:
                    self._read(descriptor)
            self._deliver(time.monotonic())

    def _timeout_ms(self) -> float | None:
        due = [at for way in (self._down, self._up) if (at := way.due_at()) is not None]
        return max(0.0, (min(due) - time.monotonic()) * 1000) if due else None

    def _obey(self, command: Command) -> None:
        now = time.monotonic()
        if command.down is not None:
            self._down.set(command.down, now)
        if command.up is not None:
            self._up.set(command.up, now)
        if command.rebind:
            self._rebinding.rebind()
        self._answer()

    def _answer(self) -> None:
        answer = Answer(self._down.statistics, self._up.statistics)
        print(msgspec.json.encode(answer).decode(), flush=True)

    def _read(self, device: int) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MAX_PACKETS):
                packet = os.read(device, _MAX_PACKET_BYTES)
                if packet[0] >> 4 != 4:
                    continue  # IPv6's neighbour discovery
                if device == self._viewer:
                    self._up.push(self._rebinding.outward(packet), time.monotonic())
                elif (seen := self._rebinding.inward(packet)) is not None:
                    self._down.push(seen, time.monotonic())

    def _deliver(self, now: float) -> None:
        for way, device in ((self._down, self._viewer), (self._up, self._server)):
            for packet in way.pop(now):
                with contextlib.suppress(OSError):  # down, or its queue is full
                    os.write(device, packet)


def _open_tun(name: str, namespace: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN_NO_PI))
    subprocess.run(["ip", "link", "set", name, "netns", namespace], check=True)
    return descriptor


def main(arguments: list[str]) -> None:
    """Runs it."""
    seed, inside, outside, *namespaces = arguments
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        sys.exit("no network namespace for us")  # in it no other wire's devices have our names
    WireProgram(int(seed), Rebinding(inside, outside), namespaces).run()


if __name__ == "__main__":
    main(sys.argv[1:])
