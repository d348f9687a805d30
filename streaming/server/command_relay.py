"""Commands of the API on their way to the main process, and who waits for the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from streaming.command_messages import Command, CommandAnswer, CommandRequest

ANSWER_S: Final = 15.0
"""A reload that starts and stops sources takes a second."""
MOST_WAITING: Final = 100


class CommandRelay:
    """Owns the commands that wait for an answer from the main process."""

    def __init__(self, send: Callable[[CommandRequest], None]) -> None:
        self._send = send
        self._waiting: dict[int, asyncio.Future[CommandAnswer]] = {}
        self._next_id = 0

    async def ask(self, command: Command, actor: str, if_match: int | None = None) -> CommandAnswer:
        """The answer; a 503 where none comes."""
        if len(self._waiting) >= MOST_WAITING:
            return CommandAnswer(0, 503, detail="too many commands at once")
        self._next_id += 1
        number = self._next_id
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send(CommandRequest(number, command, actor, if_match))
        try:
            async with asyncio.timeout(ANSWER_S):
                answer: CommandAnswer = await future
                return answer
        except TimeoutError:
            return CommandAnswer(0, 503, detail="no answer came in time")
        finally:
            del self._waiting[number]

    def receive(self, answer: CommandAnswer) -> None:
        """An answer has come; it is nothing to those who have stopped waiting."""
        future = self._waiting.get(answer.id)
        if future is not None and not future.done():
            future.set_result(answer)
