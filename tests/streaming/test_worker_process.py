from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from streaming import worker_process
from streaming.fork_server.fork_server import ForkServer, use
from streaming.fork_server.launch import launch_by_exec
from streaming.restart_backoff import RestartBackoff
from streaming.worker_process import WorkerExit, WorkerProcess, redact, start_child

Make = Callable[..., "Watched"]


class Watched:
    """A WorkerProcess of the echo worker, and all it said."""

    def __init__(self, **options: Any) -> None:
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.exits: asyncio.Queue[WorkerExit] = asyncio.Queue()
        self.process: WorkerProcess[str] = WorkerProcess(
            "tests.streaming.echo_worker",
            ["you"],
            str,
            self.said.put_nowait,
            self.exits.put_nowait,
            backoff=RestartBackoff(first_s=0.01),
            **options,
        )
        self.process.start()


@pytest.fixture(params=["fork", "exec"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    made: list[Watched] = []
    server = use(ForkServer(*launch_by_exec())) if request.param == "fork" else None

    def build(**options: Any) -> Watched:
        made.append(Watched(**options))
        return made[-1]

    yield build
    for watched in made:
        await watched.process.close()
    if server is not None:
        await server.close()


async def test_a_worker_hears_and_answers(make: Make) -> None:
    watched = make()
    assert await watched.said.get() == "hello you"
    assert watched.process.send("marco")
    assert await watched.said.get() == "marco"


async def test_a_start_is_known_before_the_first_word(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose worker it is sends it what to do then; a word before would be of nobody's work."""

    async def start_late(*arguments: Any, **options: Any) -> Any:
        child = await start_child(*arguments, **options)
        await asyncio.sleep(0.5)  # a busy machine: by now it has said hello
        return child

    async def open_late(*arguments: Any) -> Any:
        link = await link_open(*arguments)
        await asyncio.sleep(0.05)  # and the loop had other things to do
        return link

    link_open = worker_process.Link.open
    monkeypatch.setattr(worker_process, "start_child", start_late)
    monkeypatch.setattr(worker_process.Link, "open", open_late)
    order: asyncio.Queue[str] = asyncio.Queue()
    watched = make(on_start=lambda: order.put_nowait("started"))
    watched.process._on_message = order.put_nowait
    assert [await order.get(), await order.get()] == ["started", "hello you"]


async def test_a_killed_worker_is_started_again_and_its_signal_reported(make: Make) -> None:
    watched = make()
    await watched.said.get()
    watched.process.send("die")
    ended = await watched.exits.get()
    assert (ended.returncode, ended.reason) == (-signal.SIGKILL, "signal 9")
    assert await watched.said.get() == "hello you"
    assert watched.process.statistics().starts == 2


async def test_a_silent_worker_is_killed(make: Make) -> None:
    watched = make(silence_s=0.05)
    await watched.said.get()
    watched.process.send("hang")
    ended = await watched.exits.get()
    assert ended.reason == "silent for 0.05 s"
    assert watched.process.statistics().kills == 1


async def test_a_late_watchdog_listens_once_more_before_it_kills(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.worker_process.LOOP_STALL_S", 0.05)
    watched = make(silence_s=0.05)
    await watched.said.get()
    watched.process.send("hang")
    watched.process._alive_at -= 100  # as if the loop had stood still for so long
    watched.process._restart_watch()
    assert watched.process.statistics().kills == 0
    await watched.exits.get()
    assert watched.process.statistics().kills == 1


async def test_a_worker_that_sends_nonsense_loses_its_link(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.worker_process.CLOSE_GRACE_S", 0.01)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    watched = make()
    await watched.said.get()
    watched.process.send("nonsense")
    assert (await watched.exits.get()).restart_in_s == 0.01


async def test_closing_leaves_no_process_and_restarts_none(make: Make) -> None:
    watched = make()
    await watched.said.get()
    pid = watched.process.statistics().pid
    await watched.process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert watched.process.statistics().pid == 0
    assert not watched.process.send("anyone?")


async def test_a_worker_that_ignores_its_closed_link_is_killed(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.worker_process.CLOSE_GRACE_S", 0.01)
    watched = make()
    await watched.said.get()
    watched.process.send("hang")
    await asyncio.wait_for(watched.process.close(), 5)
    last = watched.process.statistics()
    assert last.pid == 0


async def test_what_a_worker_complains_of_is_logged_without_secrets(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    watched = make()
    await watched.said.get()
    watched.process.send("complain")
    watched.process.send("die")
    await watched.exits.get()
    assert "worker says: rtmp://***@host/app?key=***" in caplog.text
    assert "hunter2" not in caplog.text


def test_the_delay_doubles_with_each_short_run_up_to_its_bound() -> None:
    backoff = RestartBackoff(first_s=1, most_s=5, calm_s=60)
    assert [backoff.delay_s(2) for _ in range(4)] == [1, 2, 4, 5]


def test_a_long_run_forgives_the_short_ones_before_it() -> None:
    backoff = RestartBackoff(first_s=1, most_s=5, calm_s=60)
    backoff.delay_s(2)
    backoff.delay_s(2)
    assert backoff.delay_s(60) == 1


@pytest.mark.parametrize("word", ["key", "token", "passphrase", "PASSWORD"])
def test_secrets_in_a_query_are_not_shown(word: str) -> None:
    assert redact(f"srt://h:1?{word}=abc&mode=caller") == f"srt://h:1?{word}=***&mode=caller"
