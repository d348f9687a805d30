"""A module of ours started as a child process: forked in milliseconds where there is a fork server,
by exec otherwise. Both are the same to whoever asks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Protocol

from streaming.child_module import module_command, module_environment
from streaming.fork_server.fork_server import ForkServer, NoForkServerError, present
from streaming.fork_server.forked_child import ForkedChild


class ChildProcess(Protocol):
    """A running child, as asyncio's Process is one; whoever started it waits for it."""

    @property
    def pid(self) -> int:
        """Of the process, which until it was waited for is nobody else's."""

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative for a signal."""

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """What it complains of, where that was asked for."""

    def kill(self) -> None:
        """SIGKILL; may raise ProcessLookupError when it has ended."""

    async def wait(self) -> int:
        """Until it has ended; `returncode` then."""


async def start_child(
    module: str, arguments: Sequence[str], descriptors: Sequence[int], *, has_stderr: bool = False
) -> ChildProcess:
    """Runs `module` as `python -m module *arguments` does; it has `descriptors`, by their numbers.

    Its standard error is ours unless it `has_stderr` of its own, to be read. Raises OSError when
    there is no room for another process.
    """
    server = present()
    if server is not None:
        try:
            return await _fork(server, module, arguments, descriptors, has_stderr)
        except NoForkServerError:
            pass
    return await asyncio.create_subprocess_exec(
        *module_command(module),
        *arguments,
        pass_fds=descriptors,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE if has_stderr else None,
        env=module_environment(),
    )


async def _fork(
    server: ForkServer,
    module: str,
    arguments: Sequence[str],
    descriptors: Sequence[int],
    has_stderr: bool,
) -> ForkedChild:
    environment = module_environment()
    if not has_stderr:
        return ForkedChild(await server.fork(module, arguments, descriptors, None, environment))
    reading, writing = os.pipe()
    try:
        pid = await server.fork(module, arguments, descriptors, writing, environment)
        reader = asyncio.StreamReader()
        child = ForkedChild(pid, reader)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
        )
    except BaseException:
        child.kill()
        raise
    return child
