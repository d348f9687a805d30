"""Children of the fork server find what `python -m` would give them, and are ours alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streaming.child_process import ChildProcess, start_child
from streaming.fork_server import fork_server as module
from streaming.fork_server.fork_server import ForkServer, launch, present, use
from streaming.fork_server.forked_child import ForkedChild
from streaming.fork_server.launch import launch_by_exec
from streaming.fork_server.subreaper import adopt, adopts
from streaming.restart_backoff import RestartBackoff

CHILD = "tests.streaming.fork_server.told_child"


@pytest.fixture
async def server() -> AsyncIterator[ForkServer]:
    """This process's fork server, begun as one that replaces another."""
    made = use(ForkServer(*launch_by_exec(), backoff=RestartBackoff(first_s=0.01)))
    yield made
    await made.close()
    assert present() is None


async def started(how: str, *others: int) -> tuple[ChildProcess, socket.socket, dict[str, Any]]:
    """A child that will end `how`, our end of its link, and what it has found."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = await start_child(
            CHILD, [str(theirs.fileno()), how], (theirs.fileno(), *others), has_stderr=True
        )
    ours.setblocking(False)
    said = b""
    while not said.endswith(b"\n"):
        said += await asyncio.get_running_loop().sock_recv(ours, 1 << 16)
    return child, ours, {**json.loads(said), "link": int(json.loads(said)["argv"][0])}


def name_of(pid: int) -> str:
    """What `ps -o comm` shows."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


async def replaced(server: ForkServer) -> None:
    """Until it has been, once."""
    while not server.statistics().restarts:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_a_child_has_what_it_was_given_and_nothing_else(server: ForkServer) -> None:
    first, second = socket.socketpair()
    with first, second:
        given = second.fileno(), first.fileno()
        child, link, found = await started("wait", *given)
    assert isinstance(child, ForkedChild)
    assert found["argv"][1:] == ["wait"]
    assert found["open"] == sorted([0, 1, 2, found["link"], *given])
    assert (found["stdin"], found["stdout"]) == (os.devnull, os.devnull)
    assert found["tasks"] == 1
    link.close()
    await child.wait()


async def test_each_descriptor_has_the_number_that_it_has_here(server: ForkServer) -> None:
    pipes = [os.pipe() for _ in range(6)]
    places = [end for pipe in reversed(pipes) for end in pipe]
    child, link, _ = await started("wait", *places)
    for number in places:
        ours, its = (os.readlink(f"/proc/{who}/fd/{number}") for who in ("self", child.pid))
        assert ours == its
        os.close(number)
    link.close()
    await child.wait()


async def test_it_finds_what_a_child_by_exec_finds(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAID_LATER", "naïve \udcff")
    monkeypatch.delenv("HOME", raising=False)
    forked, link, found = await started("wait")
    link.close()
    await forked.wait()
    await server.close()
    other, link, expected = await started("wait")
    link.close()
    await other.wait()
    assert not isinstance(other, ForkedChild)
    assert expected["environment"]["SAID_LATER"] == "naïve \udcff"
    for name in ("environment", "path", "interrupt", "defaults", "blocked", "parent", "stdin"):
        assert found[name] == expected[name], name


async def test_operators_see_what_it_runs(server: ForkServer) -> None:
    child, link, found = await started("wait")
    assert found["name"] == "hw-child"
    assert found["command"][:3] == ["python", "-m", CHILD][: len(found["command"])]
    assert name_of(server.statistics().pid) == "hw-fork-server"
    link.close()
    await child.wait()


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("0", 0, ""),
        ("3", 3, ""),
        ("raise", 1, "ValueError: as told"),
        ("words of its own", 1, "words of its own\n"),
    ],
)
async def test_it_ends_as_a_program_does(
    server: ForkServer, how: str, code: int, said: str
) -> None:
    child, link, _ = await started(how)
    assert child.stderr is not None
    complaints = (await child.stderr.read()).decode()
    assert await child.wait() == code == child.returncode
    assert said in complaints
    assert bool(said) == bool(complaints)
    assert "Traceback" in complaints or how != "raise"
    link.close()


async def test_a_module_that_cannot_be_imported_costs_its_own_process(server: ForkServer) -> None:
    child = await start_child("tests.streaming.fork_server.nowhere", [], [], has_stderr=True)
    assert child.stderr is not None
    assert b"ModuleNotFoundError" in await child.stderr.read()
    assert await child.wait() == 1
    assert server.statistics().pid


async def test_it_is_killed_and_waited_for_as_our_own(server: ForkServer) -> None:
    child, link, found = await started("hang")
    assert found["parent"] == os.getpid()
    child.kill()
    assert await child.wait() == -signal.SIGKILL
    child.kill()  # which then means nobody
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    link.close()


@pytest.mark.parametrize("before", [True, False])
async def test_orphans_of_others_are_adopted_as_before(before: bool) -> None:
    usually = adopts()
    adopt(before)
    try:
        server = use(ForkServer(*launch_by_exec()))
        child, link, _ = await started("0")
        await child.wait()
        link.close()
        assert isinstance(child, ForkedChild)
        assert adopts() is before
        await server.close()
        assert adopts() is before
    finally:
        adopt(usually)


async def test_no_two_draw_the_same_numbers(server: ForkServer) -> None:
    one, first_link, first = await started("0")
    two, second_link, second = await started("0")
    assert not set(first["drawn"]) & set(second["drawn"])
    await one.wait()
    await two.wait()
    first_link.close()
    second_link.close()


async def test_it_has_one_thread_when_it_forks_though_numpy_has_begun_some(
    server: ForkServer,
) -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        encoder = await start_child(
            "streaming.transcode.worker", [str(theirs.fileno())], [theirs.fileno()]
        )
    assert await encoder.wait() == 0
    child, link, found = await started("wait")
    assert {"av", "numpy"} <= set(found["imported"])
    assert len(os.listdir(f"/proc/{server.statistics().pid}/task")) == 1
    link.close()
    await child.wait()


async def test_its_death_is_felt_by_no_child_and_it_is_replaced(
    server: ForkServer, caplog: pytest.LogCaptureFixture
) -> None:
    child, link, _ = await started("wait")
    before = server.statistics()
    os.kill(before.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        await replaced(server)
    assert "fork server: it has ended, next in 0.0 s" in caplog.text
    assert child.returncode is None
    link.send(b".")
    assert await child.wait() == 1  # as a program that returns a string
    link.close()
    other, link, _ = await started("0")
    assert isinstance(other, ForkedChild)
    assert await other.wait() == 0
    link.close()
    assert server.statistics().pid != before.pid


async def test_whoever_asks_while_there_is_none_gets_a_child_by_exec(server: ForkServer) -> None:
    os.kill(server.statistics().pid, signal.SIGSTOP)
    asking = asyncio.create_task(started("0"))
    await asyncio.sleep(0)
    os.kill(server.statistics().pid, signal.SIGKILL)
    child, link, _ = await asking
    assert not isinstance(child, ForkedChild)
    assert await child.wait() == 0
    link.close()


async def test_one_that_does_not_answer_is_replaced(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.01)
    os.kill(server.statistics().pid, signal.SIGSTOP)
    child, link, _ = await started("0")
    assert not isinstance(child, ForkedChild)
    assert "fork server: it does not answer" in caplog.text
    await child.wait()
    link.close()


async def test_a_child_that_nobody_waits_for_any_more_is_ended(server: ForkServer) -> None:
    _, first_link, _ = await started("0")
    first_link.close()
    ours, theirs = socket.socketpair()
    with theirs:
        number = theirs.fileno()
        asking = asyncio.create_task(start_child(CHILD, [str(number), "hang"], [number]))
        await asyncio.sleep(0)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
    ours.setblocking(False)
    async with asyncio.timeout(10):
        while await asyncio.get_running_loop().sock_recv(ours, 1 << 16):
            pass
    ours.close()


async def test_a_child_that_cannot_be_forked_is_an_error_of_the_system(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    answer.set_exception(BlockingIOError(11, "Resource temporarily unavailable"))
    monkeypatch.setattr(server, "_ask", lambda request, descriptors: answer)
    with pytest.raises(BlockingIOError):
        await start_child(CHILD, [], [])


def test_there_is_none_where_the_system_has_no_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert launch() is None
    monkeypatch.undo()
    monkeypatch.setattr("sys.platform", "darwin")
    assert launch() is None


async def test_what_is_more_than_it_reads_is_started_by_exec(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", "x" * 100_000)
    monkeypatch.setenv("LONGER", "x" * 100_000)
    child, link, _ = await started("0")
    assert not isinstance(child, ForkedChild)
    assert await child.wait() == 0
    link.close()
    monkeypatch.delenv("LONGER")
    child, link, _ = await started("0")
    assert isinstance(child, ForkedChild)
    assert await child.wait() == 0
    link.close()
