"""Origins, and their dashboard in Chromium."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page

from streaming.auth.api_tokens import hash_token, new_token
from tests.interop.browser import LAPTOP, PlayerPage, player_page
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.pushing import pushing

SOURCE = "test:?width=320&height=180&fps=15&bitrate_kbps=300"
CONTROL, READ = new_token(), new_token()
TOKENS = f"""
[api]
tokens = [
  {{ name = "desk", hash = "{hash_token(CONTROL)}", scope = "control" }},
  {{ name = "guest", hash = "{hash_token(READ)}", scope = "read" }},
]
"""
PATHS = f"""
[paths.demo]
source = "{SOURCE}"
ladder = "copy"
[paths."live/*"]
ladder = "copy"
"""
TINY = "test:?width=160&height=90&fps=10&bitrate_kbps=100"
GUARDED = f"""
[paths.demo]
source = "{TINY}"
ladder = "copy"
[paths.guarded]
source = "{TINY}"
ladder = "copy"
view = "token"
"""
SMALLEST_PHONE = (360, 740)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    """One origin for all tests here, whose commands need a token."""
    with origin_process(tmp_path_factory.mktemp("origin"), TOKENS + PATHS) as running:
        running.wait_segments("demo", "source", 3)
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    """One with a path that only those see who sign in."""
    with origin_process(tmp_path_factory.mktemp("guarded"), TOKENS + GUARDED) as running:
        running.wait_path("demo", "live")
        yield running


@contextlib.asynccontextmanager
async def dashboard(
    browser: Browser, origin: OriginProcess, size: tuple[int, int] = LAPTOP
) -> AsyncIterator[PlayerPage]:
    """The dashboard with its paths on it."""
    touch = size == SMALLEST_PHONE
    async with player_page(browser, origin.url("/"), size=size, touch=touch) as opened:
        await card(opened.page, "demo").wait_for()
        yield opened


def card(page: Page, path: str) -> Locator:
    return page.locator(f'#paths > [data-path="{path}"]')


@contextlib.asynccontextmanager
async def own_dashboard(
    folder: Path, browser: Browser, config: str
) -> AsyncIterator[tuple[OriginProcess, PlayerPage]]:
    """The dashboard of an origin that a test has for itself."""
    with origin_process(folder, config) as origin:
        await asyncio.to_thread(origin.wait_path, "demo", "live")
        async with dashboard(browser, origin) as opened:
            yield origin, opened


@contextlib.contextmanager
def publishing(origin: OriginProcess, path: str, query: str = "") -> Iterator[None]:
    """Somebody publishes to `path`, again and again when closed, as encoders do."""
    with pushing(origin.rtmp_url(path), SOURCE + query):
        origin.wait_path(path, "live")
        yield


async def sign(page: Page, token: str) -> None:
    await page.locator("#sign-token").fill(token)
    await page.locator("#sign-token").press("Enter")
