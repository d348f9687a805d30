"""Metadata and chat in Chromium: by HLS, DASH and WebRTC, at the media time that they belong to."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.async_api import Browser, Page, Route

from streaming.events.event import parse_id
from streaming.path_messages import emsg_id
from tests.interop.browser import LAPTOP, PHONE, PlayerPage, player_page
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = """
[paths."demo"]
source = "test:?width=320&height=180&fps=15&bitrate_kbps=300"
ladder = "copy"
viewer_chat = true

[paths."quiet"]
source = "test:?width=160&height=90&fps=10&bitrate_kbps=100"
source_on_demand = true
ladder = "copy"
"""
LOOK_MS = 500
"""The page looks at its picture ten times a second, where it is let."""
APART_S = 0.7
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
    [
        pytest.param("?engine=hls", id="LL-HLS"),
        pytest.param("?engine=dash", id="LL-DASH"),
        pytest.param("?engine=hls&latency=normal", id="HLS", marks=pytest.mark.long),
        pytest.param("?engine=dash&latency=normal", id="DASH", marks=pytest.mark.long),
    ],
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
            now = (await player.status())["currentTime"]
            await player.wait(lambda seen, at=now + APART_S: seen["currentTime"] >= at, "to go on")
        messages = await shown(player, *sent)
        assert [one["id"] for one in messages] == sent, "in order, each once"
        assert min(one["lateMs"] for one in messages) >= 0, "none before its picture"
        # A page that others keep busy looks at its picture seldom, or is told of a message late.
        known = [one for one in messages if one["wasKnown"]]
        assert known, messages
        assert all(one["lateMs"] <= one["stepMs"] for one in known), (
            "at the first look at its picture"
        )
        assert min(one["stepMs"] for one in known) <= LOOK_MS, messages
        assert await player.page.locator("#talk-log p.chat").count() >= 3
        assert '{"score":2}' in await player.page.locator("#talk-log").inner_text()
        assert not player.log.exceptions
        assert not player.log.console


DASH_JS = """async (url) => {
  const { MediaPlayer } = await import("/static/vendor/dash.mediaplayer.min.js");
  window.told = [];
  const video = document.body.appendChild(document.createElement("video"));
  video.muted = true;
  const player = MediaPlayer().create();
  player.initialize(video, url, true);
  player.on("urn:headwater:chat:2026", ({ event }) => window.told.push(String(event.id)));
  await new Promise((done) => player.on("playbackPlaying", done));
}"""


@pytest.mark.long
@pytest.mark.parametrize("manifest", ["manifest.mpd", "low-latency.mpd"])
async def test_dash_js_tells_its_page_a_message_once_and_would_twice_by_an_event_stream(
    origin: OriginProcess, browser: Browser, manifest: str
) -> None:
    """Each rendition has the message: dash.js knows it by its id, but not from an EventStream.

    That is why there is none. When the latter page is told once, dash.js has learned it.
    """
    sent: list[dict[str, Any]] = []

    async def add_events(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=_with_event_stream(await answer.text(), sent))

    pages = as_it_is, with_events = await browser.new_page(), await browser.new_page()
    await with_events.route(f"**/{manifest}", add_events)
    for page in pages:
        await page.goto(origin.url("/healthz"))
        await page.evaluate(DASH_JS, f"/demo/{manifest}")
    for text in ("first", "second"):
        sent += [send(origin, "demo", "chat", {"text": text})]
    ids = [one["id"] for one in sent]
    await wait_told(as_it_is, ids, times=1)
    await wait_told(with_events, ids, times=2)
    # One that comes later is told after all that is to be told of the others.
    last = send(origin, "demo", "chat", {"text": "last"})
    for page in pages:
        await wait_told(page, [last["id"]], times=1)
    assert [await times_told(page, ids) for page in pages] == [[1, 1], [2, 2]]
    for page in pages:
        await page.close()


async def wait_told(page: Page, ids: list[str], *, times: int) -> None:
    """Until dash.js has told the page each of these messages so often."""
    for one in ids:
        count = "([id, times]) => window.told.filter((one) => one === id).length >= times"
        await page.wait_for_function(count, arg=[_told_as(one), times], timeout=30_000)


async def times_told(page: Page, ids: list[str]) -> list[int]:
    """How often it was told each."""
    told = await page.evaluate("window.told")
    return [told.count(_told_as(one)) for one in ids]


def _told_as(event_id: str) -> str:
    number = parse_id(event_id)
    assert number is not None
    return str(emsg_id(number))


def _with_event_stream(mpd: str, sent: list[dict[str, Any]]) -> str:
    """The manifest with an EventStream of these messages in its only period."""
    found = re.search(r'<Period [^>]*start="PT(?:([0-9.]+)H)?(?:([0-9.]+)M)?([0-9.]+)S"[^>]*>', mpd)
    assert found is not None, mpd
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    start_ms = round(1000 * (3600 * hours + 60 * minutes + seconds))
    events = "".join(
        f'<Event presentationTime="{one["media_time_ms"] - start_ms}" duration="0"'
        f' id="{_told_as(one["id"])}">{one["id"]}</Event>'
        for one in sent
    )
    scheme = "urn:headwater:chat:2026"
    stream = f'<EventStream schemeIdUri="{scheme}" timescale="1000">{events}</EventStream>'
    return mpd.replace(found[0], found[0] + stream, 1)


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
    async with player_page(browser, origin.url("/healthz")) as player:
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


@pytest.mark.parametrize(
    "size",
    [pytest.param(PHONE, id="phone"), pytest.param(LAPTOP, id="laptop", marks=pytest.mark.long)],
)
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
