"""What publishers could do better, in words for people, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

ADVICE: Final = "ingest.advice"
CHANGED: Final = 0.25
"""By such a share a figure differs that is worth being told again."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice; `code` is for programs and never changes its meaning."""

    code: str
    text: str
    to_do: str
    figures: dict[str, float]

    def differs(self, other: Advice) -> bool:
        """Whether a figure is another one, by more than measuring it again makes it."""
        return any(
            abs(value - other.figures.get(name, 0.0)) > CHANGED * abs(other.figures.get(name, 0.0))
            for name, value in self.figures.items()
        )

    def data(self) -> dict[str, Any]:
        """The event's data."""
        return {"code": self.code, "text": self.text, "to_do": self.to_do, **self.figures}


def gop_too_long(gop_s: float, segment_s: float) -> Advice:
    """Key frames come less often than segments begin."""
    return Advice(
        "gop-too-long",
        f"A key frame comes only every {gop_s:.1f} s, segments are to have {segment_s:.1f} s: "
        "some begin without one, and players start and switch later.",
        f"Set the encoder's key frame interval to {segment_s:.0f} s or a whole fraction of it.",
        {"gop_s": round(gop_s, 3), "segment_duration_s": segment_s},
    )


def b_frames() -> Advice:
    """Pictures come in another order than they are shown in."""
    return Advice(
        "b-frames",
        "The video has B-frames: they delay it, and WebRTC viewers cannot be sent it as it is.",
        "Set B-frames to 0 (x264: bframes=0 or tune=zerolatency) where latency matters.",
        {},
    )


def variable_frame_rate(shortest_s: float, longest_s: float) -> Advice:
    """Pictures come at uneven distances."""
    return Advice(
        "variable-frame-rate",
        f"Pictures are {1000 * shortest_s:.0f} to {1000 * longest_s:.0f} ms apart: segments and "
        "parts vary in length, and encoders spend bits unevenly.",
        "Set a constant frame rate in the encoder or the capture device.",
        {"shortest_s": round(shortest_s, 4), "longest_s": round(longest_s, 4)},
    )


def missing_audio(*, announced: bool) -> Advice:
    """There is no sound."""
    what = (
        "An audio track was announced, but no sound comes." if announced else "There is no sound."
    )
    return Advice(
        "missing-audio",
        what,
        "Check the encoder's audio source; if there is to be none, nothing needs to be done.",
        {},
    )


def missing_video() -> Advice:
    """There is no picture, though one was announced."""
    return Advice(
        "missing-video",
        "A video track was announced, but no picture comes.",
        "Check the encoder's video source, and that it starts with a key frame.",
        {},
    )


def not_packaged(reason: str) -> Advice:
    """The picture reaches WebRTC viewers alone."""
    return Advice(
        "not-packaged",
        f"{reason[:1].upper()}{reason[1:]}.",
        'Let the publisher prefer H.264 (browsers: setCodecPreferences), or set ladder to "auto".',
        {},
    )


def sound_not_packaged(reason: str) -> Advice:
    """The sound reaches WebRTC viewers alone."""
    return Advice(
        "not-packaged",
        f"{reason[:1].upper()}{reason[1:]}.",
        'Let the publisher send AAC (ffmpeg: -c:a aac), or set audio to "auto".',
        {},
    )


def nothing_offered(reason: str) -> Advice:
    """The path's settings leave out all that comes."""
    return Advice(
        "not-packaged",
        f"{reason[:1].upper()}{reason[1:]}.",
        'Publish what the path is for, or set ladder and audio to "auto".',
        {},
    )


def timestamp_jump(jumps: int) -> Advice:
    """The publisher's clock jumped."""
    return Advice(
        "timestamp-jump",
        "The publisher's timestamps jumped: players see a discontinuity.",
        "Look for a source that was changed or restarted behind the encoder; use one clock.",
        {"jumps": jumps},
    )


def clock_stood_still(times: int) -> Advice:
    """The publisher's clock stood still."""
    return Advice(
        "clock-stood-still",
        "The publisher's timestamps stood still for a while: media time was anchored anew.",
        "Look for an encoder that is overloaded or a machine that was suspended.",
        {"times": times},
    )


def av_drift(ahead_s: float) -> Advice:
    """Sound and picture drift apart."""
    way = "ahead of" if ahead_s > 0 else "behind"
    return Advice(
        "av-drift",
        f"Sound and picture drift apart: the sound's timestamps have run {abs(ahead_s):.1f} s "
        f"{way} the picture's.",
        "Let the encoder take both from one clock: set its sample rate to the sound device's (OBS: "
        "Settings, Audio), or let it resample (ffmpeg: -af aresample=async=1).",
        {"sound_ahead_s": round(ahead_s, 3)},
    )


def adrift(ahead_s: float) -> Advice:
    """The publisher's clock runs faster or slower than ours."""
    way = "fast" if ahead_s > 0 else "slow"
    return Advice(
        "clock-drift",
        f"The publisher's clock runs too {way}: its media are {abs(ahead_s):.1f} s off.",
        "Let the encoder's machine follow NTP, or use its system clock for timestamps.",
        {"ahead_s": round(ahead_s, 3)},
    )
