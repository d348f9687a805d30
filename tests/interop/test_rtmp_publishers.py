"""Programs that people publish with, against the bare RTMP server: what they read is what came."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import pairwise

import av
import pytest

from segmenter.media import Codec, Sample
from tests.interop.push_with_pyav import AV1_FRAMES, AV1_SIZE
from tests.interop.rtmp_room import CLIPS, ClipPacket, Room, read_clip, rtmp_room

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg is missing: apt install ffmpeg"
)

ROUNDING_S = 0.0021
"""RTMP's clock has milliseconds; dts and composition offset round by themselves."""


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with rtmp_room() as room:
        yield room


def assert_same(samples: list[Sample], packets: list[ClipPacket]) -> None:
    """Same bytes, key frames and times, but for the origin of the publisher's clock."""
    assert [sample.data for sample in samples] == [packet.data for packet in packets]
    assert [sample.is_sync for sample in samples] == [packet.is_key for packet in packets]
    shift = samples[0].dts / 1000 - packets[0].dts_s
    for sample, packet in zip(samples, packets, strict=True):
        assert sample.dts / 1000 == pytest.approx(packet.dts_s + shift, abs=ROUNDING_S)
        assert sample.pts / 1000 == pytest.approx(packet.pts_s + shift, abs=ROUNDING_S)


def codecs(room: Room) -> dict[str, Codec]:
    return {track.name: track.codec for track in room.door.publications[0].tracks}


async def push_with_ffmpeg(room: Room, clip: str, *options: str) -> None:
    ended = await room.run(
        "ffmpeg", "-v", "error", "-i", str(CLIPS / clip), "-c", "copy", *options,
        "-flvflags", "no_duration_filesize", "-f", "flv", room.url(),
    )  # fmt: skip
    assert ended.status == 0, ended.said
    await room.wait_closed()


async def push_with_pyav(room: Room, what: str) -> None:
    ended = await room.run(sys.executable, "-m", "tests.interop.push_with_pyav", what, room.url())
    assert ended.status == 0, ended.said
    await room.wait_closed()


# -- the ffmpeg program ----------------------------------------------------------------------------


@needs_ffmpeg
@pytest.mark.parametrize("clip", ["b-frames.flv", "two-second-gop.flv"])
async def test_ffmpeg_with_h264_and_aac(room: Room, clip: str) -> None:
    await push_with_ffmpeg(room, clip)
    assert codecs(room) == {"source": Codec.H264, "audio": Codec.AAC}
    assert_same(room.samples("source"), read_clip(clip, "video"))
    assert_same(room.samples("audio"), read_clip(clip, "audio"))


@needs_ffmpeg
async def test_ffmpeg_in_real_time_keeps_audio_and_video_together(room: Room) -> None:
    ended = await room.run(
        "ffmpeg", "-v", "error", "-re", "-t", "2", "-i", str(CLIPS / "b-frames.flv"),
        "-c", "copy", "-flvflags", "no_duration_filesize", "-f", "flv", room.url(),
    )  # fmt: skip
    assert ended.status == 0, ended.said
    await room.wait_closed()
    captured = [sample.captured_utc for sample in room.door.samples()]
    assert captured == sorted(captured)
    assert 1.5 < captured[-1] - captured[0] < 4.0
    assert len(room.samples("source")) == pytest.approx(60, abs=4)


@needs_ffmpeg
async def test_ffmpeg_with_video_only(room: Room) -> None:
    await push_with_ffmpeg(room, "video-only.mp4")
    assert codecs(room) == {"source": Codec.H264}
    assert_same(room.samples("source"), read_clip("video-only.mp4", "video"))


@needs_ffmpeg
async def test_ffmpeg_with_audio_only(room: Room) -> None:
    await push_with_ffmpeg(room, "audio-only.mp4")
    assert codecs(room) == {"audio": Codec.AAC}
    assert_same(room.samples("audio"), read_clip("audio-only.mp4", "audio"))


@needs_ffmpeg
async def test_ffmpeg_with_mono_at_44100_hertz(room: Room) -> None:
    await push_with_ffmpeg(room, "aac-44100-mono.flv")
    (track,) = (track for track in room.door.publications[0].tracks if track.name == "audio")
    assert (track.sample_rate, track.channels) == (44_100, 1)
    assert_same(room.samples("audio"), read_clip("aac-44100-mono.flv", "audio"))


@needs_ffmpeg
async def test_ffmpeg_with_a_codec_we_do_not_take_reads_why(room: Room) -> None:
    ended = await room.run(
        "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=s=160x90:r=10",
        "-c:v", "flv1", "-t", "5", "-f", "flv", room.url(),
    )  # fmt: skip
    assert ended.status != 0
    assert "Sorenson H.263 video is not supported here; send H.264" in ended.said


@needs_ffmpeg
async def test_ffmpeg_with_a_wrong_key_reads_why(room: Room) -> None:
    room.door.refusal = "wrong or missing publish key for live/foo"
    ended = await room.run(
        "ffmpeg", "-v", "error", "-i", str(CLIPS / "b-frames.flv"), "-c", "copy",
        "-f", "flv", room.url("foo?key=wrong"),
    )  # fmt: skip
    assert ended.status != 0
    assert "wrong or missing publish key for live/foo" in ended.said
    assert [request.key for request in room.door.requests] == ["wrong"]


# -- FFmpeg 8, which sends Enhanced RTMP -----------------------------------------------------------


@pytest.mark.parametrize(
    ("clip", "video", "audio"),
    [
        ("hevc.mp4", Codec.H265, Codec.AAC),
        ("vp9.mp4", Codec.VP9, Codec.OPUS),
        ("opus.mp4", Codec.H264, Codec.OPUS),
    ],
)
async def test_pyav_with_enhanced_rtmp(room: Room, clip: str, video: Codec, audio: Codec) -> None:
    await push_with_pyav(room, str(CLIPS / clip))
    assert codecs(room) == {"source": video, "audio": audio}
    tracks = room.door.publications[0].tracks
    assert [(track.width, track.height) for track in tracks if track.width] == [(320, 180)]
    assert_same(room.samples("source"), read_clip(clip, "video"))
    assert_same(room.samples("audio"), read_clip(clip, "audio"))


async def test_pyav_with_av1(room: Room) -> None:
    await push_with_pyav(room, "av1")
    (track,) = room.door.publications[0].tracks
    assert (track.codec, track.width, track.height) == (Codec.AV1, *AV1_SIZE)
    samples = room.samples("source")
    assert len(samples) == AV1_FRAMES
    assert [index for index, sample in enumerate(samples) if sample.is_sync] == [0, 15]
    decoder = av.CodecContext.create("libdav1d", "r")
    decoder.extradata = track.codec_config
    pictures = [each for s in samples for each in decoder.decode(av.Packet(s.data))]
    assert len(pictures + decoder.decode(None)) == AV1_FRAMES


async def test_pyav_with_six_channels(room: Room) -> None:
    await push_with_pyav(room, str(CLIPS / "five-point-one.mp4"))
    (track,) = (track for track in room.door.publications[0].tracks if track.name == "audio")
    assert (track.codec, track.channels) == (Codec.AAC, 6)
    assert_same(room.samples("audio"), read_clip("five-point-one.mp4", "audio"))


async def test_pyav_with_uneven_frame_intervals(room: Room) -> None:
    await push_with_pyav(room, str(CLIPS / "vfr.mp4"))
    assert_same(room.samples("source"), read_clip("vfr.mp4", "video"))
    times = [sample.dts for sample in room.samples("source")]
    assert len({after - before for before, after in pairwise(times)}) > 2


# -- GStreamer -------------------------------------------------------------------------------------

GSTREAMER_PACKAGES = (
    "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
)


def gstreamer_lacks() -> str:
    """What is missing for the test below; empty when nothing is."""
    if shutil.which("gst-inspect-1.0") is None:
        return "gst-launch-1.0"
    elements = ("videotestsrc", "x264enc", "h264parse", "flvmux", "rtmp2sink", "voaacenc")
    for element in elements:
        if subprocess.run(["gst-inspect-1.0", "--exists", element], check=False).returncode:
            return element
    return ""


async def test_gstreamer_with_rtmp2sink(room: Room) -> None:
    missing = gstreamer_lacks()
    if missing:
        pytest.skip(f"{missing} is missing: apt install {GSTREAMER_PACKAGES}")
    video = (
        "videotestsrc num-buffers=60 ! video/x-raw,width=320,height=180,framerate=30/1 "
        "! x264enc tune=zerolatency key-int-max=30 ! h264parse ! mux."
    )
    audio = "audiotestsrc num-buffers=90 ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! mux."
    pipeline = f"flvmux name=mux streamable=true ! rtmp2sink location={room.url()} {video} {audio}"
    ended = await room.run("gst-launch-1.0", "-q", *pipeline.split())
    assert ended.status == 0, ended.said
    await room.wait_closed()
    assert codecs(room) == {"source": Codec.H264, "audio": Codec.AAC}
    frames, sounds = room.samples("source"), room.samples("audio")
    assert len(frames) == 60
    assert [index for index, frame in enumerate(frames) if frame.is_sync] == [0, 30]
    assert all(0 < after.dts - before.dts <= 35 for before, after in pairwise(frames))
    assert len(sounds) > 80
