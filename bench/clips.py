"""The input of all benchmarks, made once by ffmpeg and kept under build/bench."""

from __future__ import annotations

import math
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BenchError, need

CACHE = Path(__file__).parents[1] / "build" / "bench"
FRAME_RATE = 30
GOP_S = 2
BASE_S = 10
"""Encoded once; longer clips repeat its pictures by copying, and their sound goes on all along."""

TONE = "sine=frequency=440:sample_rate=48000"
SOUND = ("-c:a", "aac", "-b:a", "128k", "-ac", "2")


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """A 1080p30 H.264 and AAC clip in FLV, key frames every two seconds."""

    video_kbps: int
    seconds: float
    preset: str = "veryfast"

    @property
    def name(self) -> str:
        """Of its file."""
        repeated = "-repeated" if self.seconds > BASE_S else ""
        return f"1080p30-{self.video_kbps}k-{self.seconds:g}s{repeated}.flv"


def clip(request: ClipRequest) -> Path:
    """The clip's file, made if it is not there. Raises BenchError when ffmpeg fails."""
    file = CACHE / request.name
    if file.exists():
        return file
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}.part")
    if request.seconds <= BASE_S:
        _ffmpeg(*_picture_and_tone(request), "-f", "flv", str(partial))
    else:
        base = clip(ClipRequest(request.video_kbps, BASE_S, request.preset))
        repeats = math.ceil(request.seconds / BASE_S) - 1
        _ffmpeg(
            "-stream_loop", str(repeats), "-i", str(base), "-f", "lavfi", "-i", TONE,
            "-map", "0:v", "-map", "1:a", "-t", str(request.seconds), "-c:v", "copy", *SOUND,
            "-f", "flv", str(partial),
        )  # fmt: skip
    partial.rename(file)
    return file


def _picture_and_tone(request: ClipRequest) -> list[str]:
    """A zoom into a fractal with film grain, and a test picture that swings over it.

    Flat test pictures flatter encoders, pure noise insults them; this has edges, texture, motion
    and fills any bit rate.
    """
    picture = (
        "mandelbrot=size=960x540:rate=30,scale=1920:1080:flags=bicubic,noise=alls=8:allf=t[back];"
        "testsrc2=size=640x360:rate=30[front];"
        "[back][front]overlay=x='640+400*sin(t)':y=300,format=yuv420p[video];"
        f"{TONE}[audio]"
    )
    rate = f"{request.video_kbps}k"
    return [
        "-filter_complex", picture, "-map", "[video]", "-map", "[audio]",
        "-t", str(request.seconds),
        "-c:v", "libx264", "-preset", request.preset, "-b:v", rate, "-maxrate", rate,
        "-bufsize", rate, "-g", str(GOP_S * FRAME_RATE), "-keyint_min", str(GOP_S * FRAME_RATE),
        "-sc_threshold", "0", "-bf", "0", *SOUND,
    ]  # fmt: skip


def _ffmpeg(*arguments: str) -> None:
    command = [need("ffmpeg"), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"ffmpeg: {done.stderr.decode(errors='replace').strip()[-1000:]}")
