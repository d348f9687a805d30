"""(a) Copy packaging of a 4 Mb/s 1080p30 recording to 2 s CMAF segments and playlists.

Whole processes, from exec to exit, writing files on the same file system. The start (interpreter
or dynamic linker, imports, first segment) is measured with a clip of two seconds; "without the
start" is the difference of the two for both programs.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

from bench.clips import GOP_S, ClipRequest, clip
from bench.figures import Aim, Figure
from bench.processes import need, python, run

VIDEO_KBPS = 4000
WINDOW_SEGMENTS = 15
HOUR_S = 3600.0
CORE = 0
PEER = "ffmpeg -c copy -f hls"


def measure(runs: int, seconds: int) -> list[Figure]:
    """CPU seconds for an hour of one stream; `seconds` of media in each run."""
    long = clip(ClipRequest(VIDEO_KBPS, max(seconds, 2 * GOP_S)))
    short = clip(ClipRequest(VIDEO_KBPS, GOP_S))
    media_s = max(seconds, 2 * GOP_S)
    names = ("ours", "parts", "ffmpeg")
    whole: dict[str, list[float]] = {name: [] for name in names}
    starts: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(runs):
        for name in names:
            whole[name].append(_cpu_s(name, long))
            starts[name].append(_cpu_s(name, short))
    hours = media_s / HOUR_S
    steady_hours = (media_s - GOP_S) / HOUR_S
    gross = {n: tuple(cpu / hours for cpu in whole[n]) for n in names}
    net = {
        n: tuple((cpu - statistics.median(starts[n])) / steady_hours for cpu in whole[n])
        for n in names
    }
    unit = "CPU s / h"
    return [
        Figure("a", "2 s segments", unit, net["ours"], PEER, net["ffmpeg"], Aim(0.6)),
        Figure("a", f"… start included, {media_s} s of media", unit, gross["ours"], PEER,
               gross["ffmpeg"], Aim(0.6)),
        Figure("a", "… with parts of 200 ms", unit, net["parts"], PEER, net["ffmpeg"], Aim(0.6)),
        Figure("a", "the start", "CPU s", tuple(starts["ours"]), PEER, tuple(starts["ffmpeg"])),
    ]  # fmt: skip


def _cpu_s(name: str, file: Path) -> float:
    directory = Path(tempfile.mkdtemp(prefix="bench-a-"))
    try:
        if name == "ffmpeg":
            command = _ffmpeg(file, directory)
        else:
            part = "0.2" if name == "parts" else "0"
            command = python("bench.package_flv", str(file), str(directory), part)
        return run(command, CORE).cpu_s
    finally:
        shutil.rmtree(directory)


def _ffmpeg(file: Path, directory: Path) -> list[str]:
    return [
        need("ffmpeg"), "-hide_banner", "-loglevel", "error", "-i", str(file), "-c", "copy",
        "-f", "hls", "-hls_segment_type", "fmp4", "-hls_time", str(GOP_S),
        "-hls_list_size", str(WINDOW_SEGMENTS), "-hls_flags", "delete_segments",
        str(directory / "index.m3u8"),
    ]  # fmt: skip
