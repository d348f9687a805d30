"""A thread that works on one source after the other, and the queue before it."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from segmenter.media import Sample
from streaming.transcode.gop_queue import GopQueue
from streaming.transcode.messages import StartMessage

Control = StartMessage | threading.Event | Literal["stop"]


class SourceThread(ABC):
    """Owns a thread and its queue; its creator puts and asks, the thread calls what is abstract.

    A source lasts from ``start`` to the next one, to ``drain`` or to ``stop``.
    """

    def __init__(self, name: str, on_failure: Callable[[BaseException], None]) -> None:
        """``on_failure`` is called by the thread, which ends then. Whoever derives starts it."""
        self._queue: GopQueue[Control] = GopQueue()
        self._busy_since: float | None = None
        """On the monotonic clock; None while it waits."""
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self, message: StartMessage) -> None:
        """A new source from the next sample on."""
        self._queue.put_control(message, self._timescale(message))

    def put(self, sample: Sample) -> None:
        """Queues a sample; never waits."""
        self._queue.put(sample)

    def drain(self) -> threading.Event:
        """Set when all that was put has been emitted."""
        done = threading.Event()
        self._queue.put_control(done)
        return done

    def stop(self) -> None:
        """Finishes what was put, and ends."""
        self._queue.put_control("stop")
        self._thread.join()

    @abstractmethod
    def _timescale(self, message: StartMessage) -> int:
        """Of the samples that are put; 1 where there are none."""

    @abstractmethod
    def _begin(self, message: StartMessage) -> None:
        """The thread takes a source up."""

    @abstractmethod
    def _take(self, sample: Sample) -> None:
        """A sample of the present source, if there is one."""

    @abstractmethod
    def _end(self) -> None:
        """Everything of the present source, if there is one, goes out."""

    def _run(self) -> None:
        try:
            while self._step(self._queue.take()):
                self._busy_since = None
            self._busy_since = None
        except BaseException as error:
            self._on_failure(error)

    def _step(self, item: Sample | Control) -> bool:
        self._busy_since = time.monotonic()
        if isinstance(item, Sample):
            self._take(item)
            return True
        self._end()
        if isinstance(item, StartMessage):
            self._begin(item)
        elif isinstance(item, threading.Event):
            item.set()
        return item != "stop"
