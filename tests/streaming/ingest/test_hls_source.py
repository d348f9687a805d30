"""Another origin's HLS over HTTP on loopback: a server thread serves what FFmpeg packaged."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from segmenter.media import Codec
from streaming.errors import RemoteError
from streaming.ingest import hls_fetch
from streaming.ingest.hls_fetch import Fetcher, FetchError
from streaming.ingest.hls_source import is_hls, read_hls
from tests.streaming.ingest.test_demux import CLIPS, demux
from tests.streaming.ingest.test_url_source import EnoughError, FakeOrigin


class Server:
    """Serves a directory; `overrides` give other answers for some paths."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[str] = []
        self.overrides: dict[str, Callable[[], bytes | int]] = {}
        self.redirects: dict[str, str] = {}
        server = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        name = handler.path.lstrip("/")
        self.requests.append(name)
        if name in self.redirects:
            handler.send_response(302)
            handler.send_header("Location", self.redirects[name])
            handler.end_headers()
            return
        path = self.root / name
        found: bytes | int = path.read_bytes() if path.is_file() else 404
        if name in self.overrides:
            found = self.overrides[name]()
        status, body = (found, b"") if isinstance(found, int) else (200, found)
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    served = Server(tmp_path)
    yield served
    served.close()


def package(clip: str, folder: Path, kind: str, streams: str = "va", *, seconds: str = "2") -> None:
    """FFmpeg's own HLS muxer on one of the clips: index.m3u8 and its segments in `folder`."""
    folder.mkdir()
    options = {"hls_time": seconds, "hls_list_size": "0", "hls_segment_type": kind}
    options["hls_playlist_type"] = "vod"
    with (
        av.open(CLIPS / clip) as read,
        av.open(str(folder / "index.m3u8"), "w", format="hls", options=options) as write,
    ):
        copied = {}
        for stream in read.streams:
            if stream.type[0] in streams:  # a decoder of AV1 has no encoder of its name
                opaque = stream.codec_context.codec.canonical_name == "av1" or None
                copied[stream.index] = write.add_stream_from_template(stream, opaque=opaque)
        for packet in read.demux():
            if packet.size and packet.stream_index in copied:
                packet.stream = copied[packet.stream_index]
                write.mux(packet)


def pull(url: str, *, loop: bool = False, stop_after: int = 100_000) -> FakeOrigin:
    origin = FakeOrigin(stop_after)
    with contextlib.suppress(EnoughError):
        read_hls(url, origin.outlet, loop=loop, pause=lambda _: None)
    return origin


def stamps(origin: FakeOrigin, name: str) -> list[int]:
    return [s.dts for _, s in origin.samples if s.track == name]


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_recording_arrives_whole_and_in_real_time(
    server: Server, tmp_path: Path, kind: str
) -> None:
    package("two-second-gop.mp4", tmp_path / "v", kind)
    origin = pull(f"{server.url}/v/index.m3u8")
    (tracks,) = origin.tracks
    assert [(t.name, t.codec, t.timescale) for t in tracks] == [
        ("source", Codec.H264, 90_000),
        ("audio", Codec.AAC, 48_000),
    ]
    _, expected = demux(CLIPS / "two-second-gop.mp4")
    for name in ("source", "audio"):
        ours = stamps(origin, name)
        theirs = [s.dts for s in expected if s.track == name]
        assert [dts - ours[0] for dts in ours] == pytest.approx(
            [dts - theirs[0] for dts in theirs], abs=1
        )
    assert origin.now - origin.samples[0][0] == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("clip", ["b-frames.mp4", "hevc.mp4", "av1.mp4", "opus.mp4"])
def test_other_codecs_in_fmp4_arrive_with_their_offsets(
    server: Server, tmp_path: Path, clip: str
) -> None:
    package(clip, tmp_path / "v", "fmp4")
    origin = pull(f"{server.url}/v/index.m3u8")
    _, expected = demux(CLIPS / clip)
    ours = [s for _, s in origin.samples if s.track == "source"]
    theirs = [s for s in expected if s.track == "source"]
    assert [(s.pts - s.dts, s.is_sync, s.data) for s in ours] == [
        (s.pts - s.dts, s.is_sync, s.data) for s in theirs
    ]


def test_a_separate_audio_rendition_is_merged_in_the_order_of_time(
    server: Server, tmp_path: Path
) -> None:
    package("two-second-gop.mp4", tmp_path / "v", "fmp4", streams="v")
    package("two-second-gop.mp4", tmp_path / "a", "fmp4", streams="a")
    (tmp_path / "index.m3u8").write_text(
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="n",DEFAULT=YES,URI="a/index.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="avc1.64001f,mp4a.40.2",AUDIO="g"\n'
        "v/index.m3u8\n"
    )
    origin = pull(f"{server.url}/index.m3u8")
    (tracks,) = origin.tracks
    assert [t.name for t in tracks] == ["source", "audio"]
    assert (len(stamps(origin, "source")), len(stamps(origin, "audio"))) == (180, 283)
    order = [s.dts for _, s in origin.samples]
    assert order == sorted(order)


def test_a_recording_may_loop(server: Server, tmp_path: Path) -> None:
    package("two-second-gop.mp4", tmp_path / "v", "fmp4")
    origin = pull(f"{server.url}/v/index.m3u8", loop=True, stop_after=1_000)
    steps = {b - a for a, b in itertools.pairwise(stamps(origin, "source"))}
    assert steps == {3_000}
    assert len(origin.tracks) == 1


def test_a_live_playlist_is_followed_until_it_ends(server: Server, tmp_path: Path) -> None:
    package("two-second-gop.mp4", tmp_path / "v", "mpegts")
    lines = (tmp_path / "v/index.m3u8").read_text().replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "")
    head, *segments = lines.partition("#EXT-X-ENDLIST")[0].split("#EXTINF")
    states = itertools.chain(
        [head + "".join("#EXTINF" + s for s in segments[:count]) for count in (1, 1, 2)],
        itertools.repeat(lines),
    )
    server.overrides["v/index.m3u8"] = lambda: next(states).encode()
    origin = FakeOrigin()
    # One load each by the opening and by the lane; the latter sees one segment, then all.
    with pytest.raises(RemoteError, match="stream has ended"):
        read_hls(f"{server.url}/v/index.m3u8", origin.outlet, loop=True, pause=lambda _: None)
    assert len(stamps(origin, "source")) == 180
    assert len([r for r in server.requests if r.endswith(".ts")]) == 3, "none is fetched twice"


def test_a_discontinuity_is_joined_without_a_jump(server: Server, tmp_path: Path) -> None:
    for name in ("one", "two"):
        package("two-second-gop.mp4", tmp_path / name, "mpegts")
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
    for name in ("one", "two"):
        text += "".join(f"#EXTINF:2,\n{name}/index{n}.ts\n" for n in range(3))
        text += "#EXT-X-DISCONTINUITY\n" if name == "one" else "#EXT-X-ENDLIST\n"
    (tmp_path / "index.m3u8").write_text(text)
    origin = pull(f"{server.url}/index.m3u8")
    steps = [b - a for a, b in itertools.pairwise(stamps(origin, "source"))]
    assert len(steps) == 359
    assert all(0 < step < 9_000 for step in steps)


def test_a_segment_that_is_missing_is_a_gap_and_not_the_end(server: Server, tmp_path: Path) -> None:
    package("two-second-gop.mp4", tmp_path / "v", "mpegts")
    server.overrides["v/index1.ts"] = lambda: 404
    origin = pull(f"{server.url}/v/index.m3u8")
    steps = [b - a for a, b in itertools.pairwise(stamps(origin, "source"))]
    assert max(steps) == 183_000


MULTIVARIANT = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",DEFAULT=YES,URI="a/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=320x180,AUDIO="a"
v/index.m3u8
"""


def pull_to_the_end(url: str) -> FakeOrigin:
    """Of a stream that was live when it was first looked at."""
    origin = FakeOrigin()
    with pytest.raises(RemoteError, match="the stream has ended"):
        read_hls(url, origin.outlet, loop=False, pause=lambda _: None)
    return origin


class Camera:
    """Serves a presentation whose picture stands still at the origin, while its sound goes on."""

    def __init__(self, server: Server, root: Path) -> None:
        package("two-second-gop.mp4", root / "v", "fmp4", "v")
        package("two-second-gop.mp4", root / "a", "fmp4", "a", seconds="1")
        (root / "index.m3u8").write_text(MULTIVARIANT)
        self._server = server
        whole = (root / "v/index.m3u8").read_text().replace("PLAYLIST-TYPE:VOD", "X")
        head, *segments = whole.replace("#EXT-X-ENDLIST\n", "").split("#EXTINF")
        self.head, self.segments = head, [f"#EXTINF{segment}" for segment in segments]

    def serve(self, meanwhile: list[str], until_sound: str, afterwards: list[str]) -> None:
        """The picture's playlist is the second one once that much of the sound was asked for."""
        shown, later = (self.head + "".join(listed) for listed in (meanwhile, afterwards))

        def answer() -> bytes:
            is_back = until_sound in self._server.requests
            return (later + "#EXT-X-ENDLIST\n" if is_back else shown).encode()

        self._server.overrides["v/index.m3u8"] = answer


def test_sound_goes_on_over_a_gap_of_the_picture_however_long(
    server: Server, tmp_path: Path
) -> None:
    """A camera that is off for a while; the sound's last segment is only fetched once what is
    before it has been sent, as the queue is short."""
    camera = Camera(server, tmp_path)
    first, second, third = camera.segments
    listed = [first, "#EXT-X-GAP\n" + second]
    camera.serve(listed, "a/index5.m4s", [*listed, third])
    origin = pull_to_the_end(f"{server.url}/index.m3u8")
    pictures = [dts - stamps(origin, "source")[0] for dts in stamps(origin, "source")]
    assert pictures == [n * 3_000 for n in (*range(60), *range(120, 180))]
    steps = [b - a for a, b in itertools.pairwise(stamps(origin, "audio"))]
    assert len(steps) > 270
    assert set(steps) <= {1_919, 1_920, 1_921}


def test_a_picture_that_is_away_when_we_come_joins_the_sound_at_its_own_time(
    server: Server, tmp_path: Path
) -> None:
    camera = Camera(server, tmp_path)
    first, second, third = camera.segments
    listed = ["#EXT-X-GAP\n" + first, "#EXT-X-GAP\n" + second]
    camera.serve(listed, "a/index5.m4s", [*listed, third])
    origin = pull_to_the_end(f"{server.url}/index.m3u8")
    assert [[track.name for track in tracks] for tracks in origin.tracks] == [
        ["audio"],
        ["source", "audio"],
    ]
    assert len(stamps(origin, "source")) == 60
    sound = stamps(origin, "audio")
    assert stamps(origin, "source")[0] - sound[0] == pytest.approx(4 * 90_000, abs=4_000)
    assert len(sound) > 270


def test_a_server_error_is_tried_again(server: Server, tmp_path: Path) -> None:
    package("two-second-gop.mp4", tmp_path / "v", "mpegts")
    answers = iter([503, 503, (tmp_path / "v/index1.ts").read_bytes()])
    server.overrides["v/index1.ts"] = lambda: next(answers)
    origin = pull(f"{server.url}/v/index.m3u8")
    assert len(stamps(origin, "source")) == 180


def test_segments_that_are_no_media_end_the_source_in_one_sentence(
    server: Server, tmp_path: Path
) -> None:
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
    text += "".join(f"#EXTINF:2,\n{n}.ts\n" for n in range(8)) + "#EXT-X-ENDLIST\n"
    (tmp_path / "index.m3u8").write_text(text)
    for n in range(8):
        (tmp_path / f"{n}.ts").write_bytes(b"nothing to see" * 100)
    with pytest.raises(RemoteError, match=r"/4\.ts: a segment that is neither"):
        read_hls(f"{server.url}/index.m3u8", FakeOrigin().outlet, loop=False, pause=lambda _: None)


def test_a_missing_playlist_is_named_with_its_status(server: Server) -> None:
    with pytest.raises(RemoteError, match=r"none\.m3u8: HTTP status 404"):
        read_hls(f"{server.url}/none.m3u8", FakeOrigin().outlet, loop=False)


def test_a_playlist_cannot_make_us_read_local_files(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    shutil.copy(CLIPS / "two-second-gop.flv", secret)
    (tmp_path / "index.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{secret}\n#EXT-X-ENDLIST\n"
    )
    origin = FakeOrigin()
    with pytest.raises(RemoteError, match="no length"):
        read_hls(f"{server.url}/index.m3u8", origin.outlet, loop=False, pause=lambda _: None)
    assert origin.samples == []


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "gopher://x/"])
def test_a_redirect_leads_to_http_only(server: Server, target: str) -> None:
    server.redirects["away"] = target
    with pytest.raises(FetchError):
        Fetcher().fetch(f"{server.url}/away", 1_000)


def test_relative_addresses_are_those_of_where_a_redirect_led(
    server: Server, tmp_path: Path
) -> None:
    package("two-second-gop.mp4", tmp_path / "v", "mpegts")
    server.redirects["index.m3u8"] = "/v/index.m3u8"
    assert len(stamps(pull(f"{server.url}/index.m3u8"), "source")) == 180


def test_a_resource_above_the_limit_is_cut_off(server: Server, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(200_000))
    with pytest.raises(FetchError, match="more than 100000 bytes"):
        Fetcher().fetch(f"{server.url}/big", 100_000)


def test_a_resource_that_trickles_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big").write_bytes(bytes(200_000))
    moments = itertools.count(0, hls_fetch.FETCH_TIMEOUT_S)
    with pytest.raises(FetchError, match="not complete within"):
        Fetcher(clock=lambda: next(moments)).fetch(f"{server.url}/big", 10**9)


def test_a_server_without_ranges_gives_the_range_all_the_same(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(bytes(range(200)))
    assert Fetcher().fetch(f"{server.url}/file", 1_000, (10, 5)).data == bytes(range(10, 15))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host/live/index.m3u8", True),
        ("https://host/live/INDEX.M3U8?token=x", True),
        ("http://host/clip.mp4?next=a.m3u8", False),
        ("clip.m3u8", False),
    ],
)
def test_playlists_are_told_from_media_by_their_address(url: str, expected: bool) -> None:
    assert is_hls(url) is expected
