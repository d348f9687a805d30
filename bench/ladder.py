"""(c) Decode 1080p30 once, encode four rungs with x264 veryfast: CPU and quality.

Both programs use the same x264 settings; the settings that x264 writes into every stream are
compared, so that they cannot drift apart unseen. PSNR is of luma against the source scaled by
ffmpeg to the rung's size, frame by frame, where both decode the source alike.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from bench.clips import FRAME_RATE, GOP_S, ClipRequest, clip
from bench.encode_flv import PRESET, plan
from bench.figures import Aim, Figure
from bench.flv_file import read_messages
from bench.processes import BenchError, need, python, run
from bench.servers import scratch
from segmenter.media import MediaType, Track
from streaming.ingest.flv import FlvDemuxer, TracksReady
from streaming.transcode.encoders import open_encoder
from streaming.transcode.planned_rung import PlannedRung

SOURCE_KBPS = 12_000
PEER = "ffmpeg"
MOST_PSNR_LOSS_DB = 0.1
SHORT_S = 0.1
"""A clip of three frames stands for the start of either program, which is taken off."""
X264_PARAMETERS = (
    "keyint=infinite:scenecut=0:open-gop=0:bframes=0:rc-lookahead=0:sync-lookahead=0:"
    "sliced-threads=0:mbtree=0:force-cfr=1"
)
_SETTINGS = re.compile(rb"x264 - core \d+[^\0]*? - options: ([ -~]+)")
_PSNR = re.compile(r"PSNR y:([0-9.]+)")
_NOT_QUALITY = ("threads=", "lookahead_threads=", "sliced_threads=")


def measure(runs: int, seconds: int) -> list[Figure]:
    """CPU per frame of the source, and of each rung the quality and size."""
    source = clip(ClipRequest(SOURCE_KBPS, seconds))
    short = clip(ClipRequest(SOURCE_KBPS, SHORT_S))
    rungs = plan(_video_track(source)).rungs
    whole: dict[str, list[float]] = {"ours": [], "ffmpeg": []}
    starts: dict[str, list[float]] = {"ours": [], "ffmpeg": []}
    with scratch("bench-c-") as root:
        for _ in range(runs):
            for name in whole:
                starts[name].append(_encode(name, short, root, rungs))
                whole[name].append(_encode(name, source, root, rungs))
        quality = [_compare(rung, source, root) for rung in rungs]
    frames = FRAME_RATE * (seconds - SHORT_S)
    cpu = {
        name: tuple(1000 * (cpu - statistics.median(starts[name])) / frames for cpu in values)
        for name, values in whole.items()
    }
    figures = [
        Figure("c", "ladder of 1080, 720, 480, 360 lines", "CPU ms / frame", cpu["ours"], PEER,
               cpu["ffmpeg"], Aim(1.0)),
        Figure("c", "… the start", "CPU s", tuple(starts["ours"]), PEER, tuple(starts["ffmpeg"])),
    ]  # fmt: skip
    return figures + [figure for pair in quality for figure in pair]


def _video_track(file: Path) -> Track:
    demuxer = FlvDemuxer()
    for message in read_messages(file):
        for item in demuxer.push(message):
            if isinstance(item, TracksReady):
                return next(t for t in item.tracks if t.media_type is MediaType.VIDEO)
    raise BenchError(f"{file} has no video")


def _encode(name: str, source: Path, root: Path, rungs: tuple[PlannedRung, ...]) -> float:
    directory = root / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    if name == "ours":
        return run(python("bench.encode_flv", str(source), str(directory))).cpu_s
    return run(_ffmpeg(source, directory, rungs)).cpu_s


def _ffmpeg(source: Path, directory: Path, rungs: tuple[PlannedRung, ...]) -> list[str]:
    split = "".join(f"[s{i}]" for i in range(len(rungs)))
    scaled = ";".join(
        f"[s{i}]scale={rung.width}:{rung.height}:flags=bicubic[v{i}]"
        for i, rung in enumerate(rungs)
    )
    command = [
        need("ffmpeg"), "-hide_banner", "-loglevel", "error", "-threads", "1", "-i", str(source),
        "-filter_complex", f"[0:v]split={len(rungs)}{split};{scaled}",
    ]  # fmt: skip
    for i, rung in enumerate(rungs):
        command += [
            "-map", f"[v{i}]", "-fps_mode", "passthrough", "-c:v", "libx264", "-preset", PRESET,
            "-threads", "1", "-b:v", f"{rung.bitrate_kbps}k", "-maxrate", f"{rung.maxrate_kbps}k",
            "-bufsize", f"{rung.bufsize_kbits}k", "-x264-params", X264_PARAMETERS,
            "-force_key_frames", f"expr:gte(t,n_forced*{GOP_S})", "-forced-idr", "1",
            str(directory / f"{rung.name}.mp4"),
        ]  # fmt: skip
    return command


def _compare(rung: PlannedRung, source: Path, root: Path) -> list[Figure]:
    theirs = root / "ffmpeg" / f"{rung.name}.mp4"
    ours = _joined(root / "ours" / "live" / rung.name, root / f"{rung.name}.mp4")
    odd = _our_settings(rung) ^ _settings(theirs.read_bytes())
    if odd:
        raise BenchError(f"{rung.name}: the x264 settings differ: {' '.join(sorted(odd))}")
    psnr = [_psnr(file, source, rung) for file in (ours, theirs)]
    size = [file.stat().st_size / 1000 for file in (ours, theirs)]
    aim = Aim(-MOST_PSNR_LOSS_DB, "difference", at_least=True)
    return [
        Figure("c", f"{rung.name}: PSNR", "dB", (psnr[0],), PEER, (psnr[1],), aim),
        Figure("c", f"{rung.name}: size", "kB", (size[0],), PEER, (size[1],)),
    ]


def _joined(directory: Path, target: Path) -> Path:
    """Init section and segments of a rendition as one file."""
    segments = sorted(directory.glob("*.m4s"), key=lambda file: int(file.stem))
    with open(target, "wb") as out:
        for part in [*directory.glob("init-*.mp4"), *segments]:
            out.write(part.read_bytes())
    return target


def _our_settings(rung: PlannedRung) -> set[str]:
    """Of an encoder as the transcoder opens it; the transcoder strips what x264 says of itself."""
    context = open_encoder("libx264", rung, Fraction(FRAME_RATE), lambda context: None)
    frame = VideoFrame(rung.width, rung.height, "yuv420p")
    frame.pts, frame.time_base = 0, context.time_base
    packets = [*context.encode(frame), *context.encode(None)]
    return _settings(b"".join([context.extradata or b"", *map(bytes, packets)]))


def _settings(stream: bytes) -> set[str]:
    found = _SETTINGS.search(stream)
    if found is None:
        raise BenchError("a stream does not tell its x264 settings")
    words = found[1].decode("ascii").split()
    return {word for word in words if not word.startswith(_NOT_QUALITY)}


def _psnr(file: Path, source: Path, rung: PlannedRung) -> float:
    """Mean of luma over all frames, paired by their order."""
    graph = (
        f"[1:v]scale={rung.width}:{rung.height}:flags=bicubic,settb=1/30,setpts=N[reference];"
        "[0:v]settb=1/30,setpts=N[encoded];[encoded][reference]psnr"
    )
    command = [need("ffmpeg"), "-hide_banner", "-i", str(file), "-i", str(source)]
    done = subprocess.run(
        [*command, "-lavfi", graph, "-f", "null", "-"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    values = _PSNR.findall(done.stderr)
    if done.returncode or not values:
        raise BenchError(f"ffmpeg psnr: {done.stderr[-500:]}")
    return statistics.median(map(float, values))
