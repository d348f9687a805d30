"""Sound that ffmpeg sends as MP3, which it does to RTMP when it is not told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streaming.play import play_whep
from tests.interop.lip_sync import beeps_s
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=2),
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg program"),
]

PATH = "live/a"
CONFIG = """
[paths."live/*"]
ladder = "copy"
"""
TONE_HZ = 880
FLASH = "drawbox=c=white:t=fill:enable=lt(mod(t\\,1)\\,0.2)"
BEEP = f"aevalsrc=if(lt(mod(t\\,1)\\,0.2)\\,sin({TONE_HZ}*2*PI*t)\\,0):s=44100:c=stereo"
MOST_APART_S = 0.01
"""It was 0.00001 where this was written; a frame of MP3 is 26 ms long."""


@contextlib.contextmanager
def on_air(url: str, *sound: str) -> Iterator[None]:
    """A flash and a beep at each full second."""
    command = (
        "ffmpeg", "-v", "error", "-re",
        "-f", "lavfi", "-i", f"color=black:s=320x180:r=25,{FLASH}", "-f", "lavfi", "-i", BEEP,
        "-c:v", "libx264", "-g", "25", "-preset", "ultrafast", "-tune", "zerolatency", *sound,
        "-f", "flv", url,
    )  # fmt: skip
    push = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        push.kill()
        push.wait()


def flashes_s(media: bytes) -> list[float]:
    """Media times at which the picture becomes white."""
    with av.open(io.BytesIO(media), "r") as container:
        frames = container.decode(container.streams.video[0])
        seen = [(f.time or 0.0, f.to_ndarray(format="gray").mean()) for f in frames]
    return [at for (_, before), (at, now) in pairwise(seen) if before < 60 < 180 < now]


def loudest_hz(sound: bytes) -> float:
    """Of AAC."""
    with av.open(io.BytesIO(sound), "r") as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        wave = np.concatenate([f.to_ndarray()[0] for f in container.decode(stream)])
        return float(np.abs(np.fft.rfft(wave)).argmax()) * stream.sample_rate / len(wave)


def assert_beeps_with_the_flashes(origin: OriginProcess) -> None:
    flash_s = flashes_s(origin.wait_media(PATH, "source", 3))[0]
    sound = origin.wait_media(PATH, "audio", 3)
    apart_s = min(abs(beep_s - flash_s) for beep_s in beeps_s(sound))
    assert apart_s < MOST_APART_S
    assert abs(loudest_hz(sound) - TONE_HZ) < 10


async def test_sound_in_mp3_reaches_players_as_aac_and_viewers_as_opus(tmp_path: Path) -> None:
    with (
        origin_process(tmp_path, CONFIG) as origin,
        on_air(origin.rtmp_url(PATH), "-c:a", "libmp3lame"),
    ):
        await asyncio.to_thread(origin.wait_segments, PATH, "source", 1)
        report = await play_whep(origin.url(f"/{PATH}/whep"), 4.0)
        assert report.frames >= 50
        assert report.sound_s >= 1.5
        assert_beeps_with_the_flashes(origin)
        assert b'CODECS="avc1' in origin.get(f"/{PATH}/index.m3u8")
        assert b"mp4a.40.2" in origin.get(f"/{PATH}/index.m3u8")


def heard(origin: OriginProcess) -> int:
    """How many segments of the sound there have been."""
    status, body = origin.fetch(f"/{PATH}/audio/index.m3u8")
    found = re.search(rb"EXT-X-MEDIA-SEQUENCE:(\d+)", body)
    return int(found[1]) + body.count(b"#EXTINF") if status == 200 and found else 0


def wait_more(origin: OriginProcess, what: str) -> None:
    before = heard(origin)
    origin.wait(lambda: heard(origin) >= before + 2 or None, f"sound of {what}", 20.0)


def test_mp3_aac_and_the_slate_follow_on_each_other(tmp_path: Path) -> None:
    mp3, aac = ("-c:a", "libmp3lame"), ("-c:a", "aac")
    with origin_process(tmp_path, CONFIG + 'slate = "card"\n') as origin:
        url = origin.rtmp_url(PATH)
        with on_air(f"{url}?role=backup", *aac):
            with on_air(url, *mp3):
                wait_more(origin, "MP3")
            wait_more(origin, "the backup's AAC")
        origin.wait_path(PATH, "slate")
        wait_more(origin, "the slate")
        with on_air(url, *mp3):
            origin.wait_path(PATH, "live")
            wait_more(origin, "MP3 again")
        assert b"mp4a.40.2" in origin.get(f"/{PATH}/index.m3u8")
        assert "Traceback" not in origin.log()
