"""WebRTC over a bad network: a whole origin, a publisher, and Chromium at the wire's other end.

WIRE_SECONDS (30) says how long losses are looked at.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.interop.browser import chromium
from tests.interop.browser_viewer import a_viewer
from tests.interop.origin_process import OriginProcess
from tests.wire.room import WireRoom
from tests.wire.stage import TURN_SECRET, turn_server
from tests.wire.way import Way

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2), pytest.mark.timeout(180)]

SECONDS = float(os.environ.get("WIRE_SECONDS", "30"))
HALF_RTT_S = 0.025
DROPS_UDP = Way(blocks_udp=True)
BUSY_S = 1.5
"""A machine that does other things as well may stop a picture for so long."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(room: WireRoom) -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest.fixture(autouse=True)
def good_ways(room: WireRoom) -> Iterator[None]:
    """Each test begins without a fault, and none is left when its viewers end."""
    room.set(down=Way(), up=Way())
    yield
    room.set(down=Way(), up=Way())


def whep(origin: OriginProcess) -> str:
    return origin.url("/live/two/whep")


async def test_losses_are_made_good_in_time(
    room: WireRoom, origin: OriginProcess, browser: Browser
) -> None:
    """5 % of the packets of either direction and a round trip of 50 ms; after four seconds, in
    which Chromium learns how long to wait for what is sent again (100 ms more each second).

    It asks every 120 ms, and waits for three resends: in ten seconds one of the 160 packets is lost
    for the fourth time with a chance of one in six. In half a minute once is no one per cent, and
    for more bad luck than that `flaky` is here, for each attempt is other luck.
    """
    async with a_viewer(browser, whep(origin)) as viewer:
        lossy = Way(loss=0.05, delay_s=HALF_RTT_S)
        room.set(down=lossy, up=lossy)
        await viewer.watch(4.0)
        seen = await viewer.watch(SECONDS)
        print(seen)
        assert seen.lost > SECONDS * 5
        assert seen.resent > 0.9 * seen.lost
        assert seen.frozen_s <= 0.01 * SECONDS
        assert seen.active == "source"


async def test_who_lacks_nothing_has_the_best_rendition_from_the_start(
    origin: OriginProcess, browser: Browser
) -> None:
    async with a_viewer(browser, whep(origin)) as viewer:
        for _ in range(16):
            seen = await viewer.seen()
            assert (seen.active, seen.height) == ("source", 360)
            await asyncio.sleep(0.5)
        assert seen.dropped <= 2
        assert seen.freezes == 0


@pytest.mark.long
async def test_a_cut_of_bandwidth_is_followed_within_3_seconds_and_made_good(
    room: WireRoom, origin: OriginProcess, browser: Browser
) -> None:
    """From 5 to 1 Mb/s and back, for a source of 2.5 Mb/s with a rung of 0.6."""
    room.set(down=Way(rate=5_000_000, delay_s=HALF_RTT_S), up=Way(delay_s=HALF_RTT_S))
    async with a_viewer(browser, whep(origin)) as viewer:
        await viewer.watch(4.0)
        assert (await viewer.seen()).active == "source"
        room.set(down=Way(rate=1_000_000, delay_s=HALF_RTT_S))
        cut_at = time.monotonic()
        # Without asking the server, whose answer would have to come through the same queue.
        shown = await viewer.wait(lambda seen: seen.height == 180, "the lower one", asks=False)
        print(f"shown after {shown.at - cut_at:.2f} s")
        assert shown.at - cut_at <= 3.0
        settled = await viewer.watch(5.0)
        assert settled.active == "180p"
        assert settled.frozen_s <= 0.5
        room.set(down=Way(rate=5_000_000, delay_s=HALF_RTT_S))
        lifted_at = time.monotonic()
        back = await viewer.wait(lambda seen: seen.height == 360, "the best again", 20.0)
        print(f"back after {back.at - lifted_at:.2f} s")
        after = await viewer.watch(3.0)
        assert after.freezes == 0
        assert after.height == 360


async def test_a_viewer_whose_address_changes_goes_on(
    room: WireRoom, origin: OriginProcess, browser: Browser
) -> None:
    """Its NAT forgets it: what it sends comes from elsewhere, what is sent to it gets lost."""
    async with a_viewer(browser, whep(origin)) as viewer:
        await viewer.watch(2.0)
        before = await viewer.seen()
        room.rebind()
        await viewer.wait(lambda seen: seen.frames - before.frames > 100, "pictures")
        after = await viewer.seen()
        print(f"frozen for {after.frozen_s - before.frozen_s:.2f} s")
        assert after.frozen_s - before.frozen_s < 5.0
        assert after.failures == []
        assert (await viewer.watch(2.0)).frames > 30


async def test_where_udp_is_blocked_tcp_carries_the_media(
    room: WireRoom, origin: OriginProcess, browser: Browser
) -> None:
    room.set(down=DROPS_UDP, up=DROPS_UDP)
    async with a_viewer(browser, whep(origin)) as viewer:
        seen = await viewer.watch(4.0)
        print(seen)
        assert seen.protocol == "tcp"
        assert seen.frames > 60
        assert seen.frozen_s < BUSY_S
        assert seen.lost == 0


async def test_media_come_through_a_turn_server_with_credentials_for_a_day(
    room: WireRoom, origin: OriginProcess, browser: Browser
) -> None:
    with turn_server(room, TURN_SECRET):
        async with a_viewer(browser, whep(origin), relayOnly=True, connectMs=10_000) as viewer:
            seen = await viewer.watch(3.0)
    print(seen)
    assert seen.candidate == "relay"
    assert seen.frames > 45
    assert seen.frozen_s < BUSY_S


@pytest.mark.long
async def test_a_turn_server_with_another_secret_lets_nobody_through(
    room: WireRoom, origin: OriginProcess, browser: Browser
) -> None:
    with turn_server(room, "another secret"), pytest.raises(AssertionError, match="a picture"):
        async with a_viewer(browser, whep(origin), relayOnly=True, within_s=4.0):
            pass
