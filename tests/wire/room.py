"""The two namespaces and the wire between them; see the package's head."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.interop.origin_process import OriginPlace
from tests.wire.program import CLONE_NEWNET, DEVICES, Answer, Command
from tests.wire.way import Way

SERVER: Final = "10.77.0.1"
VIEWER: Final = "10.77.0.2"
OUTSIDE: Final = "10.77.0.3"
"""What the server sees of the viewer after a rebinding."""


class WireRoom:
    """Made by `wire_room`; the test may call everything."""

    def __init__(self, program: subprocess.Popen[str], namespaces: Sequence[str]) -> None:
        self._program = program
        self.server_namespace, self.viewer_namespace = namespaces

    def set(self, *, down: Way | None = None, up: Way | None = None) -> None:
        """How the wire is from now on; ``down`` is towards the viewer."""
        self._tell(Command(down=down, up=up))

    def rebind(self) -> None:
        """The viewer's UDP comes from another address and port from now on."""
        self._tell(Command(rebind=True))

    def statistics(self) -> Answer:
        """What has passed."""
        return self._tell(Command())

    @property
    def server_place(self) -> OriginPlace:
        """Where the origin is to run."""
        return OriginPlace(SERVER, tuple(self.in_server()))

    def in_server(self, *command: str) -> list[str]:
        """The command line that runs `command` where the server is."""
        return ["ip", "netns", "exec", self.server_namespace, *command]

    def _tell(self, command: Command) -> Answer:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(msgspec.json.encode(command).decode() + "\n")
        self._program.stdin.flush()
        return msgspec.json.decode(self._program.stdout.readline(), type=Answer)


@contextlib.contextmanager
def wire_room(seed: int = 1) -> Iterator[WireRoom]:
    """A wire that does nothing yet; the calling thread is at its viewer's end meanwhile.

    Skips the test where namespaces or TUN devices are not to be had.
    """
    names = [f"hw-{end}-{os.getpid()}" for end in ("server", "viewer")]
    with contextlib.ExitStack() as stack:
        for name in names:
            _make_namespace(name)
            stack.callback(_ip, "netns", "delete", name)
        program = stack.enter_context(_program(seed, names))
        for name, device, address in zip(names, DEVICES, (SERVER, VIEWER), strict=True):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", device)
            _ip("-n", name, "link", "set", device, "up")
            _ip("-n", name, "link", "set", "lo", "up")
        stack.enter_context(_inside(names[1]))
        yield WireRoom(program, names)


def _make_namespace(name: str) -> None:
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("network namespaces and TUN devices take root")
    try:
        _ip("netns", "add", name)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")


@contextlib.contextmanager
def _program(seed: int, namespaces: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    arguments = [str(seed), VIEWER, OUTSIDE, *namespaces]
    command = [sys.executable, "-m", "tests.wire.program", *arguments]
    pipe = subprocess.PIPE
    # A wire waits for nobody: a session of its own has its turn whatever its ends do (sched(7)).
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as program:
        assert program.stdout is not None
        if not program.stdout.readline():
            pytest.skip("no TUN devices here")
        try:
            yield program
        finally:
            program.kill()


@contextlib.contextmanager
def _inside(namespace: str) -> Iterator[None]:
    """The calling thread, and what it starts, is in the namespace."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    inside = os.open(Path("/run/netns") / namespace, os.O_RDONLY)
    try:
        _enter(inside)
        yield
    finally:
        _enter(before)
        os.close(before)
        os.close(inside)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
