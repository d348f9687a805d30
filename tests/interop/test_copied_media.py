"""What ffmpeg pushed is what players get: the same packets, to the byte and the tick."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is absent"),
]

SAMPLES = Path(__file__).parents[2] / "media-samples"
CONFIG = """
[paths."*"]
ladder = "copy"
audio = "copy"
linger_s = 0
"""
CLIPS = ("two-second-gop", "b-frames", "timestamp-wrap-31-bits", "timestamp-wrap-32-bits")

WRAPPED = ("timestamp-wrap-31-bits", "timestamp-wrap-32-bits")
"""FFmpeg's own FLV reader does not take these stamps for what they are."""
ROUND_S = 0.0021
"""FLV has whole milliseconds; dts and composition offset are rounded by themselves."""

PUSH = ("ffmpeg", "-v", "error", "-re", "-i")
AS_IT_IS = ("-c", "copy", "-f", "flv")
PROBE = ("ffprobe", "-v", "warning", "-show_entries", "stream=codec_name", "-of", "csv=p=0")

Packets = list[tuple[str, int, float]]
"""Digest, size, and pts minus dts in seconds of each packet, in decode order."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    """An origin to which every clip has been pushed, and which has ended their paths."""
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        pushes = [
            subprocess.Popen(
                [*PUSH, SAMPLES / f"{clip}.flv", *AS_IT_IS, running.rtmp_url(f"live/{clip}")],
                stdin=subprocess.DEVNULL,
            )
            for clip in CLIPS
        ]
        for push in pushes:
            assert push.wait(30) == 0
        for clip in CLIPS:
            running.wait_path(f"live/{clip}", "ended")
        yield running


def pushed(clip: str, kind: str) -> Packets:
    """The packets of the clip itself."""
    with av.open(SAMPLES / f"{clip}.flv") as container:
        return packets(container, kind)


def served(origin: OriginProcess, clip: str, rendition: str, kind: str) -> Packets:
    """The packets of all segments that the rendition's playlist lists."""
    lines = origin.get(f"/live/{clip}/{rendition}/index.m3u8").decode().splitlines()
    assert lines[-1] == "#EXT-X-ENDLIST"
    init = next(line for line in lines if line.startswith("#EXT-X-MAP")).split('"')[1]
    names = [init, *(line for line in lines if line and not line.startswith("#"))]
    media = b"".join(origin.get(f"/live/{clip}/{rendition}/{name}") for name in names)
    with av.open(io.BytesIO(media)) as container:
        return packets(container, kind)


def packets(container: av.container.InputContainer, kind: str) -> Packets:
    stream = next(stream for stream in container.streams if stream.type == kind)
    found = []
    for packet in container.demux(stream):
        if packet.size and packet.dts is not None and packet.pts is not None:
            offset_s = round(float((packet.pts - packet.dts) * packet.time_base), 3)
            found.append((hashlib.md5(bytes(packet)).hexdigest(), packet.size, offset_s))
    return found


@pytest.mark.parametrize("clip", CLIPS)
def test_every_video_packet_is_served_with_the_same_bytes(origin: OriginProcess, clip: str) -> None:
    sent = pushed(clip, "video")
    got = served(origin, clip, "source", "video")
    assert [packet[:2] for packet in got] == [packet[:2] for packet in sent]


def test_composition_offsets_of_b_frames_are_kept(origin: OriginProcess) -> None:
    sent = [offset for _, _, offset in pushed("b-frames", "video")]
    got = [offset for _, _, offset in served(origin, "b-frames", "source", "video")]
    delay = sent[0] - got[0]
    assert max(got) > min(got), "the clip has B-frames"
    # FLV has whole milliseconds; each offset is two rounded numbers.
    assert [offset + delay for offset in got] == pytest.approx(sent, abs=0.0021)


@pytest.mark.parametrize("clip", [clip for clip in CLIPS if clip not in WRAPPED])
def test_ffmpegs_own_digests_sizes_and_times_of_each_packet_are_those_of_the_clip(
    origin: OriginProcess, clip: str
) -> None:
    sent = framemd5(SAMPLES / f"{clip}.flv", "-c", "copy")
    got = framemd5(origin.url(f"/live/{clip}/source/index.m3u8"), "-c", "copy")
    assert len(sent) >= 120
    assert [(frame.digest, frame.size) for frame in got] == [(f.digest, f.size) for f in sent]
    for mine, theirs in zip(got, sent, strict=True):
        assert mine.dts_s - got[0].dts_s == pytest.approx(theirs.dts_s - sent[0].dts_s, abs=ROUND_S)
        assert mine.pts_s - got[0].pts_s == pytest.approx(theirs.pts_s - sent[0].pts_s, abs=ROUND_S)


@pytest.mark.parametrize("clip", [clip for clip in CLIPS if clip not in WRAPPED])
def test_every_decoded_picture_is_that_of_the_clip(origin: OriginProcess, clip: str) -> None:
    """Which init section, parameter sets and references to other pictures have a part in."""
    sent = framemd5(SAMPLES / f"{clip}.flv")
    got = framemd5(origin.url(f"/live/{clip}/source/index.m3u8"))
    assert len(sent) >= 120
    assert [frame.digest for frame in got] == [frame.digest for frame in sent]


@dataclass(frozen=True)
class Frame:
    """A line of FFmpeg's framemd5."""

    dts_s: float
    pts_s: float
    size: int
    digest: str


def framemd5(source: str | Path, *options: str) -> list[Frame]:
    """Of the video of `source`; decoded unless `options` say otherwise."""
    command = ["ffmpeg", "-v", "error", "-i", source, "-map", "0:v", *options]
    done = subprocess.run(
        [*command, "-enc_time_base", "-1", "-fps_mode", "passthrough", "-f", "framemd5", "-"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    (base,) = re.findall(r"^#tb 0: 1/(\d+)$", done.stdout, re.M)
    lines = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    return [
        Frame(int(dts) / int(base), int(pts) / int(base), int(size), digest.strip())
        for _, dts, pts, _, size, digest in lines
    ]


@pytest.mark.parametrize("clip", CLIPS)
def test_every_audio_packet_after_the_first_frames_is_served(
    origin: OriginProcess, clip: str
) -> None:
    sent = [packet[0] for packet in pushed(clip, "audio")]
    got = [packet[0] for packet in served(origin, clip, "audio", "audio")]
    assert got == sent[len(sent) - len(got) :]
    assert len(sent) - len(got) <= 3, "only audio from before the first key frame is left out"


@pytest.mark.parametrize("clip", CLIPS)
def test_ffprobe_finds_no_fault_in_what_is_served(origin: OriginProcess, clip: str) -> None:
    probe = subprocess.run(
        [*PROBE, origin.url(f"/live/{clip}/index.m3u8")],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert probe.stderr == ""
    assert set(probe.stdout.split()) == {"h264", "aac"}
