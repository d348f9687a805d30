"""A live rendition that grows on command: what both servers of benchmark (g) serve."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

PARTS = 10
"""Of a segment; both of the same lengths as with the default configuration."""
PART_BYTES = 100_000
"""200 ms at 4 Mb/s."""
TARGET_S = 2
FIRST_MSN = 100
TICK_S = 0.001


def delta_text(msn: int, parts: int) -> bytes:
    """A delta update of the size that a window of 30 s has, with the parts of 6 s."""
    lines = ["#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-SKIP:SKIPPED-SEGMENTS=9\n"]
    for number in range(msn - 6, msn):
        lines += [part_line(number, index) for index in range(PARTS) if number > msn - 4]
        lines.append(f"#EXTINF:2.00000,\n{number}.m4s\n")
    lines += [part_line(msn, index) for index in range(parts)]
    return "".join(lines).encode()


def part_line(msn: int, index: int) -> str:
    """As in a playlist."""
    return f'#EXT-X-PART:DURATION=0.200000,URI="{msn}.{index}.m4s"\n'


class Position:
    """Where a rendition is: the segment in progress and how many parts it has."""

    def __init__(self) -> None:
        self.msn, self.parts = FIRST_MSN, 0

    def advance(self) -> bool:
        """One part more; True if it is the last of its segment."""
        if self.parts == PARTS:
            self.msn, self.parts = self.msn + 1, 0
        self.parts += 1
        return self.parts == PARTS

    @property
    def following(self) -> tuple[int, int]:
        """The part that comes next."""
        return (self.msn, self.parts) if self.parts < PARTS else (self.msn + 1, 0)


class Control(asyncio.DatagramProtocol):
    """Obeys the one who measures, by datagrams: `part` adds a part, `lag` tells and forgets how
    late this process's timers were."""

    def __init__(self, position: Position, add_part: Callable[[], None]) -> None:
        self._position = position
        self._add_part = add_part
        self._lag_s = 0.0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        """See asyncio."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One command, one answer."""
        assert self._transport is not None
        at = time.monotonic()
        lag_s = self._lag_s
        if data == b"part":
            self._add_part()
        elif data == b"lag":
            self._lag_s = 0.0
        msn, part = self._position.following
        answer = {"at": at, "lag_s": lag_s, "msn": msn, "part": part}
        self._transport.sendto(json.dumps(answer).encode(), addr)

    async def watch_timers(self) -> None:
        """Never returns."""
        while True:
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self._lag_s = max(self._lag_s, time.monotonic() - due)


async def obey(port: int, position: Position, add_part: Callable[[], None]) -> None:
    """Serves the control port; never returns."""
    control = Control(position, add_part)
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: control, local_addr=("127.0.0.1", port)
    )
    await control.watch_timers()
