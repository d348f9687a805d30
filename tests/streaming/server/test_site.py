"""Everything that is not media: pages, API, health, metrics, CORS, security headers."""

from __future__ import annotations

import json
import math
import re
import time
from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest

from streaming.server.player import Pages, find_folder, is_compare_page, is_path_name
from streaming.server.signal_relay import SignalRelay
from streaming.shelf import Shelf
from streaming.shelf_messages import (
    DeliveryStatistics,
    Metric,
    Metrics,
    PathState,
    RenditionRecord,
    Totals,
)
from streaming.thumbnail.newest_key_frame import NewestKeyFrame
from tests.streaming.server.conftest import Serve, Served

SHORTEST_UPDATE_PERIOD_S = 1
"""MPD@minimumUpdatePeriod is never less."""

EVERYWHERE = ["/", "/live/a/", "/live/a/index.m3u8", "/live/a/720p/7.m4s", "/time", "/none"]


@pytest.mark.parametrize("url", EVERYWHERE)
async def test_every_answer_may_be_read_from_every_site(served: Served, url: str) -> None:
    response, _ = await served.get(url, Origin="https://example.org")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert {"Date", "ETag", "Content-Length"} <= set(exposed.split(", "))


@pytest.mark.parametrize("url", EVERYWHERE)
async def test_no_answer_is_sniffed_or_names_our_libraries(served: Served, url: str) -> None:
    response, _ = await served.get(url)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Server"] == "headwater"


async def test_d14_a_manifest_comes_as_dash_with_a_date_for_no_longer_than_it_holds(
    served: Served,
) -> None:
    response, body = await served.get("/live/a/manifest.mpd", Origin="https://example.org")
    assert (response.status, body) == (200, b"<MPD/>")
    headers = response.headers
    assert headers["Content-Type"] == "application/dash+xml"
    assert parsedate_to_datetime(headers["Date"]).timestamp() == pytest.approx(time.time(), abs=5)
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Date" in headers["Access-Control-Expose-Headers"].split(", ")
    age = re.search(r"max-age=(\d+)", headers["Cache-Control"])
    assert age
    assert int(age[1]) <= SHORTEST_UPDATE_PERIOD_S


@pytest.mark.parametrize("url", ["/live/a/low-latency.mpd", "/live/a/720p/8.m4s"])
async def test_d14_what_is_not_available_yet_is_not_found_and_never_empty(
    served: Served, url: str
) -> None:
    response, _ = await served.get(url)
    assert response.status == 404


async def test_preflight_is_204_and_allows_what_players_send(served: Served) -> None:
    response, _ = await served.ask(
        "OPTIONS",
        "/live/a/index.m3u8",
        Origin="https://example.org",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="range",
    )
    assert response.status == 204
    assert "GET" in response.headers["Access-Control-Allow-Methods"]
    assert "Range" in response.headers["Access-Control-Allow-Headers"]
    assert "CMCD-Session" in response.headers["Access-Control-Allow-Headers"]
    assert int(response.headers["Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize(
    "url",
    [
        "/", "/live/a/", "/not/there/yet/", "/live/a/compare", "/live/a/publish",
        "/static/index.html", "/t/a.b.c/live/a/", "/t/a.b.c/live/a/compare",
    ],
)  # fmt: skip
async def test_pages_forbid_inline_scripts_and_styles_and_foreign_frames(
    serve: Serve, url: str
) -> None:
    served = await serve(signals=SignalRelay(lambda request: None), webrtc=True)
    response, _ = await served.get(url)
    policy = response.headers["Content-Security-Policy"]
    assert response.status == 200
    assert "unsafe" not in policy
    directives = dict(one.strip().split(" ", 1) for one in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    assert directives["base-uri"] == directives["form-action"] == "'none'"
    assert "frame-ancestors 'self'" in policy
    assert "Referrer-Policy" in response.headers


async def test_a_live_path_without_its_slash_leads_to_the_player(served: Served) -> None:
    response, _ = await served.get("/live/a")
    assert response.status == 308
    assert response.headers["Location"] == "/live/a/"


async def test_the_way_to_the_player_keeps_the_query(served: Served) -> None:
    response, _ = await served.get("/live/a?latency=low&x=%0d%0ay")
    assert response.headers["Location"] == "/live/a/?latency=low&x=%0D%0Ay"


async def test_an_unknown_path_without_its_slash_is_404(served: Served) -> None:
    response, _ = await served.get("/live/b")
    assert response.status == 404


@pytest.mark.parametrize("url", ["//evil.example/", "/api/", "/static/", "/a//b/", "/a/../b/"])
async def test_names_that_no_path_can_have_get_no_player(served: Served, url: str) -> None:
    answer = await served.raw(
        f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert b"<title>player</title>" not in answer


async def test_scripts_are_served_compressed_with_their_type(served: Served) -> None:
    response, _ = await served.get("/static/player.js", Accept_Encoding="gzip")
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.headers["Content-Encoding"] == "gzip"


async def test_nothing_outside_the_static_files_is_served(served: Served) -> None:
    answer = await served.raw(
        b"GET /static/../conftest.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 404")


async def test_the_time_is_the_servers_in_a_form_that_dash_players_parse(served: Served) -> None:
    response, body = await served.get("/time")
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body)
    assert response.headers["Cache-Control"] == "no-store"


async def test_the_time_is_the_origins_though_the_systems_clock_was_stepped(serve: Serve) -> None:
    served = await serve(utc_ahead_s=1_000_000_000.0)
    _, before = await served.get("/time")
    served.site.totals = Totals(utc_ahead_s=1_000_003_600.0)
    _, after = await served.get("/time")
    times = [datetime.fromisoformat(text.decode()).timestamp() for text in (before, after)]
    assert times[0] == pytest.approx(time.monotonic() + 1_000_000_000, abs=10)
    assert times[1] - times[0] == pytest.approx(3600, abs=10)


async def test_health_is_200_and_readiness_ends_when_draining(served: Served) -> None:
    health, _ = await served.get("/healthz")
    ready, _ = await served.get("/readyz")
    served.site.draining = True
    draining, _ = await served.get("/readyz")
    assert (health.status, ready.status, draining.status) == (200, 200, 503)
    assert draining.headers["Connection"] == "close"


async def test_the_api_lists_paths_with_their_viewers_and_urls(served: Served) -> None:
    served.shelf.path_state(
        PathState("live/a", "live", renditions=(RenditionRecord("720p", height=720),))
    )
    by = {"hls": 1, "webrtc": 2}
    served.site.totals = Totals(viewers={"live/a": 3}, viewers_by={"live/a": by})
    _, body = await served.get("/api/v1/paths")
    (path,) = json.loads(body)["paths"]
    assert path["path"] == "live/a"
    assert (path["viewers"], path["viewers_by"]) == (3, by)
    assert path["renditions"][0]["height"] == 720
    assert path["urls"]["hls"] == "/live/a/index.m3u8"


async def test_the_api_shows_one_path_whose_name_has_slashes(served: Served) -> None:
    response, body = await served.get("/api/v1/paths/live/a")
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(body)["state"] == "live"


@pytest.mark.parametrize("url", ["/api/v1/paths/none", "/api/v1/nonsense", "/api/v9/paths"])
async def test_api_errors_are_problem_details(served: Served, url: str) -> None:
    response, body = await served.get(url)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == response.status == 404


async def test_the_api_tells_newcomers_where_to_push(serve: Serve) -> None:
    served = await serve(name="studio", rtmp_listen="0.0.0.0:1936")
    _, body = await served.get("/api/v1/server")
    assert json.loads(body) == {
        "name": "studio",
        "rtmp_listen": "0.0.0.0:1936",
        "webrtc": False,
        "viewers": 0,
    }


async def test_a_thumbnail_is_a_picture_that_caches_may_keep_for_seconds(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def make(media: bytes) -> bytes:
        assert media == b"init and picture"
        return b"a picture"

    def find(shelf: Shelf, path: str) -> NewestKeyFrame | None:
        return NewestKeyFrame("720p", 7, b"init and picture") if path == "live/a" else None

    monkeypatch.setattr(served.site.thumbnails, "_make", make)
    monkeypatch.setattr("streaming.thumbnail.thumbnails.find_key_frame", find)
    response, body = await served.get("/live/a/thumbnail.jpg")
    assert (response.status, response.content_type, body) == (200, "image/jpeg", b"a picture")
    assert response.headers["Cache-Control"] == "public, max-age=5"
    again, _ = await served.get("/live/a/thumbnail.jpg", If_None_Match=response.headers["ETag"])
    assert again.status == 304
    assert served.site.viewers.counts() == {}
    for nothing in ("/live/b/thumbnail.jpg", "/thumbnail.jpg", "/live/a/720p/thumbnail.jpg"):
        assert (await served.get(nothing))[0].status == 404


ORIGIN_METRICS = (
    Metric("headwater_rtmp_connections", "Open.", 3.0, {"app": 'q"uote'}),
    Metric("headwater_parts_total", "Parts.", 9.0, {}, "counter"),
    Metric(
        "headwater_late_seconds",
        "Late.",
        1.5,
        {"path": "live/a"},
        "histogram",
        ((0.1, 2), (math.inf, 3)),
    ),
)


async def test_metrics_carry_what_all_processes_and_the_origin_count(served: Served) -> None:
    served.site.totals = Totals(
        delivery=(
            DeliveryStatistics(requests={"media 2xx": 5}, sent_bytes=7),
            DeliveryStatistics(requests={"media 2xx": 6}),
        ),
        restarts=2,
        viewers={"live/a": 4},
        viewers_by={"live/a": {"dash": 1, "webrtc": 3}},
    )
    served.site.metrics = Metrics(ORIGIN_METRICS)
    response, body = await served.get("/metrics")
    lines = body.decode().splitlines()
    assert response.headers["Content-Type"].startswith("text/plain")
    for line in (
        'headwater_http_requests_total{kind="media",process="1",status="2xx"} 6.0',
        'headwater_http_sent_bytes_total{process="0"} 7.0',
        "headwater_http_process_restarts_total 2.0",
        'headwater_path_viewers{path="live/a"} 4.0',
        'headwater_path_protocol_viewers{path="live/a",protocol="webrtc"} 3.0',
        'headwater_path_state{path="live/a",state="live"} 1.0',
        'headwater_rtmp_connections{app="q\\"uote"} 3.0',
        "headwater_parts_total 9.0",
        'headwater_late_seconds_bucket{le="0.1",path="live/a"} 2.0',
        'headwater_late_seconds_bucket{le="+Inf",path="live/a"} 3.0',
        'headwater_late_seconds_count{path="live/a"} 3.0',
        'headwater_late_seconds_sum{path="live/a"} 1.5',
    ):
        assert line in lines


async def test_a_bug_costs_one_answer(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(url: str) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(served.shelf, "find", broken)
    response, body = await served.get("/live/a/720p/8.m4s")
    assert response.status == 500
    assert b"bug" not in body
    health, _ = await served.get("/healthz")
    assert health.status == 200


@pytest.mark.parametrize(
    ("url", "expected"),
    [("/live/a/compare", True), ("/compare", False), ("/api/compare", False), ("/a/x", False)],
)
def test_where_players_are_compared(url: str, expected: bool) -> None:
    assert is_compare_page(url) is expected


@pytest.mark.parametrize("name", ["demo", "live/foo", "a b".replace(" ", "-"), "ä", "x.y_z"])
def test_names_of_paths(name: str) -> None:
    assert is_path_name(name)


@pytest.mark.parametrize("name", ["", "a//b", "/a", "a/", "api/x", "static", "a/../b", "a\nb"])
def test_names_that_are_no_paths(name: str) -> None:
    assert not is_path_name(name)


def test_the_real_pages_are_found_and_have_nothing_inline() -> None:
    folder = find_folder()
    assert folder is not None
    pages = Pages(folder)
    for page in (pages.player, pages.index, pages.compare, pages.publish):
        assert page is not None
        text = (page.load() or b"").decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|<style", text)
        for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
            assert pages.file(name) is not None, name
