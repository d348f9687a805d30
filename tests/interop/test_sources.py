"""Everything that can bring a path to life, against a whole origin: what comes in is played."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg is missing: apt install ffmpeg"
)

CLIPS = Path(__file__).parents[2] / "media-samples"
COPY = """
[webrtc]
enabled = false
[paths."live/*"]
ladder = "copy"
segment_duration_s = 1
"""
HEADWATER = (sys.executable, "-c", "from streaming.__main__ import main; main()")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    """One origin for all that publish, each to a path of its own."""
    with origin_process(tmp_path_factory.mktemp("origin"), COPY) as started:
        yield started


@contextlib.contextmanager
def running(*command: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A program whose output can be read; ended at the end."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def headwater_push(source: str | Path, target: str, *options: str) -> tuple[str | Path, ...]:
    return (*HEADWATER, "push", source, target, *options)


def ffmpeg_push(clip: str, target: str) -> tuple[str | Path, ...]:
    loop = ("-re", "-stream_loop", "-1")
    return ("ffmpeg", "-v", "error", *loop, "-i", CLIPS / clip, "-c", "copy", "-f", "flv", target)


def digests(container: av.container.InputContainer, kind: str) -> list[str]:
    """One for each packet of the first such stream."""
    stream = next(each for each in container.streams if each.type == kind)
    return [hashlib.md5(bytes(p)).hexdigest() for p in container.demux(stream) if p.size]


def played(origin: OriginProcess, path: str, rendition: str, count: int = 3) -> list[str]:
    """Digests of the packets in the rendition's first segments."""
    kind = "audio" if rendition == "audio" else "video"
    with av.open(io.BytesIO(origin.wait_media(path, rendition, count))) as container:
        return digests(container, kind)


def pushed(clip: str, kind: str) -> list[str]:
    with av.open(str(CLIPS / clip)) as container:
        return digests(container, kind)


def decoded_frames(origin: OriginProcess, path: str, rendition: str) -> list[tuple[int, int]]:
    """Sizes of the pictures in the first three segments."""
    with av.open(io.BytesIO(origin.wait_media(path, rendition, 3))) as container:
        return [(frame.width, frame.height) for frame in container.decode(video=0)]


# -- headwater push ------------------------------------------------------------------------------


def test_headwater_push_of_a_file_is_played_packet_by_packet(origin: OriginProcess) -> None:
    target = origin.rtmp_url("live/file")
    with running(*headwater_push(CLIPS / "b-frames.flv", target, "--loop")):
        got = played(origin, "live/file", "source")
    sent = pushed("b-frames.flv", "video")
    assert len(got) >= 60
    assert got == (sent + sent)[: len(got)]


def test_headwater_push_of_the_test_source_is_played(origin: OriginProcess) -> None:
    with running(*headwater_push("test:", origin.rtmp_url("live/test"), "--json")) as push:
        sizes = decoded_frames(origin, "live/test", "source")
        assert push.poll() is None
        push.send_signal(signal.SIGINT)
        said, _ = push.communicate(timeout=15)
        assert push.returncode == 130
        origin.wait_path("live/test", "away")
    assert len(sizes) > 60
    assert len(set(sizes)) == 1
    assert '"event": "interrupted"' in said


@pytest.mark.parametrize("clip", ["hevc.mp4", "av1.mp4", "vp9.mp4"])
def test_newer_codecs_are_played_as_they_were_pushed(origin: OriginProcess, clip: str) -> None:
    codec = {"hevc.mp4": "hvc1.", "av1.mp4": "av01.", "vp9.mp4": "vp09."}[clip]
    path = f"live/{codec[:4]}"
    with running(*headwater_push(CLIPS / clip, origin.rtmp_url(path), "--loop")):
        got = played(origin, path, "source", 2)
        assert set(decoded_frames(origin, path, "source")) == {(320, 180)}
        multivariant = origin.get(f"/{path}/index.m3u8").decode()
        manifest = origin.get(f"/{path}/manifest.mpd").decode()
    assert got == pushed(clip, "video")[: len(got)]
    assert f'CODECS="{codec}' in multivariant
    assert f'codecs="{codec}' in manifest


def test_a_codec_that_few_browsers_play_is_encoded_where_the_ladder_is_automatic(
    tmp_path: Path,
) -> None:
    with (
        origin_process(tmp_path) as origin,
        running(*headwater_push(CLIPS / "hevc.mp4", origin.rtmp_url("live/a"), "--loop")),
    ):
        origin.wait_url("/live/a/index.m3u8")
        assert set(decoded_frames(origin, "live/a", "180p")) == {(320, 180)}
        assert 'CODECS="avc1.' in origin.get("/live/a/index.m3u8").decode()


# -- keys and take-over --------------------------------------------------------------------------


@needs_ffmpeg
def test_a_publisher_that_takes_over_is_played_and_the_other_reads_why(
    origin: OriginProcess,
) -> None:
    with running(*ffmpeg_push("two-second-gop.flv", origin.rtmp_url("live/two"))) as first:
        origin.wait_segments("live/two", "source", 1)
        with running(*ffmpeg_push("b-frames.flv", origin.rtmp_url("live/two"))) as second:
            said, _ = first.communicate(timeout=15)
            listed = len(origin.wait_segments("live/two", "source", 1))
            origin.wait_segments("live/two", "source", listed + 2)
            playlist = origin.get("/live/two/source/index.m3u8").decode()
            assert second.poll() is None
    assert "another publisher took over live/two" in said
    assert playlist.count("#EXT-X-DISCONTINUITY\n") == 1


@needs_ffmpeg
def test_a_path_that_rejects_others_keeps_its_publisher(tmp_path: Path) -> None:
    with (
        origin_process(tmp_path, f'{COPY}republish = "reject"') as origin,
        running(*ffmpeg_push("two-second-gop.flv", origin.rtmp_url("live/a"))) as first,
    ):
        origin.wait_path("live/a", "live")
        with running(*ffmpeg_push("b-frames.flv", origin.rtmp_url("live/a"))) as second:
            said, _ = second.communicate(timeout=15)
        origin.wait_segments("live/a", "source", 3)
        assert first.poll() is None
        assert "#EXT-X-DISCONTINUITY\n" not in origin.get("/live/a/source/index.m3u8").decode()
    assert "live/a has a publisher already" in said


@needs_ffmpeg
def test_only_the_right_key_publishes_and_no_key_is_logged(tmp_path: Path) -> None:
    with origin_process(tmp_path, f'{COPY}publish_key = "a secret"') as origin:
        for wrong in ("live/a", "live/a?key=guessed"):
            with running(*ffmpeg_push("b-frames.flv", origin.rtmp_url(wrong))) as refused:
                said, _ = refused.communicate(timeout=15)
            assert "wrong or missing publish key for live/a" in said
        assert origin.fetch("/live/a/index.m3u8")[0] == 404
        with running(*ffmpeg_push("b-frames.flv", origin.rtmp_url("live/a?key=a%20secret"))):
            origin.wait_path("live/a", "live")
        log = origin.log()
    assert "guessed" not in log
    assert "secret" not in log


# -- pulled sources ------------------------------------------------------------------------------


def test_a_viewer_wakes_a_source_on_demand_that_sleeps_again(tmp_path: Path) -> None:
    config = f"""
[paths.vod]
source = "{CLIPS / "b-frames.mp4"}"
source_on_demand = true
source_idle_s = 1
ladder = "copy"
segment_duration_s = 1
"""
    with origin_process(tmp_path, config) as origin:
        asleep = origin.wait_path("vod", "idle")
        assert asleep["reason"] == "pulled while someone watches"
        assert not any("pull_worker" in line for _, line in origin.children())
        with pytest.raises(urllib.error.HTTPError) as waking:
            urllib.request.urlopen(origin.url("/vod/index.m3u8"), timeout=10)
        with waking.value as response:
            assert response.code == 503
            assert int(response.headers["Retry-After"]) >= 1
        origin.wait_url("/vod/index.m3u8")
        # Longer than the clip: it is looped, and watching keeps the source awake.
        got = played(origin, "vod", "source", 5)
        sent = pushed("b-frames.mp4", "video")
        assert len(got) > len(sent)
        assert got == (sent * 3)[: len(got)]
        origin.wait_log("vod: nobody has watched for", within_s=30)
        origin.wait_path("vod", "idle")
        assert not any("pull_worker" in line for _, line in origin.children())
        origin.fetch("/vod/index.m3u8")
        origin.wait_url("/vod/index.m3u8")


def test_another_origin_is_followed_through_its_playlists(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near").mkdir()
    source = f'[paths.film]\nsource = "{CLIPS / "b-frames.mp4"}"\nladder = "copy"\n'
    with origin_process(tmp_path / "far", source) as far:
        config = f'{COPY}source = "{far.url("/film/index.m3u8")}"'
        far.wait_url("/film/index.m3u8")
        with origin_process(tmp_path / "near", config.replace("live/*", "live/film")) as near:
            got = played(near, "live/film", "source", 3)
            sounds = played(near, "live/film", "audio", 3)
    sent = pushed("b-frames.mp4", "video")
    start = sent.index(got[0])
    assert got == (sent * 3)[start : start + len(got)]
    assert len(sounds) > 100
