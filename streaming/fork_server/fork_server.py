"""The main process's side of its fork server: begun early, asked, replaced.

launch()                 forked from what there is of the main process, before threads and sockets
  └─→ fork(...)          a child of ours, in milliseconds
  ╳ it dies              no child notices; whoever asks meanwhile is refused and starts by exec
  └─→ exec, back-off     its successor, as the main process has grown
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from streaming.errors import LocalError
from streaming.fork_server.forked_child import ForkedChild
from streaming.fork_server.launch import can_launch, launch_by_exec, launch_by_fork
from streaming.fork_server.messages import MOST_BYTES, MOST_DESCRIPTORS, Forked, ForkRequest
from streaming.fork_server.subreaper import adopt, adopts
from streaming.restart_backoff import RestartBackoff

logger = logging.getLogger(__name__)

ANSWER_S: Final = 30.0
"""Its imports take half a second, and many on a slow disk; one that hangs is killed."""
CLOSE_S: Final = 1.0
"""What is killed ends within milliseconds."""


class NoForkServerError(LocalError):
    """There is no fork server now; a child can be started by exec."""


@dataclass(frozen=True, slots=True)
class ForkServerStatistics:
    """What the fork server has done; counters only rise."""

    pid: int
    """0 while there is none."""
    restarts: int
    forks: int


class ForkServer:
    """Owns the fork server; the composition root follows and closes it, and whoever starts a child
    asks it by `fork`. Before the first of these nothing of it needs a loop."""

    def __init__(
        self, link: socket.socket, pid: int, backoff: RestartBackoff | None = None
    ) -> None:
        """`pid` is our child and serves the other end of `link`."""
        self._link = link
        self._pid = pid
        self._backoff = backoff or RestartBackoff(first_s=0.5, most_s=30.0)
        self._began_at: float | None = None
        self._adopts_anyway = adopts()
        self._turn = asyncio.Lock()
        self._answers: deque[asyncio.Future[int]] = deque()
        self._successor: asyncio.TimerHandle | None = None
        self._restarts = 0
        self._forks = 0

    async def fork(
        self,
        module: str,
        arguments: Sequence[str],
        descriptors: Sequence[int],
        stderr: int | None,
        environment: Mapping[str, str],
    ) -> int:
        """Pid of a new child of this process that runs `module`.

        Raises NoForkServerError where there is none, and OSError where the system has no room.
        """
        request = ForkRequest(
            module, tuple(arguments), tuple(descriptors), stderr is not None,
            {os.fsencode(name): os.fsencode(value) for name, value in environment.items()},
        )  # fmt: skip
        passed = [*descriptors, *([] if stderr is None else [stderr])]
        async with self._turn:
            answer = self._ask(msgspec.msgpack.encode(request), passed)
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await asyncio.shield(answer)
            except TimeoutError:
                self._lose("it does not answer")
                raise NoForkServerError("the fork server does not answer") from None
            except asyncio.CancelledError:
                answer.add_done_callback(_end_unwanted)
                raise

    def statistics(self) -> ForkServerStatistics:
        """The present state."""
        return ForkServerStatistics(self._pid, self._restarts, self._forks)

    async def close(self) -> None:
        """Ends it for good; its children have nothing to do with it."""
        forget(self)
        if self._successor is not None:
            self._successor.cancel()
        ended = self._let_go("it is closed")
        if ended is not None:
            with contextlib.suppress(TimeoutError):  # one that waits for a disk cannot be killed
                await asyncio.wait_for(ended.wait(), CLOSE_S)

    # -- its link ----------------------------------------------------------------------------

    def _ask(self, request: bytes, descriptors: Sequence[int]) -> asyncio.Future[int]:
        if not self._pid:
            raise NoForkServerError("there is no fork server now")
        if len(request) > MOST_BYTES or len(descriptors) > MOST_DESCRIPTORS:
            raise NoForkServerError("this is more than it reads")
        self._follow()
        self._adopt(True)
        try:
            socket.send_fds(self._link, [request], descriptors)
        except OSError as error:
            self._adopt(bool(self._answers))
            raise NoForkServerError(f"the fork server takes no request: {error}") from error
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        return answer

    def _adopt(self, wanted: bool) -> None:
        adopt(wanted or self._adopts_anyway)

    def _follow(self) -> None:
        if self._began_at is None:
            loop = asyncio.get_running_loop()
            self._began_at = loop.time()
            self._link.setblocking(False)
            loop.add_reader(self._link, self._read)

    def _read(self) -> None:
        try:
            data = self._link.recv(MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose("it has ended")
            return
        answer = self._answers.popleft()
        self._adopt(bool(self._answers))
        forked = msgspec.msgpack.decode(data, type=Forked)
        self._forks += forked.pid > 0
        if forked.pid > 0:
            answer.set_result(forked.pid)
        else:
            answer.set_exception(OSError(forked.errno, os.strerror(forked.errno)))

    # -- its lives ---------------------------------------------------------------------------

    def _lose(self, reason: str) -> None:
        if not self._pid:
            return
        loop = asyncio.get_running_loop()
        ran_s = loop.time() - (self._began_at or loop.time())
        self._let_go(reason)
        delay_s = self._backoff.delay_s(ran_s)
        logger.warning("fork server: %s, next in %.1f s", reason, delay_s)
        self._successor = loop.call_later(delay_s, self._begin_again)

    def _let_go(self, reason: str) -> ForkedChild | None:
        """Ends this run, and tells those who wait for it; the process, if there was one."""
        if not self._pid:
            return None
        if self._began_at is not None:
            asyncio.get_running_loop().remove_reader(self._link)
        self._began_at = None
        self._link.close()
        pid, self._pid = self._pid, 0
        ended = ForkedChild(pid)
        ended.kill()
        self._adopt(False)
        while self._answers:
            answer = self._answers.popleft()
            if not answer.done():
                answer.set_exception(NoForkServerError(f"the fork server: {reason}"))
        return ended

    def _begin_again(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._link, self._pid = launch_by_exec()
        except OSError as error:
            delay_s = self._backoff.delay_s(0)
            logger.warning("fork server: cannot start: %s, next in %.1f s", error, delay_s)
            self._successor = loop.call_later(delay_s, self._begin_again)
            return
        self._restarts += 1
        self._follow()


_present: ForkServer | None = None


def present() -> ForkServer | None:
    """This process's fork server, whether it is alive or about to be; None where there is none."""
    return _present


def launch() -> ForkServer | None:
    """Begins this process's fork server by a fork: see `launch_by_fork`. None where it cannot."""
    if not can_launch():
        return None
    try:
        return use(ForkServer(*launch_by_fork()))
    except OSError:  # what there is no room for now may be there when a child is started
        return None


def use(server: ForkServer) -> ForkServer:
    """From here on children are forked by this one."""
    global _present
    _present = server
    return server


def forget(server: ForkServer) -> None:
    """From here on children are started by exec."""
    global _present
    if _present is server:
        _present = None


def _end_unwanted(answer: asyncio.Future[int]) -> None:
    """Whoever asked for this child has gone."""
    if not answer.cancelled() and answer.exception() is None:
        ForkedChild(answer.result()).kill()
