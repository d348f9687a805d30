"""Sound that ffmpeg sends as MP3, which it does to RTMP when it is not told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from streaming.play import play_whep
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


def picture_brightness(media: bytes) -> list[tuple[float, float]]:
    """Each picture's time and mean."""
    with av.open(io.BytesIO(media)) as container:
        frames = cast(Iterator[VideoFrame], container.decode(video=0))
        return [(float(f.time or 0), float(f.to_ndarray(format="gray").mean())) for f in frames]


def sound_of(media: bytes) -> tuple[float, int, NDArray[np.float32]]:
    """Time of the beginning, rate, and samples of the first channel."""
    with av.open(io.BytesIO(media)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        frames = list(cast(Iterator[AudioFrame], container.decode(audio=0)))
    wave = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return float(frames[0].time or 0), frames[0].sample_rate, wave


def first_flash_s(media: bytes) -> float:
    seen = picture_brightness(media)
    return next(at for (_, before), (at, now) in pairwise(seen) if before < 60 < 180 < now)


def assert_beeps_with_the_flashes(origin: OriginProcess, path: str) -> None:
    flash_s = first_flash_s(origin.wait_media(path, "source", 3))
    start_s, rate, wave = sound_of(origin.wait_media(path, "audio", 3))
    loud = np.abs(wave) > 0.2
    first = round((flash_s - 0.3 - start_s) * rate)
    assert not loud[first : first + rate // 10].any(), "silence before the flash"
    beep = first + int(np.argmax(loud[first:]))
    assert abs(start_s + beep / rate - flash_s) < MOST_APART_S
    tone = wave[beep : beep + rate // 8]
    loudest = int(np.argmax(np.abs(np.fft.rfft(tone)))) * rate / len(tone)
    assert abs(loudest - TONE_HZ) < 10


async def test_sound_in_mp3_reaches_players_as_aac_and_viewers_as_opus(tmp_path: Path) -> None:
    with (
        origin_process(tmp_path, CONFIG) as origin,
        on_air(origin.rtmp_url(PATH), "-c:a", "libmp3lame"),
    ):
        await asyncio.to_thread(origin.wait_segments, PATH, "source", 1)
        report = await play_whep(origin.url(f"/{PATH}/whep"), 4.0)
        assert report.frames >= 50
        assert report.sound_s >= 1.5
        assert_beeps_with_the_flashes(origin, PATH)
        assert b'CODECS="avc1' in origin.get(f"/{PATH}/index.m3u8")
        assert b"mp4a.40.2" in origin.get(f"/{PATH}/index.m3u8")


async def test_viewers_go_on_when_mp3_is_followed_by_aac_and_the_other_way_round(
    tmp_path: Path,
) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        for sound in ("libmp3lame", "aac", "libmp3lame"):
            before = len(listed(origin))
            with on_air(origin.rtmp_url(PATH), "-c:a", sound):
                await asyncio.to_thread(
                    origin.wait, lambda n=before: len(listed(origin)) >= n + 2 or None, sound, 20.0
                )
            await asyncio.to_thread(origin.wait_path, PATH, "away")
        assert "Traceback" not in origin.log()


def listed(origin: OriginProcess) -> list[bytes]:
    """Segments of the sound so far."""
    status, body = origin.fetch(f"/{PATH}/audio/index.m3u8")
    return body.split(b"#EXTINF")[1:] if status == 200 else []
