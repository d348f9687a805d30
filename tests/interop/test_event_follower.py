"""static/events.js in a real browser: behind nginx as it can be, and over an origin that is killed.

What the browser was told is compared with the log itself, as it is on disk at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error

from streaming.events.event_files import read_events
from tests.interop.origin_process import free_ports

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx on this machine"),
]

RATE: Final = 20.0
START_S: Final = 60.0
FOLLOW: Final = """async (patienceMs) => {
    const { followEvents } = await import("/static/events.js");
    window.told = [];
    window.resets = [];
    window.states = [];
    window.log = followEvents({
        patienceMs,
        after: "0",
        onEvent: (event) => window.told.push(event.id),
        onReset: (event) => window.resets.push(event),
        onState: (state) => window.states.push(`${state.way} ${state.connected}`),
    });
}"""

NGINX: Final = """
{user} daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
worker_shutdown_timeout 10ms;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{origin};
            proxy_read_timeout 60s;
            {rules}
        }}
        location @upgrade {{
            proxy_pass http://127.0.0.1:{origin};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }}
    }}
}}
"""
BUFFERS: Final = """
# What comes in chunks passes nginx as it comes, whatever is said of buffers; so not in chunks.
proxy_http_version 1.0; proxy_ignore_headers X-Accel-Buffering; proxy_buffering on;
proxy_buffers 16 64k; proxy_buffer_size 64k;
"""
REFUSES_UPGRADES: Final = "if ($http_upgrade) { return 403; }"
PASSES_UPGRADES: Final = "error_page 418 = @upgrade; if ($http_upgrade) { return 418; }"
STREAMS: Final = "proxy_http_version 1.1;"
CUT_S: Final = 2.0
CUT_THRICE: Final = "window.states.filter((state) => state.endsWith('false')).length >= 3"
READY: Final = b"ready\n"


class Origin:
    """The event origin as a process of its own, which can be killed."""

    def __init__(self, port: int, state_dir: Path, rate: float = RATE, webhook: str = "") -> None:
        self.port = port
        self.state_dir = state_dir
        self._rate = rate
        self._webhook = webhook
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        arguments = [str(self.port), str(self.state_dir), str(self._rate), self._webhook]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.interop.event_origin", *arguments],
            start_new_session=True,
            stdout=subprocess.PIPE,
        )

    def kill(self) -> None:
        """All of it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def restart(self) -> None:
        """Kills it and starts it again."""
        self.kill()
        self.process = self._spawn()

    async def wait_ready(self) -> None:
        """Until it listens, which it says."""
        assert self.process.stdout is not None
        async with asyncio.timeout(START_S):
            said = await asyncio.to_thread(self.process.stdout.readline)
        assert said == READY, "it has ended"

    def logged(self) -> list[str]:
        """The ids of everything that it and its predecessors told."""
        return [str(entry.id) for entry in read_events(self.state_dir / "events").entries]


@pytest_asyncio.fixture(loop_scope="session")
async def origin(tmp_path: Path) -> AsyncIterator[Origin]:
    (port,) = free_ports(1)
    origin = Origin(port, tmp_path / "state")
    try:
        await origin.wait_ready()
        yield origin
    finally:
        origin.kill()


@contextlib.contextmanager
def nginx(
    folder: Path, origin_port: int, rules: str
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A proxy in front of the origin; gives its port and its process."""
    (port,) = free_ports(1)
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(
        NGINX.format(user=user, folder=folder, port=port, origin=origin_port, rules=rules)
    )
    process = subprocess.Popen(["nginx", "-c", str(config), "-p", str(folder)])
    try:
        yield port, process
    finally:
        process.terminate()
        process.wait(10)


@contextlib.asynccontextmanager
async def cutting(proxy: subprocess.Popen[bytes]) -> AsyncIterator[None]:
    """Has nginx cut all of its connections every two seconds, as its reload does in the end."""

    async def cut() -> None:
        while True:
            await asyncio.sleep(CUT_S)
            proxy.send_signal(signal.SIGHUP)

    task = asyncio.create_task(cut())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def following(browser: Browser, port: int, patience_ms: int = 2_000) -> AsyncIterator[Any]:
    """A page of that server on which the log is followed from its beginning."""
    page = await browser.new_page()
    try:
        async with asyncio.timeout(START_S):
            while not await begin(page, port, patience_ms):
                pass
        yield page
    finally:
        await page.close()


async def begin(page: Any, port: int, patience_ms: int) -> bool:
    """Loads the page and begins to follow; False where the way there was cut meanwhile."""
    try:
        await page.goto(f"http://127.0.0.1:{port}/healthz", wait_until="load")
        await page.evaluate(FOLLOW, patience_ms)
    except Error as error:
        print("begin:", error)
        return False
    return True


async def wait_told(page: Any, count: int, within_s: float = 120.0) -> None:
    enough = "(count) => window.told.length >= count"
    await page.wait_for_function(enough, arg=count, timeout=1000 * within_s)


async def judge(page: Any, origin: Origin) -> None:
    """The browser was told the log: all of it, each event once, in order, without a reset."""
    origin.kill()
    logged = origin.logged()
    # What is on its way comes before the end of the connection that it comes by.
    await page.wait_for_function("!window.log.connected")
    told = await page.evaluate("window.told")
    assert await page.evaluate("window.resets") == []
    assert len(set(told)) == len(told)
    assert told == logged[: len(told)]
    assert len(logged) - len(told) <= 3 * RATE, "told too late"


async def test_directly_the_stream_is_enough(origin: Origin, browser: Browser) -> None:
    async with following(browser, origin.port) as page:
        await wait_told(page, 60)
        assert await page.evaluate("window.states") == ["stream true"]
        await judge(page, origin)


async def test_behind_a_proxy_that_buffers_it_goes_by_socket(
    origin: Origin, browser: Browser, tmp_path: Path
) -> None:
    with nginx(tmp_path, origin.port, BUFFERS + PASSES_UPGRADES) as (port, _):
        async with following(browser, port) as page:
            await wait_told(page, 100)
            assert await page.evaluate("window.log.way") == "socket"
            await judge(page, origin)


async def test_behind_a_proxy_that_buffers_and_refuses_upgrades_it_goes_by_long_poll(
    origin: Origin, browser: Browser, tmp_path: Path
) -> None:
    with nginx(tmp_path, origin.port, BUFFERS + REFUSES_UPGRADES) as (port, _):
        async with following(browser, port) as page:
            await wait_told(page, 100)
            assert await page.evaluate("window.log.way") == "poll"
            await judge(page, origin)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(STREAMS + PASSES_UPGRADES, id="streams"),
        pytest.param(BUFFERS + REFUSES_UPGRADES, id="polls", marks=pytest.mark.long),
    ],
)
async def test_over_connections_cut_every_two_seconds_and_an_origin_killed_five_times(
    origin: Origin, browser: Browser, tmp_path: Path, rules: str
) -> None:
    with nginx(tmp_path, origin.port, rules) as (port, proxy):
        async with cutting(proxy), following(browser, port) as page:
            if rules.startswith(STREAMS):  # a poll that is cut is asked again by the browser itself
                await page.wait_for_function(CUT_THRICE)
            for _ in range(5):
                before = await page.evaluate("window.told.length")
                await wait_told(page, before + 40)
                origin.restart()
                await origin.wait_ready()
            before = await page.evaluate("window.told.length")
            await wait_told(page, before + 40)
            await judge(page, origin)
            epochs = {entry.split("-")[0] for entry in origin.logged()}
            assert len(epochs) == 6
