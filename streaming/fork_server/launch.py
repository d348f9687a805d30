"""How a fork server begins: forked, or by exec once this process has what no child may have."""

from __future__ import annotations

import importlib
import os
import socket
import sys
import traceback
from typing import Final, NoReturn

from streaming.child_module import module_command, module_environment
from streaming.fork_server.modules import SHARED
from streaming.fork_server.subreaper import adopt, adopts

MODULE: Final = "streaming.fork_server.process"


def can_launch() -> bool:
    """Whether the system has what it takes, Linux with pidfd, and we the standard descriptors."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
        for standard in (0, 1, 2):
            os.fstat(standard)
    except OSError:
        return False
    return adopt(adopts())


def launch_by_fork() -> tuple[socket.socket, int]:
    """The link to a fork server and its pid; this process must have no thread, no secret and
    no loop."""
    for module in SHARED:
        importlib.import_module(module)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    us = os.getpid()
    with theirs:
        pid = os.fork()
        if pid == 0:
            _become(theirs, us)
    return ours, pid


def launch_by_exec() -> tuple[socket.socket, int]:
    """The same at any time. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            pid = os.posix_spawn(
                sys.executable,
                [*module_command(MODULE), str(theirs.fileno())],
                module_environment(),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), theirs.fileno()),
                ],
                setsigmask=(),
            )
        except BaseException:
            ours.close()
            raise
    return ours, pid


def _become(link: socket.socket, parent: int) -> NoReturn:
    """The forked process is from here on what exec would have made."""
    try:
        own = sys.path if sys.flags.safe_path else sys.path[1:]
        places = module_environment()["PYTHONPATH"].split(os.pathsep)
        sys.path[:] = [*places, *(place for place in own if place not in places)]
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        from streaming.fork_server.process import serve  # which the main process does not need

        serve(link, parent)
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(1)
