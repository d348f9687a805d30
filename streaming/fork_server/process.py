"""The fork server: `python -m streaming.fork_server.process <fd>`, or forked from the main process
before that has anything of its own.

It imports what children run, first what every start needs, and forks one for each request; before
each import it looks whether there is any. It has one thread and no loop, and
knows no configuration. It ends with the main process.

Each child is given to the main process, as if that had started it: an intermediate process forks it
and ends, and the kernel hands it to the nearest ancestor that is a subreaper, which the main
process is at such a moment. So the main process waits for it, learns its exit status and is what
its parent-death signal follows, and the fork server's own death is felt by no child.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import importlib
import io
import os
import select
import signal
import socket
import struct
import sys
import time
from typing import Final, NoReturn

import msgspec

from streaming.fork_server.child import run_child
from streaming.fork_server.messages import MOST_BYTES, MOST_DESCRIPTORS, Forked, ForkRequest
from streaming.fork_server.modules import AT_ONCE, FORK_SERVER, NAMES
from streaming.fork_server.process_title import set_title

MODULE: Final = "streaming.fork_server.process"
_IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Reach the whole process group; the main process decides when we end."""
IDLE_S: Final = 0.5
"""Without a request for so long the start is over, and nobody is kept waiting by an import."""
ADOPTION_S: Final = 0.0002
"""Between two looks whether a child has its new parent."""
MOST_FILES: Final = 1 << 20
"""More than Linux has by default; closing what is not open costs nothing."""
_PR_SET_PDEATHSIG: Final = 1
_PID: Final = struct.Struct("i")


def serve(link: socket.socket, parent: int) -> NoReturn:
    """Serves until the main process, `parent`, closes its end of `link`, or dies."""
    signals = [(number, signal.signal(number, signal.SIG_IGN)) for number in _IGNORED]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    os.closerange(3, link.fileno())
    os.closerange(link.fileno() + 1, MOST_FILES)
    set_title(FORK_SERVER, ("python", "-m", MODULE))
    gc.disable()  # what is imported stays
    asked = _next_child(link, parent)
    if asked is None:
        os._exit(0)
    request, descriptors = asked
    for number, disposition in signals:
        signal.signal(number, disposition)
    gc.enable()
    run_child(request, descriptors)


def _next_child(link: socket.socket, parent: int) -> tuple[ForkRequest, list[int]] | None:
    """Returns in each child, with what it was asked to be; and once here, when `link` ends."""
    awaited = list(NAMES)
    while True:
        if awaited and not _is_asked(link, 0.0 if awaited[0] in AT_ONCE else IDLE_S):
            _import(awaited.pop(0))
            continue
        data, descriptors, _, _ = socket.recv_fds(
            link, MOST_BYTES, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            return None
        request = msgspec.msgpack.decode(data, type=ForkRequest)
        if request.module in awaited:
            awaited.remove(request.module)
            _import(request.module)
        gc.freeze()  # or the first collection would copy all pages
        answer = _fork(parent)
        if answer is None:
            link.close()
            return request, descriptors
        for descriptor in descriptors:
            os.close(descriptor)
        with contextlib.suppress(ConnectionError):
            link.send(msgspec.msgpack.encode(answer))


def _is_asked(link: socket.socket, within_s: float) -> bool:
    poll = select.poll()  # a descriptor of a busy main process is beyond what select() takes
    poll.register(link, select.POLLIN)
    return bool(poll.poll(within_s * 1000))


def _import(module: str) -> None:
    """A child of a module that cannot be imported tries for itself, and says what is wrong."""
    with contextlib.suppress(Exception):
        importlib.import_module(module)


def _fork(parent: int) -> Forked | None:
    """The child's pid; None in the child, which is `parent`'s then."""
    try:
        reading, writing = os.pipe()
    except OSError as error:
        return Forked(0, error.errno or errno.EMFILE)
    with open(reading, "rb", buffering=0) as said, open(writing, "wb", buffering=0) as saying:
        try:
            intermediate = os.fork()
        except OSError as error:
            return Forked(0, error.errno or errno.EAGAIN)
        if intermediate == 0:
            _leave_child(saying, parent)
            return None
        saying.close()
        answer = said.read(_PID.size) or b""
        os.waitpid(intermediate, 0)
    number = _PID.unpack(answer)[0] if len(answer) == _PID.size else -errno.EAGAIN
    return Forked(number) if number > 0 else Forked(0, -number)


def _leave_child(saying: io.FileIO, parent: int) -> None:
    """Ends the intermediate process; returns in the child, once that is `parent`'s."""
    intermediate = os.getpid()
    try:
        number = os.fork()
    except OSError as error:
        number = -(error.errno or errno.EAGAIN)
    if number != 0:
        try:
            saying.write(_PID.pack(number))
        finally:
            os._exit(0)
    while os.getppid() == intermediate:
        time.sleep(ADOPTION_S)
    if os.getppid() != parent:  # the main process has died: whose are we now?
        os._exit(1)


def main(arguments: list[str]) -> NoReturn:
    """Serves the process that has started us; the argument is the link's descriptor."""
    serve(socket.socket(fileno=int(arguments[0])), os.getppid())


if __name__ == "__main__":
    main(sys.argv[1:])
