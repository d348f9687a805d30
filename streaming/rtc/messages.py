"""What the main process and the WebRTC process say to each other.

The main process offers a path's tracks, and sends their samples while somebody watches. For
publishers it is the other way round.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from streaming.config import WebrtcConfig
from streaming.cpu_priority import Priority
from streaming.rtc.signal_messages import (
    SessionEnded,
    SignalAnswer,
    SignalEvent,
    SignalRequest,
)
from streaming.transcode.messages import SampleMessage, TrackMessage
from webrtc.lateness import NEVER_LATE, LatenessCounts


class RtcSetup(Struct, tag="setup", array_like=True, frozen=True):
    """The first message. Sockets are descriptors that the process has inherited."""

    udp: tuple[int, ...]
    tcp: tuple[int, ...]
    config: WebrtcConfig
    log_level: str
    utc_ahead_s: float


class PathTracks(Struct, tag="tracks", array_like=True, frozen=True):
    """What a path offers to viewers now, best first; its samples follow while it is watched."""

    path: str
    tracks: tuple[TrackMessage, ...]


class PathSample(Struct, tag="sample", array_like=True, frozen=True, gc=False):
    """One sample in media time; kept ones of the past come first when a path gets watched."""

    path: str
    sample: SampleMessage


class PathEnded(Struct, tag="path_ended", array_like=True, frozen=True):
    """Nobody publishes the path any more: its viewers' sessions end."""

    path: str
    reason: str


class PathMessage(Struct, tag="path_message", array_like=True, frozen=True):
    """Metadata or chat for whoever watches the path, who may have a data channel: JSON."""

    path: str
    body: bytes


class ViewerSaid(Struct, tag="viewer_said", array_like=True, frozen=True):
    """From the WebRTC process: a viewer sent chat by its data channel."""

    session: str
    path: str
    text: str
    sender: str


class SaidRefused(Struct, tag="said_refused", array_like=True, frozen=True):
    """To the WebRTC process: it was not sent on, and why."""

    session: str
    status: int
    detail: str


class Watch(Struct, tag="watch", array_like=True, frozen=True):
    """From the WebRTC process: send the samples of this path."""

    path: str


class Unwatch(Struct, tag="unwatch", array_like=True, frozen=True):
    """From the WebRTC process: nobody watches it any more."""

    path: str


class KeyFrameAsked(Struct, tag="key_frame_asked", array_like=True, frozen=True):
    """From the WebRTC process: viewers of what is made for WebRTC have lost the picture."""

    path: str


class PublishAsked(Struct, tag="publish", array_like=True, frozen=True):
    """From the WebRTC process: a WHIP client wants to publish."""

    session: str
    path: str
    key: str
    remote: str
    rank: str = ""
    """What it says it is: primary or backup; empty is primary."""


class PublishAllowed(Struct, tag="publish_allowed", array_like=True, frozen=True):
    """To the WebRTC process: the session may have the path, which is its own with its tracks."""

    session: str
    segment_duration_s: float
    """It is asked for key frames on the grid of these, so that segments can begin."""


class PublishPlaced(Struct, tag="publish_placed", array_like=True, frozen=True):
    """To the WebRTC process: where a publisher's samples are in media time."""

    session: str
    media_offset: int
    """Media time minus the time in their messages, ticks of 90 kHz."""


class PublishRefused(Struct, tag="publish_refused", array_like=True, frozen=True):
    """To the WebRTC process: it is not, and why."""

    session: str
    status: int
    reason: str


class PublishClosed(Struct, tag="publish_closed", array_like=True, frozen=True):
    """Either way: the publication has ended."""

    session: str
    reason: str


class PublishTracks(Struct, tag="publish_tracks", array_like=True, frozen=True):
    """From the WebRTC process: a publisher's complete list of tracks, before their samples. With
    the first one it takes its path."""

    session: str
    tracks: tuple[TrackMessage, ...]


class PublishSample(Struct, tag="publish_sample", array_like=True, frozen=True, gc=False):
    """From the WebRTC process: one sample, its times in the publisher's clock."""

    session: str
    sample: SampleMessage


class RtcListening(Struct, tag="listening", array_like=True, frozen=True):
    """From the WebRTC process: it answers from now on."""


class RtcReport(Struct, tag="report", array_like=True, frozen=True):
    """From the WebRTC process, each second, its sign of life. Counters since it began."""

    viewers: dict[str, int] = {}
    """WHEP sessions of each path."""
    publishers: int = 0
    pictures: int = 0
    """Video tracks of publishers, each simulcast layer counted."""
    layers_stopped: int = 0
    """Times that a publisher ceased to send a layer."""
    packets_sent: int = 0
    bytes_sent: int = 0
    retransmitted: int = 0
    pictures_skipped: int = 0
    """Times that a viewer lost pictures up to the next key frame, because its way was blocked."""
    key_frame_requests: int = 0
    sessions_opened: int = 0
    sessions_failed: int = 0
    """Offers refused."""
    sound_lateness: LatenessCounts = NEVER_LATE
    """How long after they came access units had left, to each viewer."""
    picture_lateness: LatenessCounts = NEVER_LATE
    nacks: int = 0
    """Packets that viewers asked for again."""
    pictures_lost: int = 0
    """Times that a viewer could not go on without a key frame (PLI, FIR)."""
    rtt_s: float = 0.0
    """Of the viewers who have reported, on average."""
    worst_rtt_s: float = 0.0
    loss: float = 0.0
    """Fraction of the video's packets lost on the way lately, on average."""
    worst_loss: float = 0.0
    packets_received: int = 0
    """From publishers, each once."""
    packets_missed: int = 0
    """Of publishers, that did not come the first time."""
    packets_lost: int = 0
    """Of these, that never came."""
    send_threads: int = 0
    """Threads that send to viewers."""
    send_priority: Priority = "usual"
    """What they have: as much as the system allows of what is configured."""


ToRtc: TypeAlias = (
    RtcSetup
    | PathTracks
    | PathSample
    | PathEnded
    | PathMessage
    | SaidRefused
    | SignalRequest
    | PublishAllowed
    | PublishPlaced
    | PublishRefused
    | PublishClosed
)
FromRtc: TypeAlias = (
    RtcListening
    | RtcReport
    | Watch
    | Unwatch
    | KeyFrameAsked
    | ViewerSaid
    | SignalAnswer
    | SignalEvent
    | SessionEnded
    | PublishAsked
    | PublishTracks
    | PublishSample
    | PublishClosed
)
