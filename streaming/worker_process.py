"""A worker process seen from the event loop: spawned, watched, restarted, stopped.

FFmpeg work can crash, hang and leak, so it lives in processes of its own. The rules:

- The worker gets one end of a socket pair; messages are framed by `streaming.link`.
- It must say something (any message) at least every `silence_s`, or it is killed; before its
  first message it has `start_s`, because importing FFmpeg on a loaded machine takes a while.
- Whatever ends it, it is started again, after `RestartBackoff`'s delay, until `close()`; unless
  its owner has rules of its own, which then calls `start()` for each run.
- `close()` closes the link, which a healthy worker answers by exiting; after `CLOSE_GRACE_S` it
  is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from streaming.child_process import ChildProcess, start_child
from streaming.link import Link
from streaming.restart_backoff import RestartBackoff

M = TypeVar("M")

SILENCE_S = 10.0
"""Workers report each second; ten missing reports are no mere scheduling delay."""
START_S = 30.0
"""Interpreter, FFmpeg and a try of each hardware encoder took under 3 s; slow disks exist."""
LOOP_STALL_S = 1.0
"""A watchdog that is late by more blames the event loop, not the worker."""
CLOSE_GRACE_S = 2.0
"""Between closing the link and SIGKILL; nothing a worker holds is worth more."""
STDERR_LINES = 100
"""Lines of one run that reach the log; a worker that repeats itself must not fill the disk."""
STDERR_LINE_CHARS = 500

logger = logging.getLogger(__name__)

_SECRETS = re.compile(r"(?i)\b(key|token|pass(?:word|phrase)?|secret|streamid)=[^\s&\"']+")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def redact(text: str) -> str:
    """`text` without the secrets that URLs carry: credentials, and keys in the query."""
    return _SECRETS.sub(r"\1=***", _CREDENTIALS.sub("***@", text))


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """Why a run of a worker ended; a negative `returncode` is a signal's number."""

    returncode: int
    reason: str
    ran_s: float
    restart_in_s: float
    """Seconds until the next start; negative when there is none by itself."""


@dataclass(frozen=True, slots=True)
class WorkerStatistics:
    """State of a worker process."""

    pid: int
    """0 while none runs."""
    starts: int
    kills: int
    """Runs that the watchdog ended."""
    last_exit: WorkerExit | None


class WorkerProcess(Generic[M]):
    """Owns one worker process and its link; its creator starts, talks to and closes it.

    `module` is run as `python -m module <fd> *argv`, and inherits `descriptors`, each run again.
    Secrets do not belong in `argv`, which every user of the machine can read: send them in
    `on_start`. What it prints is logged, a bounded part of it, unless it `logs_itself`.

    All callbacks run on the event loop: `on_start()` when a run's link is open (send the set-up
    there), `on_message(message)` for each message, `on_exit(exit)` when a run has ended; none is
    called after `close()` returned.
    """

    def __init__(
        self,
        module: str,
        argv: Sequence[str],
        message_type: Any,
        on_message: Callable[[M], None],
        on_exit: Callable[[WorkerExit], None],
        *,
        on_start: Callable[[], None] = lambda: None,
        name: str = "",
        silence_s: float = SILENCE_S,
        start_s: float = START_S,
        backoff: RestartBackoff | None = None,
        restarts: bool = True,
        descriptors: Sequence[int] = (),
        logs_itself: bool = False,
    ) -> None:
        self._module = module
        self._argv = tuple(argv)
        self._descriptors = tuple(descriptors)
        self._logs_itself = logs_itself
        self._message_type = message_type
        self._on_message = on_message
        self._on_exit = on_exit
        self._on_start = on_start
        self._name = name or module
        self._silence_s = silence_s
        self._start_s = start_s
        self._backoff = backoff or RestartBackoff()
        self._restarts = restarts
        self._link: Link[M] | None = None
        self._process: ChildProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._alive_at = 0.0
        self._allowed_silence_s = start_s
        self._why = ""
        self._closing = False
        self._starts = self._kills = 0
        self._last_exit: WorkerExit | None = None

    def start(self) -> None:
        """Begins; needs a running loop. While it runs, or waits to, this does nothing."""
        if not self._closing and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._run_forever())

    async def close(self) -> None:
        """Stops the worker for good and waits until it has gone."""
        self._closing = True
        if self._task is None:
            return
        if self._link is not None:
            self._link.close()
            await asyncio.wait([self._task], timeout=CLOSE_GRACE_S)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def send(self, message: Any) -> bool:
        """Queues one message; False when no worker runs and it went nowhere."""
        if self._link is None or self._link.closed:
            return False
        self._link.send(message)
        return True

    def send_frame(self, frame: bytearray) -> bool:
        """The same with a frame made by `encode_frame`."""
        if self._link is None or self._link.closed:
            return False
        self._link.send_frame(frame)
        return True

    @property
    def running(self) -> bool:
        """Whether a worker is there to talk to."""
        return self._link is not None and not self._link.closed

    @property
    def buffered_bytes(self) -> int:
        """How far the worker is behind with reading what was sent."""
        return 0 if self._link is None else self._link.buffered_bytes

    def restart(self, reason: str) -> None:
        """Kills the present run; the next follows after the back-off."""
        self._why = self._why or reason
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def statistics(self) -> WorkerStatistics:
        """The present state."""
        pid = 0 if self._process is None else self._process.pid
        return WorkerStatistics(pid, self._starts, self._kills, self._last_exit)

    async def _run_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing:
            began = loop.time()
            self._why = ""
            try:
                returncode = await self._run_once()
            except OSError as error:  # no process, no descriptors, no memory
                returncode, self._why = 127, f"cannot start: {error}"
            ran_s = loop.time() - began
            ends = self._closing or not self._restarts
            restart_in_s = -1.0 if ends else self._backoff.delay_s(ran_s)
            reason = self._why or _describe(returncode)
            self._last_exit = WorkerExit(returncode, reason, ran_s, restart_in_s)
            if self._closing:
                return
            after = f", next in {restart_in_s:.1f} s" if self._restarts else ""
            logger.warning("%s: worker ended (%s)%s", self._name, reason, after)
            self._on_exit(self._last_exit)
            if not self._restarts:
                return
            await asyncio.sleep(restart_in_s)

    async def _run_once(self) -> int:
        ours, theirs = socket.socketpair()
        try:
            self._process = await start_child(
                self._module,
                (str(theirs.fileno()), *self._argv),
                (theirs.fileno(), *self._descriptors),
                has_stderr=not self._logs_itself,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._starts += 1
        try:
            return await self._attend(self._process, ours)
        finally:
            await self._end_run(self._process)

    async def _attend(self, process: ChildProcess, ours: socket.socket) -> int:
        await Link.open(
            ours, self._message_type, self._receive, self._link_closed, self._link_opened
        )
        if process.stderr is not None:
            await self._log_stderr(process.stderr)
        return await process.wait()

    def _link_opened(self, link: Link[M]) -> None:
        self._link = link
        self._alive_at = asyncio.get_running_loop().time()
        self._allowed_silence_s = self._start_s
        self._watch()
        self._on_start()

    async def _end_run(self, process: ChildProcess) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._link is not None:
            self._link.close()
            self._link = None
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._process = None

    def _receive(self, message: M) -> None:
        self._alive_at = asyncio.get_running_loop().time()
        if self._allowed_silence_s != self._silence_s:
            self._allowed_silence_s = self._silence_s
            self._restart_watch()
        if not self._closing:
            self._on_message(message)

    def _link_closed(self) -> None:
        """A worker without a link is of no use, whether it broke it or is about to exit."""
        if self._process is not None and not self._closing:
            asyncio.get_running_loop().call_later(CLOSE_GRACE_S, self._kill_run, self._starts)

    def _kill_run(self, run: int) -> None:
        if run == self._starts:
            self.restart("it closed its link and stayed")

    def _restart_watch(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watch()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._alive_at + self._allowed_silence_s
        if loop.time() > due + LOOP_STALL_S:  # we did not listen: what was said waits to be read
            self._alive_at = loop.time() + LOOP_STALL_S - self._allowed_silence_s
            due = loop.time() + LOOP_STALL_S
        if loop.time() < due:
            self._watchdog = loop.call_at(due, self._watch)
            return
        self._kills += 1
        self.restart(f"silent for {self._allowed_silence_s:g} s")

    async def _log_stderr(self, stderr: asyncio.StreamReader) -> None:
        lines = 0
        while True:
            try:
                line = await stderr.readline()
            except ValueError:  # longer than the reader's limit: it has been thrown away
                continue
            if not line:
                return
            lines += 1
            if lines <= STDERR_LINES:
                text = redact(line.decode(errors="replace").rstrip()[:STDERR_LINE_CHARS])
                logger.warning("%s: worker says: %s", self._name, text)


def _describe(returncode: int) -> str:
    return f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}"


__all__ = [
    "WorkerExit",
    "WorkerProcess",
    "WorkerStatistics",
    "redact",
]
