"""(a) Copy packaging of a 4 Mb/s 1080p30 recording to 2 s CMAF segments and playlists.

Whole processes, from exec to exit, writing files on the same file system. The start (interpreter
or dynamic linker, imports, first segment) is measured with a clip of two seconds; "without the
start" is the difference of the two for all programs.

Headwater writes sound and picture as CMAF has them, in tracks of their own, two media playlists,
the multivariant one and the MPD. ffmpeg is run in three ways: its HLS muxer with the tracks apart,
which is the same when our MPD is not written; its DASH muxer with HLS playlists, which is all of
the same; and its HLS muxer as it comes, which puts both tracks into each of half as many files, and
lists them in one playlist instead of three.
"""

from __future__ import annotations

import os
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
READ_BYTES = 1 << 20
AIM = Aim(0.6)

OURS = {"hls": ("0", "hls"), "both": ("0",), "parts": ("0.2", "hls")}
"""Name -> duration of parts, seconds, and whether HLS is all that is written, as the peer's is."""
_HLS = (
    "-f", "hls", "-hls_segment_type", "fmp4", "-hls_time", str(GOP_S),
    "-hls_list_size", str(WINDOW_SEGMENTS), "-hls_flags", "delete_segments",
    "-hls_delete_threshold", str(WINDOW_SEGMENTS),
)  # fmt: skip
_TRACKS = ("-map", "0:v", "-map", "0:a")
PEERS = {
    "apart": (
        *_TRACKS, *_HLS, "-var_stream_map", "v:0,agroup:a a:0,agroup:a",
        "-master_pl_name", "index.m3u8", "track%v/index.m3u8",
    ),
    "dash": (
        *_TRACKS, "-f", "dash", "-seg_duration", str(GOP_S), "-streaming", "0",
        "-window_size", str(WINDOW_SEGMENTS), "-extra_window_size", str(WINDOW_SEGMENTS),
        "-hls_playlist", "1", "manifest.mpd",
    ),
    "muxed": (*_HLS, "index.m3u8"),
}  # fmt: skip
"""Name -> arguments of ffmpeg. All list as many segments as we do, and keep as many more."""
APART, DASH, MUXED = "ffmpeg -f hls, tracks apart", "ffmpeg -f dash + HLS", "ffmpeg -f hls, muxed"


def measure(runs: int, seconds: int) -> list[Figure]:
    """CPU seconds for an hour of one stream; `seconds` of media in each run."""
    media_s = max(seconds, 2 * GOP_S)
    long = clip(ClipRequest(VIDEO_KBPS, media_s))
    short = clip(ClipRequest(VIDEO_KBPS, GOP_S))
    _read_from_disk(long)
    names = (*OURS, *PEERS)
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
    unit, included = "CPU s / h", f"… start included, {media_s} s of media"
    return [
        Figure("a", "2 s segments, tracks apart", unit, net["hls"], APART, net["apart"], AIM),
        Figure("a", "… HLS and MPD on both sides", unit, net["both"], DASH, net["dash"], AIM),
        Figure("a", "… there in one file", unit, net["hls"], MUXED, net["muxed"], AIM),
        Figure("a", included, unit, gross["hls"], APART, gross["apart"], AIM),
        Figure("a", included, unit, gross["hls"], MUXED, gross["muxed"], AIM),
        Figure("a", "… with parts of 200 ms", unit, net["parts"], APART, net["apart"]),
        Figure("a", "the start", "CPU s", tuple(starts["hls"]), APART, tuple(starts["apart"])),
    ]


def _read_from_disk(file: Path) -> None:
    """Has the file in memory as any recording comes there: in large pieces.

    Of one that was just written by 32 KB the kernel keeps single pages, and each costs whoever
    reads or maps it half a microsecond: a tenth of all that is measured here.
    """
    source = os.open(file, os.O_RDONLY)
    os.fsync(source)
    os.posix_fadvise(source, 0, 0, os.POSIX_FADV_DONTNEED)
    while os.read(source, READ_BYTES):
        pass
    os.close(source)


def _cpu_s(name: str, file: Path) -> float:
    directory = Path(tempfile.mkdtemp(prefix="bench-a-"))
    try:
        if name in OURS:
            command = python("bench.package_flv", str(file), str(directory), *OURS[name])
        else:
            *arguments, output = PEERS[name]
            ffmpeg = (need("ffmpeg"), "-hide_banner", "-loglevel", "error", "-i", str(file))
            command = [*ffmpeg, "-c", "copy", *arguments, str(directory / output)]
        return run(command, CORE).cpu_s
    finally:
        shutil.rmtree(directory)
