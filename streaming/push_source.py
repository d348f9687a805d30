"""What a push sends: a file, a stream or the test source as items in the order to be sent."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import av
from av.container import InputContainer

from streaming.config_paths import TEST_SCHEME
from streaming.errors import RemoteError
from streaming.ingest.demux import Demuxer, is_recording, open_input, read_packets, sentence
from streaming.ingest.pacing import Item, Reel
from streaming.utc_clock import steady_utc

T = TypeVar("T")

AHEAD_ITEMS = 64
"""Read before they are sent: a second of media, so that a slow disk is not seen."""
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Timed:
    """One item, and whether it has to be paced: live sources have a pace of their own."""

    item: Item
    is_paced: bool


def read_source(
    url: str,
    loop: bool,
    note: Callable[[str], None],
    tell_length: Callable[[float], None],
) -> Iterator[Timed]:
    """The items of `url` (or `test:`), endless with `loop`.

    `note` is told in one sentence what the user should know, `tell_length` the seconds of a
    recording that is read once. Raises ConfigError, RemoteError and
    MediaError.
    """
    if url.startswith(TEST_SCHEME):
        yield from _read_test_source(url)
        return
    reel = Reel()
    is_first = True
    while True:
        with open_input(url) as container:
            is_paced = is_recording(container, url)
            demuxer = Demuxer(container)
            if is_first:
                for name, codec in demuxer.recoded.items():
                    note(f"{name}: {codec} is encoded anew, RTMP does not carry it")
                if container.duration is not None and is_paced and not loop:
                    tell_length(container.duration / av.time_base)
            is_first = False
            for item in _read_pass(url, container, demuxer, reel):
                yield Timed(item, is_paced)
        for item in reel.flush():
            yield Timed(item, is_paced)
        if not reel.end_pass():
            raise RemoteError(f"{url}: the source has no length")
        if not loop or not is_paced:
            return


def _read_test_source(url: str) -> Iterator[Timed]:
    # Here, because numpy is needed for nothing else.
    from streaming.ingest.test_source import TestSource, parse_test_url

    clock = steady_utc()
    source = TestSource(parse_test_url(url), clock())
    yield Timed(source.tracks, False)
    while True:
        time.sleep(max(0.0, source.next_utc - clock()))
        for sample in source.produce(clock()):
            yield Timed(sample, False)


def _read_pass(url: str, container: InputContainer, demuxer: Demuxer, reel: Reel) -> Iterator[Item]:
    try:
        for packet in read_packets(container, demuxer.streams):
            for item in demuxer.push(packet):
                yield from reel.push(item)
    except av.FFmpegError as error:
        raise RemoteError(sentence(url, error)) from error
    for item in demuxer.flush():
        yield from reel.push(item)


class ReadAhead(Generic[T]):
    """Owns a thread that reads an iterator, so that whoever waits for its items can be interrupted.

    FFmpeg may sit in a read for ten seconds, and Python hears Ctrl-C only between two calls.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: queue.Queue[T | Exception | None] = queue.Queue(AHEAD_ITEMS)
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="read ahead", daemon=True).start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item = self._queue.get()
        if item is None:
            raise StopIteration
        if isinstance(item, Exception):
            raise item
        return item

    def stop(self) -> None:
        """No more items are wanted; does not wait for the thread."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except Exception as error:  # whoever waits for items must not wait for ever
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: T | Exception | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
