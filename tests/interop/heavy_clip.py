"""A clip with the bitrate of a large picture and the cost of a small one, pushed over and over."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_PICTURE = "testsrc2=size=640x360:rate=25,noise=alls=24:allf=t"
_SOUND = "sine=frequency=1000:sample_rate=48000"
_CLIP = (
    f"ffmpeg -v error -y -f lavfi -i {_PICTURE} -f lavfi -i {_SOUND} -t 10"
    " -c:v libx264 -preset ultrafast -tune zerolatency -b:v 2400k -maxrate 2400k -bufsize 400k"
    " -g 25 -keyint_min 25 -sc_threshold 0 -pix_fmt yuv420p -c:a aac -b:a 96k"
)
"""10 s, encoded once: noise makes a small picture as heavy as a large one, and cheap to decode. No
picture has more than 41 kB; with a buffer three times as large the first had 99, which alone take
160 ms of 5 Mb/s and as much as a router's whole queue, whenever the clip begins again."""


def make_clip(folder: Path) -> Path:
    """The clip as a file; skips the test without ffmpeg."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg program: apt-get install ffmpeg")
    clip = folder / "clip.flv"
    subprocess.run([*_CLIP.split(), str(clip)], check=True, stdin=subprocess.DEVNULL)
    return clip


@contextlib.contextmanager
def push_clip(
    clip: Path, url: str, prefix: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Push it to an RTMP address in real time until killed; `prefix` runs a command elsewhere."""
    push = f"ffmpeg -v error -re -stream_loop -1 -i {clip} -c copy -f flv {url}"
    with subprocess.Popen([*prefix, *push.split()], stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()
