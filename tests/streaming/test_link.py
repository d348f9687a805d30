"""The event-loop end of a link: what it queues, when it sends, and what closing loses."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from msgspec import Struct

from streaming.link import FrameReader, Link, encode_frame


class Word(Struct, tag="word"):
    text: str


async def opened() -> tuple[Link[Any], socket.socket, asyncio.Event]:
    """A link, the other end of its socket, and whether it was closed."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    closed = asyncio.Event()
    link: Link[Any] = await Link.open(ours, Word, lambda message: None, closed.set)
    return link, theirs, closed


def received(theirs: socket.socket) -> bytes:
    try:
        return theirs.recv(1 << 20)
    except BlockingIOError:
        return b""


async def test_what_is_queued_in_one_turn_leaves_together_and_in_order() -> None:
    link, theirs, _ = await opened()
    words = [Word(str(number)) for number in range(5)]
    for word in words[:4]:
        link.send(word)
    link.send_frame(encode_frame(words[4]))
    assert received(theirs) == b""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert FrameReader[Word](Word).receive_data(received(theirs)) == words
    link.close()
    theirs.close()


async def test_queued_bytes_count_as_buffered() -> None:
    link, theirs, _ = await opened()
    frame = encode_frame(Word("x" * 100))
    link.send_frame(frame)
    assert link.buffered_bytes == len(frame)
    link.close()
    theirs.close()


async def test_closing_sends_what_is_queued() -> None:
    link, theirs, closed = await opened()
    link.send(Word("last"))
    link.close()
    await closed.wait()
    assert FrameReader[Word](Word).receive_data(received(theirs)) == [Word("last")]
    theirs.close()


async def test_what_is_sent_after_the_end_is_dropped() -> None:
    link, theirs, closed = await opened()
    theirs.close()
    await closed.wait()
    link.send(Word("nobody"))
    assert link.closed
    assert link.buffered_bytes == 0
