"""From a path's configuration and its source to the rungs to encode. Pure: no FFmpeg, no I/O.

The automatic ladder: the source itself on top where browsers can play it, below it those of
`AUTO_HEIGHTS` that are clearly smaller, counted by the shorter side (so portrait video gets the
same names), kept from the lowest upwards as long as their estimated cost fits the budget. Rungs
of `HALF_RATE_HEIGHT` and below run at half rate when the source has more than 30 frames/s. What the
publisher sends in that size itself (a simulcast layer) is not encoded.
Written ladders are taken as written, but nothing is ever scaled up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from segmenter.media import Codec, Track
from streaming.config import PathConfig, RungConfig
from streaming.errors import ConfigError
from streaming.transcode.browser_support import plays_in_browsers

AUTO_HEIGHTS = (1080, 720, 480, 360, 240)
LOWEST_ONLY_BELOW = 480
"""240 lines are offered only where the source has no more than this."""
CLEARLY_SMALLER = 0.9
"""A rung must have less than this share of the source's lines, or it saves nobody anything."""
HALF_RATE_HEIGHT = 480
LONG_GOP_S = 6.0
"""Segments follow the source's key frames when it is copied: beyond this, latency suffers."""
UNKNOWN_FRAME_RATE = Fraction(30)
MOST_FRAME_RATE = 240
"""More is a time base that an encoder mistook for its frame rate."""

BUDGET_SHARE = 0.6
"""Of the machine's cores, for all running ladders: the rest serves viewers and spikes."""
DECODE_MS_PER_MPIXEL = 4.0
SCALE_MS_PER_MPIXEL = 1.3
ENCODE_MS_PER_MPIXEL = 10.5
"""CPU of x264 veryfast; with the two above, 1080/720/480/360 take 50 ms per 1080p frame."""
_CODEC_COST = {Codec.H264: 1.0, Codec.H265: 3.5, Codec.AV1: 2.5, Codec.VP9: 1.7}
_CODEC_BITS = {Codec.H264: 1.0, Codec.H265: 0.65, Codec.AV1: 0.55, Codec.VP9: 0.7}
_PRESET_COST = {
    "ultrafast": 0.45,
    "superfast": 0.7,
    "veryfast": 1.0,
    "faster": 1.5,
    "fast": 2.0,
    "medium": 2.5,
    "slow": 4.0,
    "slower": 7.0,
    "veryslow": 12.0,
}
_ANCHOR_KBPS = 4500
_ANCHOR_PIXELS_PER_S = 1920 * 1080 * 30
_BITRATE_EXPONENT = 0.75
"""Twice the pixels need 1.7 times the bits for the same look: 1080p30 4.5 Mb/s, 480p30 1.3."""

_CODECS = {"h264": Codec.H264, "hevc": Codec.H265, "av1": Codec.AV1, "vp9": Codec.VP9}
_TAKEN_NAMES = re.compile(r"(source|audio|webrtc)(\d+|_.*)?", re.IGNORECASE)
AUDIO_NAME = "audio"
"""Of sound that is encoded, too: publishers of AAC and of Opus may follow on each other."""
BESIDE_AUDIO_NAME = "audio_aac"
"""Of what is made of sound that is copied."""
MAX_AAC_RATE = 48_000
"""Browsers decode more, phones' decoders often not."""


NOT_PACKAGED = (
    "the picture is in no HLS and no DASH, whose players do not take VP8: publish H.264, or let a "
    "ladder encode it"
)
NOT_COPIED = "the source is not offered as it is: players take VP8 by WebRTC alone"


@dataclass(frozen=True, slots=True)
class PlannedRung:
    """One rung to encode; every number is decided."""

    name: str
    codec: Codec
    width: int
    height: int
    fps_divisor: int
    bitrate_kbps: int
    maxrate_kbps: int
    bufsize_kbits: int
    preset: str = ""
    profile: str = ""
    b_frames: int = 0
    lookahead: int = 0
    is_packaged: bool = True
    """False: for WebRTC viewers alone."""
    cores: float = 0.0
    """Estimated CPU of encoding it."""


@dataclass(frozen=True, slots=True)
class PlannedAudio:
    """The audio to encode."""

    name: str
    sample_rate: int
    channels: int
    bitrate_kbps: int
    codec: Codec = Codec.AAC
    """AAC, or Opus of 48 kHz."""


@dataclass(frozen=True, slots=True)
class LadderPlan:
    """What becomes of a source. Encoded rungs are ordered from the largest to the smallest.

    The names of all renditions: `source` when `copies_video`, each rung's, `audio` when
    `copies_audio`, and `encode_audio`'s.
    """

    rungs: tuple[PlannedRung, ...]
    copies_video: bool
    copies_audio: bool
    encode_audio: PlannedAudio | None
    cores: float
    """Estimated CPU of the whole: decode, scale, encode."""
    reasons: tuple[str, ...]
    """Why it is so, in sentences for the log and the API."""

    @property
    def needs_worker(self) -> bool:
        """Whether anything is to be encoded."""
        return bool(self.rungs) or self.encode_audio is not None


def plan_ladder(
    config: PathConfig,
    video: Track | None,
    audio: Track | None,
    gop_s: float | None,
    cores: float,
    layers: Sequence[Track] = (),
) -> LadderPlan:
    """Decides the renditions of a source.

    `gop_s` is the source's key frame distance where known. `cores` is what this ladder may use,
    its share of the machine; a smaller `cpu_budget` bounds it further. `layers` are the
    publisher's other pictures of the same. Raises ConfigError for an impossible written ladder.
    """
    reasons: list[str] = []
    copies_audio, encode_audio = _plan_audio(config, audio, reasons)
    rungs: list[PlannedRung] = []
    copies_video = False
    if video is not None and config.ladder != "none":
        budget = min(config.cpu_budget or cores, cores)
        copies_video, rungs = _plan_video(config, video, budget, reasons, layers)
        if copies_video and video.codec is Codec.VP8:
            copies_video = False
            reasons.append(NOT_PACKAGED if not rungs else NOT_COPIED)
    if copies_video and gop_s is not None and gop_s > LONG_GOP_S:
        reasons.append(f"the source's key frames are {gop_s:.1f} s apart: so long are segments")
    total = _ladder_cores(video, rungs) if video is not None and rungs else 0.0
    return LadderPlan(tuple(rungs), copies_video, copies_audio, encode_audio, total, tuple(reasons))


def validate_ladder(ladder: str | Sequence[RungConfig]) -> None:
    """Raises ConfigError when a written ladder is impossible whatever the source."""
    if isinstance(ladder, str):
        return
    if not ladder:
        raise ConfigError('a written ladder has at least one rung; for none say ladder = "none"')
    names = set()
    for rung in ladder:
        if rung.name in names:
            raise ConfigError(f'two rungs of the ladder are named "{rung.name}"')
        names.add(rung.name)
        if not rung.copy and _TAKEN_NAMES.fullmatch(rung.name):
            raise ConfigError(
                f'a rung cannot be named "{rung.name}": such names belong to the source\'s tracks'
            )
        if rung.webrtc and (rung.copy or rung.b_frames):
            what = "the source as it is" if rung.copy else "B-frames"
            raise ConfigError(f'rung "{rung.name}": webrtc = true does not go with {what}')
        if 0 < rung.maxrate_kbps < rung.bitrate_kbps:
            raise ConfigError(
                f'rung "{rung.name}": maxrate_kbps {rung.maxrate_kbps} is below bitrate_kbps'
            )
    if sum(rung.copy for rung in ladder) > 1:
        raise ConfigError("only one rung of a ladder can copy the source")


def _plan_video(
    config: PathConfig, video: Track, budget: float, reasons: list[str], layers: Sequence[Track]
) -> tuple[bool, list[PlannedRung]]:
    if config.ladder == "copy":
        return True, []
    if isinstance(config.ladder, str):
        return _plan_auto(config, video, budget, reasons, layers)
    validate_ladder(config.ladder)
    return _plan_written(config.ladder, video, reasons)


# -- automatic ---------------------------------------------------------------------------------


def _plan_auto(
    config: PathConfig, video: Track, budget: float, reasons: list[str], layers: Sequence[Track]
) -> tuple[bool, list[PlannedRung]]:
    copies, why_not = plays_in_browsers(video)
    if copies and config.frame_hook:
        copies, why_not = False, "a frame hook changes its frames"
    if not copies:
        reasons.append(f"the source is not offered as it is: {why_not}")
    if not video.width or not video.height:
        reasons.append("the source's size is unknown: nothing is encoded")
        return True, []
    wanted = [] if copies else [_source_sized_rung(video, config)]
    heights = [lines for lines in _auto_heights(video) if _allowed(lines, config)]
    sent = [lines for lines in heights if copies and _has_size(lines, layers)]
    reasons += [f"{lines}p is not encoded: the publisher sends it" for lines in sent]
    wanted += [_auto_rung(video, lines) for lines in heights if lines not in sent]
    kept = _fit(video, _distinct(wanted), budget, needs_one=not copies)
    if kept:
        cores = f"{_ladder_cores(video, kept):.2f} of the CPU budget of {budget:.2f} cores"
        reasons.append(f"encoding takes about {cores}")
    kept_names = {rung.name for rung in kept}
    reasons += [
        f"{rung.name} does not fit the CPU budget of {budget:.2f} cores"
        for rung in wanted
        if rung.name not in kept_names
    ]
    return copies, kept


def _allowed(lines: int, config: PathConfig) -> bool:
    return not config.max_height or lines <= config.max_height


def _auto_heights(video: Track) -> list[int]:
    lines = min(video.width, video.height)
    return [
        h
        for h in AUTO_HEIGHTS
        if h < lines * CLEARLY_SMALLER and (h != AUTO_HEIGHTS[-1] or lines <= LOWEST_ONLY_BELOW)
    ]


def _has_size(lines: int, layers: Sequence[Track]) -> bool:
    sizes = [min(layer.width, layer.height) for layer in layers]
    return any(lines * CLEARLY_SMALLER < size < lines / CLEARLY_SMALLER for size in sizes)


def _auto_rung(video: Track, lines: int) -> PlannedRung:
    scale = Fraction(lines, min(video.width, video.height))
    halves = lines <= HALF_RATE_HEIGHT and _frame_rate(video) > 30
    return _planned(
        RungConfig(name=f"{lines}p", fps_divisor=2 if halves else 1),
        video,
        _even(video.width * scale, video.width),
        _even(video.height * scale, video.height),
    )


def _source_sized_rung(video: Track, config: PathConfig) -> PlannedRung:
    lines = min(video.width, video.height)
    if config.max_height and lines > config.max_height:
        return _auto_rung(video, config.max_height)
    rung = RungConfig(name=f"{lines}p")
    return _planned(rung, video, video.width // 2 * 2, video.height // 2 * 2)


def _distinct(rungs: list[PlannedRung]) -> list[PlannedRung]:
    return list({rung.name: rung for rung in rungs}.values())


def _fit(
    video: Track, rungs: list[PlannedRung], budget: float, *, needs_one: bool
) -> list[PlannedRung]:
    """The longest run of `rungs` from the lowest upwards that fits."""
    for first in range(len(rungs)):
        if _ladder_cores(video, rungs[first:]) <= budget:
            return rungs[first:]
    return rungs[-1:] if needs_one else []


# -- written -----------------------------------------------------------------------------------


def _plan_written(
    ladder: Sequence[RungConfig], video: Track, reasons: list[str]
) -> tuple[bool, list[PlannedRung]]:
    copies = any(rung.copy for rung in ladder)
    written = [rung for rung in ladder if not rung.copy]
    if not video.width or not video.height:
        reasons.append("the source's size is unknown: nothing is encoded")
        return True, []
    planned = [_planned(rung, video, *_written_size(rung, video)) for rung in written]
    planned.sort(key=lambda rung: rung.width * rung.height, reverse=True)
    fitting = [r for r in planned if r.width <= video.width and r.height <= video.height]
    reasons += [
        f"{rung.name} ({rung.width}x{rung.height}) would scale up the source "
        f"({video.width}x{video.height}): left out"
        for rung in planned
        if rung not in fitting
    ]
    if planned and not fitting and not copies:
        smallest = min(written, key=lambda r: _area(_written_size(r, video)))
        reasons.append(f"{smallest.name} is encoded at the source's size instead")
        fitting = [_planned(smallest, video, video.width // 2 * 2, video.height // 2 * 2)]
    return copies, fitting


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _written_size(rung: RungConfig, video: Track) -> tuple[int, int]:
    if rung.width and rung.height:
        width, height = Fraction(rung.width), Fraction(rung.height)
    elif rung.width:
        width, height = Fraction(rung.width), Fraction(video.height * rung.width, video.width)
    else:
        height = Fraction(rung.height or video.height)
        width = video.width * height / video.height
    return _even(width, video.width), _even(height, video.height)


def _even(pixels: Fraction, source: int) -> int:
    """The nearest even number, as 4:2:0 has half-size chroma; not above an odd `source` by one."""
    even = round(pixels / 2) * 2
    return max(2, even - 2 if even == source + 1 else even)


# -- numbers -----------------------------------------------------------------------------------


def _planned(rung: RungConfig, video: Track, width: int, height: int) -> PlannedRung:
    codec = _CODECS[rung.codec]
    fps = _frame_rate(video) / rung.fps_divisor
    bitrate = rung.bitrate_kbps or _bitrate_kbps(codec, width * height, fps, video.bitrate)
    maxrate = rung.maxrate_kbps or round(bitrate * 1.1)
    planned = PlannedRung(
        name=rung.name,
        codec=codec,
        width=width,
        height=height,
        fps_divisor=rung.fps_divisor,
        bitrate_kbps=min(bitrate, maxrate),
        maxrate_kbps=maxrate,
        bufsize_kbits=rung.bufsize_kbits or maxrate,
        preset=rung.preset,
        profile=rung.profile,
        b_frames=rung.b_frames,
        lookahead=rung.lookahead,
        is_packaged=not rung.webrtc,
    )
    return replace(planned, cores=_encode_cores(planned, fps))


def _frame_rate(video: Track) -> Fraction:
    known = 0 < video.frame_rate <= MOST_FRAME_RATE
    return video.frame_rate if known else UNKNOWN_FRAME_RATE


def _bitrate_kbps(codec: Codec, pixels: int, fps: Fraction, source_bitrate: int) -> int:
    share = float(pixels * fps / _ANCHOR_PIXELS_PER_S)
    kbps = _ANCHOR_KBPS * _CODEC_BITS[codec] * float(share**_BITRATE_EXPONENT)
    if source_bitrate >= 100_000:  # less is a placeholder that some encoders announce
        kbps = min(kbps, source_bitrate / 1000)
    return max(32, round(kbps))


def _encode_cores(rung: PlannedRung, fps: Fraction) -> float:
    preset_cost = _PRESET_COST.get(rung.preset, 1.0)
    ms = ENCODE_MS_PER_MPIXEL * _CODEC_COST[rung.codec] * preset_cost
    return float(rung.width * rung.height * fps) / 1e6 * ms / 1000


def _ladder_cores(video: Track, rungs: Sequence[PlannedRung]) -> float:
    fps = _frame_rate(video)
    areas = [video.width * video.height, *(rung.width * rung.height for rung in rungs)]
    scaled = sum(area for area, smaller in pairwise(areas) if area != smaller)
    mpixels_ms = areas[0] * DECODE_MS_PER_MPIXEL + scaled * SCALE_MS_PER_MPIXEL
    return float(mpixels_ms * fps) / 1e9 + sum(rung.cores for rung in rungs)


# -- audio -------------------------------------------------------------------------------------


def _plan_audio(
    config: PathConfig, audio: Track | None, reasons: list[str]
) -> tuple[bool, PlannedAudio | None]:
    if audio is None or config.audio == "none":
        return False, None
    if config.audio == "copy" or (config.audio != "encode" and audio.codec is Codec.AAC):
        return True, None
    reasons.append(f"audio is encoded to AAC from {audio.codec.value}")
    copies = config.audio == "both"
    return copies, PlannedAudio(
        BESIDE_AUDIO_NAME if copies else AUDIO_NAME,
        min(audio.sample_rate or MAX_AAC_RATE, MAX_AAC_RATE),
        min(audio.channels, 2) or 2,
        config.audio_bitrate_kbps,
    )
