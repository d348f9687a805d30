"""Which FFmpeg encoder makes a rung, and with which options.

Hardware is taken only where it truly opens: each candidate encodes one frame, once per worker,
within `TRY_S`. All settings aim at low latency: a frame in, an access unit out; key frames only
where we ask for them, closed groups of pictures, parameter sets on the track.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, cast

from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext, Flags
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from segmenter.errors import MediaError
from segmenter.media import VIDEO_TIMESCALE, Codec
from streaming.transcode.planned_rung import PlannedRung

TRY_S = 5.0
"""A driver's first use takes about 1 s; one that hangs must not hold the stream up."""
MPIXELS_PER_THREAD = 65
"""Pixels per second, in millions, that one thread of x264 veryfast encodes with a margin on a
slow core (about 95). Each thread more adds a frame of delay."""
NEVER = 1_000_000
"""Frames between key frames that nobody asked for: nine hours at 30 per second."""

ENCODER_ERRORS = (FFmpegError, ValueError, MediaError)
"""What opening an encoder with a user's settings, or reading its configuration, may raise."""

_SOFTWARE = {
    Codec.H264: "libx264",
    Codec.H265: "libx265",
    Codec.AV1: "libsvtav1",
    Codec.VP9: "libvpx-vp9",
}
_FAMILY = {Codec.H264: "h264", Codec.H265: "hevc", Codec.AV1: "av1", Codec.VP9: "vp9"}
_HARDWARE = ("nvenc", "qsv", "vaapi")


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """An encoder by FFmpeg's name, and why this one."""

    name: str
    reason: str


def software_encoder(codec: Codec, reason: str) -> EncoderChoice:
    """The encoder that works everywhere."""
    return EncoderChoice(_SOFTWARE[codec], reason)


@cache
def choose_encoder(codec: Codec, preference: str) -> EncoderChoice:
    """The encoder for `PathConfig.encoder`; software when no hardware works."""
    if preference == "software":
        return software_encoder(codec, "configured")
    kinds = _HARDWARE if preference == "auto" else (preference,)
    failures = []
    for kind in kinds:
        name = f"{_FAMILY[codec]}_{kind}"
        failure = _try_encoder(name)
        if not failure:
            return EncoderChoice(name, "it opens on this machine")
        failures.append(f"{name}: {failure}")
    return software_encoder(codec, f"no hardware opens ({'; '.join(failures)})")


def _try_encoder(name: str) -> str:
    """Why the encoder does not work; empty when it does."""
    outcome = [f"no answer within {TRY_S:g} s"]

    def encode_one() -> None:
        outcome[0] = _encode_one(name)

    thread = threading.Thread(target=encode_one, name=f"try {name}", daemon=True)
    thread.start()
    thread.join(TRY_S)
    return outcome[0]


def _encode_one(name: str) -> str:
    rung = PlannedRung("try", Codec.H264, 640, 360, 1, 1000, 1100, 1100)
    try:
        packets = _packets_of_one(name, rung)
    except ENCODER_ERRORS as error:
        return _brief(error)
    return "" if packets else "it made nothing of a frame"


def _packets_of_one(name: str, rung: PlannedRung) -> list[Packet[Any]]:
    context = open_encoder(name, rung, Fraction(30), lambda context: None)
    frame = VideoFrame(rung.width, rung.height, "yuv420p")
    frame.pts, frame.time_base = 0, context.time_base
    return [*context.encode(frame), *context.encode(None)]


def _brief(error: Exception) -> str:
    """What went wrong, without FFmpeg's call and its options."""
    if isinstance(error, UnknownCodecError):
        return "this FFmpeg has none"
    return (isinstance(error, FFmpegError) and error.strerror) or str(error).splitlines()[0]


def refusal(name: str, rung: PlannedRung, error: Exception) -> str:
    """Why the encoder `name` did not open for `rung`, with the words that only it knows."""
    words = [f'{key} "{word}"' for key in ("preset", "profile") if (word := getattr(rung, key))]
    told = f" with {' and '.join(words)}" if words else ""
    return f"{name}{told}: {_brief(error)}"


def why_software_refuses(rung: PlannedRung) -> str:
    """Why the encoder that works everywhere does not work for `rung`; empty when it does."""
    name = _SOFTWARE[rung.codec]
    try:
        _packets_of_one(name, rung)
    except ENCODER_ERRORS as error:
        return refusal(name, rung, error)
    return ""


def open_encoder(
    name: str,
    rung: PlannedRung,
    frame_rate: Fraction,
    adjust: Callable[[VideoCodecContext], None],
) -> VideoCodecContext:
    """An open encoder whose time base is media time; `adjust` sets what depends on the source.

    `frame_rate` is the rung's own, 0 when unknown. Raises FFmpegError or ValueError.
    """
    context = cast(VideoCodecContext, CodecContext.create(name, "w"))
    context.width, context.height = rung.width, rung.height
    context.pix_fmt = "nv12" if name.endswith("_qsv") else "yuv420p"
    context.time_base = Fraction(1, VIDEO_TIMESCALE)
    context.framerate = frame_rate or Fraction(30)
    context.flags |= Flags.global_header
    context.bit_rate = rung.bitrate_kbps * 1000
    context.gop_size = NEVER
    context.max_b_frames = rung.b_frames
    context.thread_count = encoder_threads(rung, frame_rate)
    context.options = {
        "maxrate": f"{rung.maxrate_kbps}k",
        "bufsize": f"{rung.bufsize_kbits}k",
        **_options(name, rung, frame_rate),
    }
    adjust(context)
    context.open()
    return context


def encoder_threads(rung: PlannedRung, frame_rate: Fraction) -> int:
    """Threads that encode `rung` in real time, one where that suffices."""
    mpixels_per_s = rung.width * rung.height * float(frame_rate or 30) / 1e6
    wanted = math.ceil(mpixels_per_s / MPIXELS_PER_THREAD)
    return max(1, min(wanted, os.cpu_count() or 1, 16))


def _options(name: str, rung: PlannedRung, frame_rate: Fraction) -> dict[str, str]:
    if name == "libx264":
        return _x264(rung, frame_rate)
    if name == "libx265":
        return _x265(rung)
    if name == "libsvtav1":
        return _svt_av1(rung)
    if name == "libvpx-vp9":
        return _vpx(rung)
    if name.endswith("_nvenc"):
        return _with_profile(
            rung,
            {"preset": rung.preset or "p4", "tune": "ull", "rc": "vbr", "zerolatency": "1"}
            | {"delay": "0", "forced-idr": "1", "no-scenecut": "1"},
        )
    if name.endswith("_qsv"):
        return _with_profile(
            rung, {"preset": rung.preset or "veryfast", "async_depth": "1", "forced_idr": "1"}
        )
    return _with_profile(rung, {"rc_mode": "VBR", "async_depth": "1"})


def _with_profile(rung: PlannedRung, options: dict[str, str]) -> dict[str, str]:
    return options | ({"profile": rung.profile} if rung.profile else {})


def _x264(rung: PlannedRung, frame_rate: Fraction) -> dict[str, str]:
    """force-cfr writes the true rate into the VUI and leaves our pts alone; with a variable rate
    the rate control needs durations instead. annexb=0 gives lengths and avcC at once."""
    parameters = [
        "annexb=0",
        "keyint=infinite",
        "scenecut=0",
        "open-gop=0",
        f"bframes={rung.b_frames}",
        f"rc-lookahead={rung.lookahead}",
        "sync-lookahead=0",
        "sliced-threads=0",
        f"mbtree={int(rung.lookahead > 0)}",
        f"force-cfr={int(frame_rate != 0)}",
    ]
    options = {"preset": rung.preset or "veryfast", "forced-idr": "1"}
    return _with_profile(rung, options | {"x264-params": ":".join(parameters)})


def _x265(rung: PlannedRung) -> dict[str, str]:
    """It does not open unless it looks further ahead than there are B-frames."""
    lookahead = max(rung.lookahead, rung.b_frames + 1) if rung.b_frames else rung.lookahead
    parameters = [
        "log-level=none",
        "info=0",
        "repeat-headers=0",
        "keyint=-1",
        "scenecut=0",
        "open-gop=0",
        f"bframes={rung.b_frames}",
        f"rc-lookahead={lookahead}",
        "frame-threads=1",
        "b-adapt=0",
        f"cutree={int(rung.lookahead > 0)}",
    ]
    options = {"preset": rung.preset or "superfast", "forced-idr": "1"}
    return _with_profile(rung, options | {"x265-params": ":".join(parameters)})


def _svt_av1(rung: PlannedRung) -> dict[str, str]:
    parameters = ["pred-struct=1", "keyint=-1", "scd=0", f"lookahead={rung.lookahead}", "rc=2"]
    return {"preset": rung.preset or "10", "svtav1-params": ":".join(parameters)}


def _vpx(rung: PlannedRung) -> dict[str, str]:
    """Of a variable rate libvpx keeps the average alone: a hard scene after an easy one had ten
    times the peak for seconds. Of a constant one it keeps to the buffer."""
    constant = f"{rung.bitrate_kbps}k"
    return {
        "minrate": constant,
        "maxrate": constant,
        "deadline": "realtime",
        "cpu-used": rung.preset or "8",
        "lag-in-frames": str(rung.lookahead),
        "auto-alt-ref": "0",
        "row-mt": "1",
        "keyint_min": str(NEVER),
    } | ({"profile": rung.profile} if rung.profile else {})
