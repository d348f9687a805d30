"""From a path's configuration and its source to the rungs to encode. Pure: no FFmpeg, no I/O.

How an automatic ladder comes about is in automatic_ladder.py, what a written one becomes in
written_ladder.py, and what a rung costs in planned_rung.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segmenter.media import Codec, Track
from streaming.config_paths import PathConfig
from streaming.transcode.automatic_ladder import plan_automatic
from streaming.transcode.planned_rung import PlannedRung, ladder_cores
from streaming.transcode.written_ladder import plan_written, validate_ladder

LONG_GOP_S = 6.0
"""Segments follow the source's key frames when it is copied: beyond this, latency suffers."""
BUDGET_SHARE = 0.6
"""Of the machine's cores, for all running ladders: the rest serves viewers and spikes."""
AUDIO_NAME = "audio"
"""Of sound that is encoded, too: publishers of AAC, of MP3 and of Opus may follow on each other."""
BESIDE_AUDIO_NAME = "audio_aac"
"""Of what is made of sound that is copied."""
MAX_AAC_RATE = 48_000
"""Browsers decode more, phones' decoders often not."""

NOT_PACKAGED = (
    "the picture is in no HLS and no DASH, whose players do not take VP8: publish H.264, or let a "
    "ladder encode it"
)
NOT_COPIED = "the source is not offered as it is: players take VP8 by WebRTC alone"
SOUND_NOT_PACKAGED = (
    "the sound is in no HLS and no DASH, whose players need not take MP3: publish AAC, or let it "
    "be encoded"
)
NOTHING_OFFERED = (
    "there is nothing for HLS and DASH: all that is published is left out by the path's ladder and "
    "audio"
)
SOUND_NOT_COPIED = "the sound is not offered as it is: players need not take MP3"


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
        if copies_video and not video.codec.is_packaged:
            copies_video = False
            reasons.append(NOT_PACKAGED if not rungs else NOT_COPIED)
    if copies_video and gop_s is not None and gop_s > LONG_GOP_S:
        reasons.append(f"the source's key frames are {gop_s:.1f} s apart: so long are segments")
    if video is not None and config.ladder == "none":
        reasons.append('the picture is left out: ladder = "none"')
    if not (copies_video or rungs or copies_audio or encode_audio) and _leaves_out_all(
        config, video, audio
    ):
        reasons.append(NOTHING_OFFERED)
    total = ladder_cores(video, rungs) if video is not None and rungs else 0.0
    return LadderPlan(tuple(rungs), copies_video, copies_audio, encode_audio, total, tuple(reasons))


def _leaves_out_all(config: PathConfig, video: Track | None, audio: Track | None) -> bool:
    return (video is None or config.ladder == "none") and (audio is None or config.audio == "none")


def _plan_video(
    config: PathConfig, video: Track, budget: float, reasons: list[str], layers: Sequence[Track]
) -> tuple[bool, list[PlannedRung]]:
    if config.ladder == "copy":
        return True, []
    if isinstance(config.ladder, str):
        return plan_automatic(config, video, budget, reasons, layers)
    validate_ladder(config.ladder)
    return plan_written(config.ladder, video, reasons)


def _plan_audio(
    config: PathConfig, audio: Track | None, reasons: list[str]
) -> tuple[bool, PlannedAudio | None]:
    if audio is None:
        return False, None
    if config.audio == "none":
        reasons.append('the sound is left out: audio = "none"')
        return False, None
    is_packaged = audio.codec.is_packaged
    if config.audio == "copy" and not is_packaged:
        reasons.append(SOUND_NOT_PACKAGED)
        return False, None
    if config.audio == "copy" or (config.audio != "encode" and audio.codec is Codec.AAC):
        return True, None
    reasons.append(f"audio is encoded to AAC from {audio.codec.value}")
    copies = config.audio == "both" and is_packaged
    if config.audio == "both" and not is_packaged:
        reasons.append(SOUND_NOT_COPIED)
    return copies, PlannedAudio(
        BESIDE_AUDIO_NAME if copies else AUDIO_NAME,
        min(audio.sample_rate or MAX_AAC_RATE, MAX_AAC_RATE),
        min(audio.channels, 2) or 2,
        config.audio_bitrate_kbps,
    )
