"""Playlists, manifests and media over HTTP: statuses and headers."""

from __future__ import annotations

import zlib
from email.utils import parsedate_to_datetime

import pytest

from streaming.shelf_messages import PathGone, PathState, SegmentDropped
from tests.streaming.server.conftest import PLAYLIST, SEGMENT, Serve, Served, playlist

SEGMENT_URL = "/live/a/720p/7.m4s"
PLAYLIST_URL = "/live/a/index.m3u8"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (PLAYLIST_URL, "application/vnd.apple.mpegurl"),
        ("/live/a/manifest.mpd", "application/dash+xml"),
        (SEGMENT_URL, "video/mp4"),
    ],
)
async def test_every_resource_has_its_type_a_date_and_a_strong_etag(
    served: Served, url: str, kind: str
) -> None:
    response, _ = await served.get(url)
    assert response.status == 200
    assert response.headers["Content-Type"] == kind
    assert parsedate_to_datetime(response.headers["Date"])
    assert response.headers["ETag"].startswith('"')


async def test_a_segment_is_served_byte_for_byte(served: Served) -> None:
    response, body = await served.get(SEGMENT_URL)
    assert body == SEGMENT
    assert response.headers["Content-Length"] == str(len(SEGMENT))


async def test_h29_media_may_be_cached_for_good_and_playlists_briefly(served: Served) -> None:
    segment, _ = await served.get(SEGMENT_URL)
    text, _ = await served.get(PLAYLIST_URL)
    assert "immutable" in segment.headers["Cache-Control"]
    assert text.headers["Cache-Control"] == "public, max-age=1"


async def test_a_query_does_not_matter(served: Served) -> None:
    response, body = await served.get(SEGMENT_URL + "?CMCD=bl%3D4000&x=1")
    assert (response.status, body) == (200, SEGMENT)


async def test_an_escaped_url_means_the_same_resource(served: Served) -> None:
    request = b"GET /live/%61/720p/7.m4s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (await served.raw(request)).endswith(SEGMENT)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_a_client_that_has_it_gets_304_without_a_body(served: Served, form: str) -> None:
    first, _ = await served.get(SEGMENT_URL)
    response, body = await served.get(SEGMENT_URL, If_None_Match=form.format(first.headers["ETag"]))
    assert (response.status, body) == (304, b"")
    assert response.headers["ETag"] == first.headers["ETag"]
    assert response.headers["Cache-Control"] == first.headers["Cache-Control"]


async def test_a_client_that_has_the_old_playlist_gets_the_new_one(served: Served) -> None:
    first, _ = await served.get(PLAYLIST_URL)
    served.shelf.put(playlist(PLAYLIST_URL, b"#EXTM3U\nnew\n"))
    response, body = await served.get(PLAYLIST_URL, If_None_Match=first.headers["ETag"])
    assert (response.status, body) == (200, b"#EXTM3U\nnew\n")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=1000-", slice(1000, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=0-999999999", slice(0, None)),
        ("bytes=-999999999", slice(0, None)),
    ],
)
async def test_a_single_range_is_206(served: Served, value: str, expected: slice) -> None:
    response, body = await served.get(SEGMENT_URL, Range=value)
    first, end, _ = expected.indices(len(SEGMENT))
    assert response.status == 206
    assert body == SEGMENT[expected]
    assert response.headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(SEGMENT)}"


@pytest.mark.parametrize("value", ["bytes=999999999-", "bytes=-0"])
async def test_a_range_without_a_byte_is_416(served: Served, value: str) -> None:
    response, _ = await served.get(SEGMENT_URL, Range=value)
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{len(SEGMENT)}"
    assert response.headers["Cache-Control"] == "no-store", "a cache would keep it for all"
    assert "ETag" not in response.headers


@pytest.mark.parametrize("value", ["bytes=0-1,5-6", "bytes=5-2", "bytes=-", "lines=1-2", "bytes=x"])
async def test_other_ranges_are_ignored(served: Served, value: str) -> None:
    response, body = await served.get(SEGMENT_URL, Range=value)
    assert (response.status, body) == (200, SEGMENT)


async def test_if_range_with_another_etag_gets_the_whole(served: Served) -> None:
    response, body = await served.get(SEGMENT_URL, Range="bytes=0-1", If_Range='"other"')
    assert (response.status, body) == (200, SEGMENT)


async def test_if_range_with_the_etag_gets_the_range(served: Served) -> None:
    first, _ = await served.get(SEGMENT_URL)
    response, body = await served.get(
        SEGMENT_URL, Range="bytes=0-1", If_Range=first.headers["ETag"]
    )
    assert (response.status, body) == (206, SEGMENT[:2])


async def test_h29_text_is_compressed_for_those_who_take_it(served: Served) -> None:
    response, body = await served.get(PLAYLIST_URL, Accept_Encoding="br, gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert zlib.decompress(body, 31) == PLAYLIST
    assert "Accept-Encoding" in response.headers["Vary"]


@pytest.mark.parametrize("value", ["", "identity", "gzip;q=0", "br", "*;q=0"])
async def test_text_is_plain_for_the_others_and_says_that_it_varies(
    served: Served, value: str
) -> None:
    response, body = await served.get(PLAYLIST_URL, Accept_Encoding=value)
    assert body == PLAYLIST
    assert "Content-Encoding" not in response.headers
    assert "Accept-Encoding" in response.headers["Vary"]


async def test_the_compressed_form_has_its_own_etag_and_its_own_304(served: Served) -> None:
    plain, _ = await served.get(PLAYLIST_URL)
    packed, _ = await served.get(PLAYLIST_URL, Accept_Encoding="gzip")
    assert packed.headers["ETag"] != plain.headers["ETag"]
    again, _ = await served.get(
        PLAYLIST_URL, Accept_Encoding="gzip", If_None_Match=packed.headers["ETag"]
    )
    assert again.status == 304
    assert again.headers["ETag"] == packed.headers["ETag"]


async def test_media_is_never_compressed(served: Served) -> None:
    response, body = await served.get(SEGMENT_URL, Accept_Encoding="gzip")
    assert body == SEGMENT
    assert "Vary" not in response.headers


async def test_a_range_of_text_is_of_the_plain_form(served: Served) -> None:
    response, body = await served.get(PLAYLIST_URL, Accept_Encoding="gzip", Range="bytes=0-6")
    assert (response.status, body) == (206, b"#EXTM3U")
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("url", [PLAYLIST_URL, SEGMENT_URL, "/live/a/", "/time"])
async def test_head_has_the_headers_of_get_and_no_body(served: Served, url: str) -> None:
    get, _ = await served.get(url)
    head, body = await served.ask("HEAD", url)
    assert (head.status, body) == (200, b"")
    ours = {k: v for k, v in head.headers.items() if k != "Date"}
    assert ours == {k: v for k, v in get.headers.items() if k != "Date"}


async def test_what_never_was_is_404(served: Served) -> None:
    response, body = await served.get("/live/a/720p/8.m4s")
    assert response.status == 404
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"].startswith("text/plain")
    assert len(body) < 200


async def test_what_has_gone_is_410(served: Served) -> None:
    served.shelf.put_media(SegmentDropped(1, 7))
    response, _ = await served.get(SEGMENT_URL)
    assert response.status == 410
    assert "max-age" in response.headers["Cache-Control"]


async def test_the_playlist_of_a_stream_that_has_gone_is_410_for_now(served: Served) -> None:
    served.shelf.path_gone(PathGone("live/a"))
    response, body = await served.get("/live/a/index.m3u8")
    assert (response.status, response.headers["Cache-Control"]) == (410, "no-store")
    assert b"ended" in body


async def test_a_starting_path_is_503_and_says_when_to_come_back(served: Served) -> None:
    served.shelf.path_state(PathState("live/b", "starting"))
    response, _ = await served.get("/live/b/index.m3u8")
    assert response.status == 503
    assert int(response.headers["Retry-After"]) >= 1


async def test_asking_for_a_path_that_is_not_live_tells_the_origin(served: Served) -> None:
    await served.get("/cam/7/index.m3u8")
    await served.get("/cam/7/720p/1.m4s")
    await served.get(PLAYLIST_URL)
    assert served.wanted == ["cam/7"]


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_405_and_told_what_is_possible(served: Served, verb: str) -> None:
    response, _ = await served.ask(verb, PLAYLIST_URL)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_http_1_0_gets_a_plain_closed_answer(served: Served) -> None:
    answer = await served.raw(b"GET " + SEGMENT_URL.encode() + b" HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body == SEGMENT


async def test_a_hundred_requests_fit_one_connection(served: Served) -> None:
    request = b"GET " + PLAYLIST_URL.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    last = request.replace(b"Host: x", b"Host: x\r\nConnection: close")
    answer = await served.raw(request * 99 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 100


async def test_viewers_are_counted_by_path_and_browser(served: Served) -> None:
    for agent in ("one", "two", "one"):
        await served.get(PLAYLIST_URL, User_Agent=agent)
        await served.get(SEGMENT_URL, User_Agent=agent)
    assert served.site.viewers.counts() == {"live/a": 2}


async def test_answers_are_counted_by_kind_and_status(served: Served) -> None:
    await served.get(SEGMENT_URL)
    await served.get("/live/a/720p/8.m4s")
    await served.get(PLAYLIST_URL)
    requests = served.site.counters.requests
    assert requests == {"media 2xx": 1, "media 4xx": 1, "playlist 2xx": 1}
    assert served.site.counters.sent_bytes >= len(SEGMENT) + len(PLAYLIST)


async def test_origins_that_are_not_listed_may_not_read(serve: Serve) -> None:
    served = await serve(allow_origins=("https://a.example",))
    ours, _ = await served.get(PLAYLIST_URL, Origin="https://a.example")
    other, _ = await served.get(PLAYLIST_URL, Origin="https://b.example")
    assert ours.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Origin" in ours.headers["Vary"]
    assert "Origin" in other.headers["Vary"]
