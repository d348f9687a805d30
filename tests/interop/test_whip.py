"""Publishing by WebRTC: a whole origin, publishers of several makes, viewers of every protocol.

Chromium's part is in test_whip_browser.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import statistics
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCSessionDescription

from streaming.errors import RemoteError
from streaming.play import play_whep
from streaming.whip_client import end, offer
from tests.interop.lip_sync import sound_lag_s
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.pushing import pushing
from tests.interop.recording import key_frames
from tests.interop.whip_paths import CONFIG
from tests.webrtc import offers
from tests.webrtc.test_whip_loopback import WhipClient
from tests.webrtc.viewer import on_loopback

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

MOST_SKEW_S = 0.02


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        yield running


async def test_what_headwater_pushes_by_whip_plays_as_hls_and_whep(origin: OriginProcess) -> None:
    with pushing(origin.url("/live/a/whip")):
        await asyncio.to_thread(origin.wait_segments, "live/a", "source", 2)
        await asyncio.to_thread(origin.wait_segments, "live/a", "audio", 1)
        report = await play_whep(origin.url("/live/a/whep"), 4.0)
    assert (report.width, report.height) == (320, 180)
    assert report.frames > 30
    assert report.sound_s > 1.0
    record = origin.path_record("live/a")
    assert record is not None
    assert record["publisher"] in ("whip", "")


async def test_opus_may_be_offered_beside_the_aac_made_of_it(origin: OriginProcess) -> None:
    with pushing(origin.url("/both/a/whip")):
        for name in ("audio", "audio_aac"):
            await asyncio.to_thread(origin.wait_segments, "both/a", name, 2, 40.0)
        variants = origin.get("/both/a/index.m3u8").decode()
        manifest = origin.get("/both/a/manifest.mpd").decode()
    assert 'GROUP-ID="aac",NAME="audio"' in variants
    assert 'GROUP-ID="opus",NAME="audio"' in variants
    for codec in ("mp4a.40.2", "opus"):
        assert codec in manifest.lower()


async def test_lips_move_with_the_sound_of_a_whip_publisher(origin: OriginProcess) -> None:
    with pushing(origin.url("/live/sync/whip")):
        sound = await asyncio.to_thread(origin.wait_media, "live/sync", "audio", 3)
        video = await asyncio.to_thread(origin.wait_media, "live/sync", "source", 2)
    assert abs(sound_lag_s(video, sound)) < MOST_SKEW_S


def test_a_backup_by_whip_displaces_nobody_and_goes_on_when_the_primary_is_killed(
    origin: OriginProcess,
) -> None:
    def wait_publishers(*wanted: tuple[str, bool]) -> None:
        def is_so(record: dict[str, Any]) -> bool:
            publishers = record["details"]["on_air"]["publishers"]
            return {(one["rank"], one["is_on_air"]) for one in publishers} == set(wanted)

        origin.wait_record("live/two", is_so)

    with pushing(origin.url("/live/two/whip")) as primary:
        origin.wait_segments("live/two", "source", 1)
        with pushing(origin.url("/live/two/whip?role=backup")):
            wait_publishers(("primary", True), ("backup", False))
            origin.wait_segments("live/two", "source", 2)
            primary.kill()
            # Its connection is given up half a minute later.
            wait_publishers(("primary", False), ("backup", True))
            listed = origin.wait_segments("live/two", "source", 1)
            origin.wait_segments("live/two", "source", len(listed) + 2)


def test_a_role_that_is_none_is_refused_with_what_there_is(origin: OriginProcess) -> None:
    with pushing(origin.url("/live/three/whip?role=main")) as push:
        _, said = push.communicate(timeout=30)
    assert push.returncode == 3
    assert b"neither primary nor backup" in said


def test_a_wrong_key_is_refused_with_the_reason(origin: OriginProcess) -> None:
    with pushing(origin.url("/locked/a/whip")) as push:
        _, said = push.communicate(timeout=30)
    assert push.returncode == 3
    assert b"publish key" in said


async def test_the_key_in_the_url_is_taken(origin: OriginProcess) -> None:
    with pushing(origin.url("/locked/b/whip?key=s3cret")):
        await asyncio.to_thread(origin.wait_segments, "locked/b", "source", 1)


async def answer_to(sdp: str, target: str) -> tuple[str, str]:
    """The answer and the session, once WebRTC has started."""
    for _ in range(50):
        try:
            return await offer(target, sdp, "")
        except RemoteError as error:
            if error.http_status != 503:
                raise
        await asyncio.sleep(0.2)
    raise TimeoutError(target)


@contextlib.asynccontextmanager
async def sending(target: str, video: str = "") -> AsyncIterator[None]:
    """An aiortc client publishes a still picture, where ``video`` says so by that codec alone, and
    silence."""
    client = WhipClient(video)
    with on_loopback():
        await client.connection.setLocalDescription(await client.connection.createOffer())
    session = ""
    try:
        sdp, session = await answer_to(client.connection.localDescription.sdp, target)
        await client.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        yield
    finally:
        if session:
            await end(session, "")
        await client.connection.close()


async def test_segments_of_who_sends_key_frames_when_asked_begin_on_the_grid(
    origin: OriginProcess,
) -> None:
    async with sending(origin.url("/grid/a/whip")):
        await asyncio.to_thread(origin.wait_segments, "grid/a", "source", 9, 40.0)
        playlist = origin.get("/grid/a/source/index.m3u8").decode()
    lengths = [float(each) for each in re.findall(r"#EXTINF:([\d.]+)", playlist)]
    begun = datetime.fromisoformat(re.findall(r"PROGRAM-DATE-TIME:(\S+)", playlist)[0]).timestamp()
    starts = itertools.accumulate(lengths[:-1], initial=begun)
    beside_lines = [(start + 0.5) % 1.0 - 0.5 for start in starts]
    # The first request tells how long an answer takes; a machine that halts makes one or two late.
    assert statistics.median(lengths[2:]) == pytest.approx(1.0, abs=0.02)
    assert -0.01 < statistics.median(beside_lines[2:]) < 0.07
    assert max(lengths) < 1.5


async def test_the_api_tells_how_well_media_get_through_in_each_session(
    origin: OriginProcess,
) -> None:
    def measured() -> dict[str, Any] | None:
        sessions = json.loads(origin.get("/api/v1/sessions?path=live/seen"))["sessions"]
        seen = {one["role"]: one for one in sessions if one["webrtc"] is not None}
        is_told = len(seen) == 2 and all(one["webrtc"]["bitrate"] for one in seen.values())
        return seen if is_told and all(one["webrtc"]["rtt_s"] for one in seen.values()) else None

    async with sending(origin.url("/live/seen/whip")):
        await asyncio.to_thread(origin.wait_segments, "live/seen", "source", 1)
        viewing = asyncio.create_task(play_whep(origin.url("/live/seen/whep"), 8.0))
        seen = await asyncio.to_thread(origin.wait, measured, "figures of both", 20.0)
        one = json.loads(origin.get(f"/api/v1/sessions/live/seen/{seen['viewer']['session']}"))
        await viewing
        metrics = origin.get("/metrics").decode()
    publisher, viewer = (seen[role]["webrtc"] for role in ("publisher", "viewer"))
    assert one["protocol"] == "whep"
    assert {each["name"] for each in publisher["streams"]} == {"source", "audio"}
    assert all(each["packets"] > 30 and each["lost"] == 0 for each in publisher["streams"])
    assert publisher["key_frames_asked"] >= 0
    assert 0 < publisher["rtt_s"] < 1
    video = next(each for each in viewer["streams"] if each["kind"] == "video")
    assert (video["name"], video["lost"]) == ("source", None), "what came by RTX counts as lost"
    sound = next(each for each in viewer["streams"] if each["kind"] == "audio")
    assert sound["lost"] is not None
    assert video["packets"] > 30
    assert 0 < viewer["rtt_s"] < 1
    assert re.search(r"^headwater_webrtc_packets_received_total [1-9]", metrics, re.M)


def publishers(origin: OriginProcess, path: str) -> list[str]:
    sessions = json.loads(origin.get(f"/api/v1/sessions?path={path}"))["sessions"]
    return [one["session"] for one in sessions if one["role"] == "publisher"]


async def test_an_offer_that_never_connects_displaces_nobody_and_one_that_does_takes_over(
    origin: OriginProcess,
) -> None:
    target = origin.url("/live/taken/whip")
    async with sending(target):
        await asyncio.to_thread(origin.wait_segments, "live/taken", "source", 1)
        present = publishers(origin, "live/taken")
        _, session = await answer_to(offers.offer("chromium-whip-simulcast"), target)
        await asyncio.to_thread(origin.wait_segments, "live/taken", "source", 3)
        assert publishers(origin, "live/taken") == present == ["whip-1"]
        assert "DISCONTINUITY\n" not in origin.get("/live/taken/source/index.m3u8").decode()
        await end(session, "")
        async with sending(target):
            await asyncio.to_thread(
                origin.wait,
                lambda: publishers(origin, "live/taken") == ["whip-2"] or None,
                "the new publisher",
            )


async def test_vp8_is_encoded_for_hls_and_passes_to_webrtc_viewers(origin: OriginProcess) -> None:
    async with sending(origin.url("/small/old/whip"), "VP8"):
        media = await asyncio.to_thread(origin.wait_media, "small/old", "240p", 2, 40.0)
        report = await play_whep(origin.url("/small/old/whep"), 3.0)
    assert (report.width, report.height) == (640, 480)
    assert report.frames > 30
    size, times = key_frames(media, Path(origin.log_file).with_name("vp8.mp4"))
    assert size == (320, 240)
    assert len(times) >= 2
    assert "source" not in origin.get("/small/old/index.m3u8").decode()


async def test_vp8_without_a_ladder_is_for_webrtc_viewers_and_the_record_says_why(
    origin: OriginProcess,
) -> None:
    async with sending(origin.url("/live/old/whip"), "VP8"):
        await asyncio.to_thread(origin.wait_segments, "live/old", "audio", 1, 40.0)
        report = await play_whep(origin.url("/live/old/whep"), 3.0)
        record = origin.path_record("live/old")
    assert (report.width, report.height) == (640, 480)
    assert record is not None
    assert "VP8" in json.dumps(record)
    assert "publish H.264, or let a ladder encode it" in origin.log()
    assert "RESOLUTION" not in origin.get("/live/old/index.m3u8").decode()
