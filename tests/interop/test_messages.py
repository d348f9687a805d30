"""Metadata and chat in Chromium: by HLS, DASH and WebRTC, at the media time that they belong to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.async_api import Browser

from tests.interop.browser import LAPTOP, PHONE, PlayerPage, chromium, player_page
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = """
[paths."demo"]
source = "test:?width=640&height=360"
ladder = "copy"
viewer_chat = true

[paths."quiet"]
source = "test:?width=320&height=180"
ladder = "copy"
"""
LATE_S = 0.2
OPEN = """
  document.getElementById("talk").hidden &&
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "c", bubbles: true }))
"""
"""By the key, unless a message has opened it."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "source", 3)
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


def send(origin: OriginProcess, path: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """By the API, as a program on the machine."""
    request = Request(
        origin.url(f"/api/v1/paths/{path}/{kind}"),
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=10) as answer:
        sent: dict[str, Any] = json.loads(answer.read())
        return sent


async def shown(player: PlayerPage, *ids: str) -> list[dict[str, Any]]:
    """What the page says of these messages once they have been shown."""

    def all_there(seen: dict[str, Any]) -> bool:
        return {one["id"] for one in seen["messages"]} >= set(ids)

    seen = await player.wait(all_there, f"the messages {ids}", within_s=30)
    return [one for one in seen["messages"] if one["id"] in ids]


def is_settled(seen: dict[str, Any]) -> bool:
    """Whether it plays where it means to."""
    latency, target = seen["latency"], seen["target"]
    return bool(seen["state"] == "playing" and latency and target and latency < target + 2)


@pytest.mark.parametrize(
    "query",
    ["?engine=hls", "?engine=hls&latency=normal", "?engine=dash", "?engine=dash&latency=normal"],
    ids=["LL-HLS", "HLS", "LL-DASH", "DASH"],
)
async def test_messages_are_shown_with_their_picture(
    origin: OriginProcess, browser: Browser, query: str
) -> None:
    async with player_page(browser, origin.url(f"/demo/{query}")) as player:
        await player.wait(is_settled, "a picture at its distance from live")
        sent = []
        for number in range(3):
            sent.append(send(origin, "demo", "metadata", {"data": {"score": number}})["id"])
            sent.append(send(origin, "demo", "chat", {"text": f"line {number}"})["id"])
            await asyncio.sleep(0.7)
        messages = await shown(player, *sent)
        assert [one["id"] for one in messages] == sent, "in order, each once"
        late_ms = sorted(one["lateMs"] for one in messages)
        assert late_ms[0] >= 0, "none before its picture"
        # A machine that others keep busy has a page learn of one too late, or jump over its time.
        assert late_ms[len(late_ms) // 2] <= 1000 * LATE_S, messages
        assert await player.page.locator("#talk-log p.chat").count() >= 3
        assert '{"score":2}' in await player.page.locator("#talk-log").inner_text()
        assert not player.log.exceptions
        assert not player.log.console


async def test_a_viewer_by_webrtc_is_told_by_data_channel_and_says_something_back(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/demo/?engine=webrtc")) as player:
        await player.wait_state("playing")
        page = player.page
        first = send(origin, "demo", "metadata", {"data": {"n": 1}})
        await shown(player, first["id"])
        said = await page.evaluate(
            """async (url) => {
              const { view } = await import("/static/webrtc.js");
              const events = [];
              const viewer = await view(url, { on: { message: (event) => events.push(event) } });
              const until = async (ready) => {
                while (!ready()) await new Promise((done) => setTimeout(done, 20));
              };
              await until(() => viewer.say("by the channel", "Ann"));
              await until(() => events.some((event) => event.data?.text === "by the channel"));
              for (let i = 0; i < 9; i++) viewer.say("again");
              await until(() => events.some((event) => event.type === "error"));
              await viewer.close();
              return events;
            }""",
            origin.url("/demo/whep"),
        )
        (heard,) = [one for one in said if one.get("data", {}).get("text") == "by the channel"]
        assert (heard["data"]["sender"], heard["data"]["by"]) == ("Ann", "viewer")
        assert next(one for one in said if one["type"] == "error")["status"] == 429
        await shown(player, heard["id"])
        assert not player.log.exceptions


async def test_a_viewer_by_the_signalling_socket_is_told_by_data_channel_as_well(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/demo/?engine=webrtc")) as player:
        await player.wait_state("playing")
        told = await player.page.evaluate(
            """async () => {
              const { Signalling } = await import("/static/webrtc.js");
              const signalling = new Signalling({ on: {} });
              const texts = [];
              const hear = ({ data }) => texts.push(data?.text);
              const viewer = await signalling.view("demo", { on: { message: hear } });
              const until = async (ready) => {
                while (!ready()) await new Promise((done) => setTimeout(done, 20));
              };
              await until(() => viewer.say("by the socket"));
              await until(() => texts.includes("by the socket"));
              signalling.close();
              return true;
            }"""
        )
        assert told
        assert not player.log.exceptions


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
async def test_a_viewer_writes_a_line_and_reads_it_with_its_picture(
    origin: OriginProcess, browser: Browser, size: tuple[int, int]
) -> None:
    async with player_page(browser, origin.url("/demo/"), size=size, touch=size is PHONE) as player:
        await player.wait_state("playing")
        page = player.page
        await page.locator("#talk-toggle:not([hidden])").wait_for(state="attached")
        await page.evaluate(OPEN)
        text = f"mk fullscreen {size[0]}"  # with the letters of the page's own keys
        await page.locator("#talk-sender").fill("Ann")
        await page.locator("#talk-text").press_sequentially(text)
        await page.keyboard.press("Enter")
        line = page.locator("#talk-log p.chat", has_text=text)
        await line.wait_for(timeout=20_000)
        assert (await line.inner_text()).startswith("Ann")
        assert await page.locator("#talk-text").input_value() == ""
        assert not await page.evaluate("document.getElementById('video').paused")
        assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert not player.log.exceptions
        assert not player.log.console


async def test_where_viewers_may_not_chat_there_is_nothing_to_write_in(
    origin: OriginProcess, browser: Browser
) -> None:
    await asyncio.to_thread(origin.wait_segments, "quiet", "source", 1)
    async with player_page(browser, origin.url("/quiet/")) as player:
        await player.wait_state("playing")
        sent = send(origin, "quiet", "chat", {"text": "by the desk", "sender": "desk"})
        await shown(player, sent["id"])
        assert await player.page.locator("#talk-log").is_visible()
        assert not await player.page.locator("#talk-form").is_visible()


async def test_playlists_go_on_listing_messages_after_a_kill(origin: OriginProcess) -> None:
    sent = send(origin, "demo", "metadata", {"data": {"before": "the kill"}})
    listed = f'ID="{sent["id"]}"'.encode()
    await asyncio.to_thread(origin.wait_listed, "/demo/source/index.m3u8", listed)
    origin.kill_main()
    origin.restart()
    await asyncio.to_thread(origin.wait_url, "/demo/source/index.m3u8")
    assert listed in origin.get("/demo/source/index.m3u8")
