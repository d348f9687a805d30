"""A child that the fork server has forked for us, seen from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import Final

logger = logging.getLogger(__name__)

UNKNOWN_STATUS: Final = 255
"""Said of a child that somebody else has waited for, as asyncio does."""


class ForkedChild:
    """Owns a child process of ours and its pidfd; has what asyncio's Process has.

    Until it is waited for, which nobody else does, its pid can be nobody else's.
    """

    def __init__(self, pid: int, stderr: asyncio.StreamReader | None = None) -> None:
        """Needs a running loop. Raises OSError when it cannot be followed, and ends it."""
        self.pid = pid
        self.stderr = stderr
        self.returncode: int | None = None
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:  # no descriptor is left, and nobody to wait for it
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._pidfd, self._take_status)

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def wait(self) -> int:
        """Until it has ended; its exit status, or a signal's number, negative."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def _take_status(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        try:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            logger.warning("process %d: its exit status is not known", self.pid)
            self.returncode = UNKNOWN_STATUS
        self._ended.set()
