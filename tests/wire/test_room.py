"""The wire with real sockets at both ends."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.wire.program import Answer
from tests.wire.room import OUTSIDE, SERVER, VIEWER, WireRoom, wire_room
from tests.wire.way import Way

ECHO = """
import socket
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("10.77.0.1", 9000))
print("ready", flush=True)
while True:
    data, address = own.recvfrom(2048)
    own.sendto(address[0].encode() + b" " + data, address)
"""


@pytest.fixture(scope="module")
def room() -> Iterator[WireRoom]:
    with wire_room() as opened:
        command = opened.in_server(sys.executable, "-c", ECHO)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as echo:
            assert echo.stdout is not None
            assert echo.stdout.readline() == b"ready\n"
            yield opened
            echo.kill()


@pytest.fixture
def viewer(room: WireRoom) -> Iterator[socket.socket]:
    room.set(down=Way(), up=Way())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(5.0)
        own.connect((SERVER, 9000))
        yield own


def ask(viewer: socket.socket) -> tuple[str, float]:
    """As whom the server sees us, and how long that took to learn."""
    began = time.monotonic()
    viewer.send(b"?")
    return viewer.recv(2048).split()[0].decode(), time.monotonic() - began


def test_both_ends_meet_and_delay_is_as_asked_for(room: WireRoom, viewer: socket.socket) -> None:
    assert ask(viewer)[0] == VIEWER
    room.set(down=Way(delay_s=0.1), up=Way(delay_s=0.1))
    assert 0.2 <= ask(viewer)[1] < 0.5


def test_loss_is_counted_and_changes_while_it_runs(room: WireRoom, viewer: socket.socket) -> None:
    before: Answer = room.statistics()
    room.set(up=Way(loss=1.0))
    viewer.settimeout(0.1)
    with pytest.raises(TimeoutError):
        ask(viewer)
    after = room.statistics()
    assert after.up.lost - before.up.lost == 1
    assert after.down.pushed == before.down.pushed


def test_udp_is_blocked_when_it_is_to_be(room: WireRoom, viewer: socket.socket) -> None:
    room.set(up=Way(blocks_udp=True))
    viewer.settimeout(0.1)
    with pytest.raises(TimeoutError):
        ask(viewer)
    room.set(up=Way())
    viewer.settimeout(5.0)
    assert ask(viewer)[0] == VIEWER


def test_the_server_sees_another_address_after_a_rebinding(
    room: WireRoom, viewer: socket.socket
) -> None:
    assert ask(viewer)[0] == VIEWER
    room.rebind()
    assert ask(viewer)[0] == OUTSIDE
