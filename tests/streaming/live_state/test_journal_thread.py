"""The thread that writes journals does all that it is given."""

from __future__ import annotations

import os
import time
from queue import SimpleQueue
from threading import Event
from types import SimpleNamespace

import pytest

from streaming.live_state import journal_thread
from streaming.live_state.journal_thread import JournalThread

PATIENCE_S = 10.0


def test_a_job_given_at_the_moment_the_last_one_ends_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = SimpleQueue[None]()

    class Telling(SimpleQueue[None]):
        def get(self, block: bool = True, timeout: float | None = None) -> None:
            waits.put(None)
            super().get(block, timeout)

    monkeypatch.setattr(journal_thread, "SimpleQueue", Telling)
    thread = JournalThread(os.open(os.devnull, os.O_RDONLY))
    waits.get(timeout=PATIENCE_S)
    may_end, is_done = Event(), Event()

    def last_so_far() -> None:
        may_end.wait(PATIENCE_S)

    def end_the_last_one() -> float:
        may_end.set()
        waits.get(timeout=PATIENCE_S)
        return time.monotonic()

    thread.call(last_so_far)
    monkeypatch.setattr(journal_thread, "time", SimpleNamespace(monotonic=end_the_last_one))
    thread.call(is_done.set)
    assert is_done.wait(PATIENCE_S)
    thread.close()
