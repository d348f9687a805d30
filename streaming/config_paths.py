"""Settings of a path: the tables [paths."…"], which of them is whose, and what holds at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from streaming.config_values import NotNegative, Positive

TEST_SCHEME = "test:"
"""Of the built-in test source."""

_AT_ONCE = (
    "source", "source_loop", "source_on_demand", "source_idle_s", "publish_key", "publish_keys",
    "view", "viewer_chat", "republish", "linger_s", "stall_s", "backup_return", "backup_return_s",
    "slate_after_s",
)  # fmt: skip
"""Settings that are looked at anew whenever they matter."""


class RungConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """One rung of a written ladder."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
    """The rendition's name in URLs and logs, such as "720p"; the publisher's video as it is has
    its own there, "source"."""
    copy: bool = False
    """True: the publisher's video as it is; nothing below applies."""
    codec: Literal["h264", "hevc", "av1", "vp9"] = "h264"
    """What to encode."""
    width: Annotated[int, Meta(ge=0, le=16384)] = 0
    """Pixels; 0 follows from height and the source's aspect ratio."""
    height: Annotated[int, Meta(ge=0, le=16384)] = 0
    """Pixels; 0 is the source's height."""
    fps_divisor: Annotated[int, Meta(ge=1, le=16)] = 1
    """2 keeps every second frame."""
    bitrate_kbps: Annotated[int, Meta(ge=0)] = 0
    """Average, kbit/s; 0 is chosen from pixels and frame rate."""
    maxrate_kbps: Annotated[int, Meta(ge=0)] = 0
    """Peak, kbit/s; 0 is 1.1 times bitrate_kbps."""
    bufsize_kbits: Annotated[int, Meta(ge=0)] = 0
    """Rate control buffer, kbit; 0 is one second of maxrate."""
    preset: str = ""
    """The encoder's own preset; "" is veryfast or its like."""
    profile: str = ""
    """The codec's profile; "" is the encoder's choice."""
    b_frames: Annotated[int, Meta(ge=0, le=16)] = 0
    """B-frames between others, of h264 and hevc alone; more than 0 costs latency."""
    lookahead: Annotated[int, Meta(ge=0, le=250)] = 0
    """Frames the encoder may look ahead; more than 0 costs latency."""
    webrtc: bool = False
    """True: for WebRTC viewers alone; it is not in playlists and manifests."""


class PathConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """Settings of every path that matches the table's name: [paths."live/*"]."""

    source: str = ""
    """What to pull: "test:", a file, rtsp://, http(s)://, an HLS playlist; "" waits for a push."""
    source_loop: bool = True
    """Begin a file again when it ends."""
    source_on_demand: bool = False
    """Pull only while someone watches."""
    source_idle_s: Positive = 30.0
    """An on-demand source is closed after so long without a viewer, seconds."""
    publish_key: str = ""
    """The key a publisher must give (rtmp://host/app/name?key=...); "" accepts everyone, unless
    there are publish_keys."""
    publish_keys: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """The same as argon2 hashes, which `headwater key new` makes; one of them suffices."""
    view: Literal["open", "token", "hook"] = "open"
    """Who may view: everyone; who brings a token for the path; whom the auth hook lets
    (docs/auth.md)."""
    viewer_chat: bool = False
    """Whether whoever may view may also send chat (docs/metadata.md)."""
    republish: Literal["takeover", "reject"] = "takeover"
    """A second publisher of the same rank replaces the first (by WHIP with its first media), or is
    refused. A publisher is primary unless its URL says rtmp://host/app/name?role=backup."""
    linger_s: NotNegative = 60.0
    """How long playlists stay open for a publisher that vanished, seconds."""
    stall_s: Annotated[float, Meta(ge=0.2, le=30)] = 1.5
    """A publisher on air that sends no picture (no sound, if that is all it has) for so long is
    replaced by the backup, or else by the slate, seconds."""
    backup_return: Literal["auto", "manual"] = "auto"
    """Whether the primary goes on air again by itself while the backup is fine."""
    backup_return_s: NotNegative = 10.0
    """How long the primary must have delivered without a stall for that, seconds."""
    slate: str = ""
    """What viewers see while no publisher delivers: "" nothing new, "card" a generated picture,
    or an image file."""
    slate_text: Annotated[str, Meta(max_length=64)] = "back soon"
    """What the card says: latin letters, digits, . : / - _ ?"""
    slate_audio: str = "silence"
    """What they hear: "silence", "tone" (a beep every two seconds), or a sound file, looped."""
    slate_after_s: NotNegative = 0.3
    """How long after the last media the slate comes, seconds; below the hold-back of low-latency
    players they see no stall."""
    slate_always: bool = False
    """Also before the first publisher, and without an end: linger_s does not apply."""
    slate_width: Annotated[int, Meta(ge=64, le=7680)] = 1280
    """Of a slate before the first publisher, pixels; later it looks like the publisher's video."""
    slate_height: Annotated[int, Meta(ge=64, le=4320)] = 720
    """The same, pixels."""
    slate_fps: Annotated[int, Meta(ge=1, le=120)] = 30
    """The same, frames per second."""
    segment_duration_s: Annotated[float, Meta(ge=0.5, le=30)] = 2.0
    """Length of a segment, seconds; with copied video the publisher's key frames decide."""
    part_duration_s: Annotated[float, Meta(ge=0, le=5)] = 0.2
    """Length of a part, seconds; 0 makes no parts."""
    window_s: Annotated[float, Meta(ge=6, le=86_400)] = 30.0
    """Length of the live window, seconds."""
    window_bytes: Annotated[int, Meta(ge=1_000_000)] = 512_000_000
    """The live window of one path never holds more, bytes."""
    ladder: Literal["auto", "copy", "none"] | tuple[RungConfig, ...] = "auto"
    """"auto": the source and as many lower rungs as cpu_budget allows; "copy": the source alone;
    "none": audio only; or written rungs."""
    audio: Literal["auto", "both", "copy", "encode", "none"] = "auto"
    """"auto" copies AAC and encodes everything else to AAC; "both" copies everything else as well:
    Opus and the AAC made of it are then two audio renditions. MP3 is never copied."""
    audio_bitrate_kbps: Annotated[int, Meta(ge=16, le=512)] = 128
    """Of encoded audio, kbit/s."""
    encoder: Literal["auto", "software", "nvenc", "qsv", "vaapi"] = "auto"
    """Which encoder to use; "auto" takes hardware that truly opens, else software."""
    cpu_budget: NotNegative = 0.0
    """Cores the automatic ladder may use; 0 is 60 % of the machine, shared by running ladders."""
    max_height: Annotated[int, Meta(ge=0)] = 0
    """The automatic ladder encodes nothing higher; 0 is no limit."""
    frame_hook: str = ""
    """"module:function", called with every decoded frame; see docs/frame-hooks.md."""
    frame_hook_budget_ms: Positive = 10.0
    """A hook whose calls take longer on average is bypassed, milliseconds."""
    on_worker_crash: Literal["copy", "wait"] = "copy"
    """While the encoder restarts: go on with the copied rung, in a ladder without one with the
    slate, if there is one; or hold the path."""


def settings_at_once(present: PathConfig, wanted: PathConfig) -> PathConfig:
    """The `present` ones with what can change while the path is on air as it is `wanted`."""
    return replace(present, **{name: getattr(wanted, name) for name in _AT_ONCE})


def best_pattern(patterns: Mapping[str, object], name: str) -> str | None:
    """Which of the `patterns` rules the path `name`; None where none matches."""
    if name in patterns:
        return name
    matching = [p for p in patterns if fnmatch.fnmatchcase(name, p)]
    return max(matching, key=_literal_length) if matching else None


def _literal_length(pattern: str) -> tuple[int, str]:
    return sum(c not in "*?[]" for c in pattern), pattern
