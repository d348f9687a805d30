"""Which of a path's tracks suit WebRTC viewers, and what has to be made for them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from segmenter.media import VIDEO_TIMESCALE, Codec, MediaType, Track
from streaming.config_paths import PathConfig, RungConfig
from streaming.transcode.ladder import LadderPlan, PlannedAudio, plan_ladder

VIDEO_NAME = "webrtc"
AUDIO_NAME = "webrtc_audio"
MOST_HEIGHT = 1080
"""Of what is made: browsers' decoders and a core of ours keep up with it."""
OPUS_RATE = 48_000
OPUS_KBPS = 96
"""Stereo music at the quality of 128 kbit/s AAC."""

VIDEO_CODECS = frozenset({Codec.H264, Codec.H265, Codec.AV1, Codec.VP8, Codec.VP9})
EVERYWHERE = frozenset({Codec.H264, Codec.VP8})
"""What all browsers decode (RFC 7742 5)."""
H264_PROFILES = frozenset({b"\x42", b"\x4d", b"\x64", b""})
"""Baseline, Main and High by their profile_idc, or none where parameter sets come with pictures. No
browser decodes others: ten bits, 4:2:2, 4:4:4."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A track that is there, whether or not it suits."""

    track: Track
    is_reordered: bool
    """It has B-frames: WebRTC's receivers show frames in the order in which they come."""


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """What viewers are offered, best first, and what of it has to be made."""

    offered: tuple[Track, ...]
    video: Track | None
    """The publisher's, where `made` encodes it."""
    audio: Track | None
    """The same."""
    made: LadderPlan | None
    """None where nothing has to be made."""


NOTHING = ViewPlan((), None, None, None)


def plan_view(
    config: PathConfig, raw: Sequence[Candidate], encoded: Sequence[Candidate]
) -> ViewPlan:
    """Decides about the publisher's tracks and the ladder's."""
    source = _first(raw, MediaType.VIDEO)
    sound = _first(raw, MediaType.AUDIO)
    rungs = [candidate.track for candidate in encoded if _suits(candidate)]
    pictures = [each for each in raw if each.track.media_type is MediaType.VIDEO]
    videos = [each.track for each in pictures if _suits(each)]
    made_video = None
    if source is not None and not _everyone_sees(source, rungs):
        made_video = made_track(source.track)
        videos.append(made_video)
    videos += rungs
    audios: list[Track] = []
    made_audio = None
    if sound is not None and sound.track.codec is Codec.OPUS:
        audios = [sound.track]
    elif sound is not None:
        made_audio = opus_track(sound.track)
        audios = [made_audio]
    return ViewPlan(
        (*videos, *audios),
        source.track if source is not None and made_video is not None else None,
        sound.track if sound is not None and made_audio is not None else None,
        _made(config, made_video, made_audio),
    )


def _first(candidates: Sequence[Candidate], kind: MediaType) -> Candidate | None:
    return next((c for c in candidates if c.track.media_type is kind), None)


def _suits(candidate: Candidate) -> bool:
    track = candidate.track
    if track.codec is Codec.H264 and track.codec_config[1:2] not in H264_PROFILES:
        return False
    return track.codec in VIDEO_CODECS and not candidate.is_reordered


def _everyone_sees(source: Candidate, rungs: Sequence[Track]) -> bool:
    """Whether every browser decodes what there is at the source's size.

    A rung of the ladder in H.264 that is as large saves an encoding.
    """
    lines = min(source.track.height, MOST_HEIGHT)
    if _suits(source) and source.track.codec in EVERYWHERE:
        return True
    return any(rung.codec is Codec.H264 and rung.height >= lines for rung in rungs)


def made_track(source: Track) -> Track:
    """The encoding of `source` for WebRTC as it will be; its parameter sets come with it."""
    height = min(source.height, MOST_HEIGHT) // 2 * 2
    width = round(source.width * height / max(1, source.height) / 2) * 2
    return Track(
        VIDEO_NAME,
        Codec.H264,
        VIDEO_TIMESCALE,
        b"",
        width,
        height,
        source.frame_rate,
        bitrate=source.bitrate,
    )


def opus_track(source: Track) -> Track:
    """The encoding of the sound `source`."""
    return Track(
        AUDIO_NAME,
        Codec.OPUS,
        OPUS_RATE,
        b"",
        sample_rate=OPUS_RATE,
        channels=min(source.channels, 2) or 2,
        bitrate=OPUS_KBPS * 1000,
        language=source.language,
    )


def _made(config: PathConfig, video: Track | None, audio: Track | None) -> LadderPlan | None:
    """What the worker is told; None where there is nothing to do."""
    rungs: LadderPlan | None = None
    if video is not None and video.width and video.height:
        # Its own name is one that nobody may write.
        rung = RungConfig(name="made", height=video.height, profile="baseline")
        single = PathConfig(ladder=(rung,), encoder=config.encoder)
        rungs = plan_ladder(single, replace(video, bitrate=video.bitrate), None, None, 1.0)
    sound = None
    if audio is not None:
        sound = PlannedAudio(AUDIO_NAME, OPUS_RATE, audio.channels, OPUS_KBPS, Codec.OPUS)
    if rungs is None and sound is None:
        return None
    return LadderPlan(
        tuple(replace(rung, name=VIDEO_NAME) for rung in rungs.rungs) if rungs is not None else (),
        copies_video=False,
        copies_audio=False,
        encode_audio=sound,
        cores=rungs.cores if rungs is not None else 0.0,
        reasons=(),
    )
