"""What the origin and its delivery processes say to each other over a Link.

The origin speaks `ToDelivery`, a delivery process answers with `FromDelivery`. Playlists and init
sections travel whole; of media only where in the media store they are, one short message for each
part. One encoded frame serves every delivery process.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from streaming.auth.access_rules import AccessRules
from streaming.command_messages import CommandAnswer, CommandRequest
from streaming.events.event_messages import EventsBegin, EventsReplayed, EventsTold
from streaming.rtc.signal_messages import SignalAnswer, SignalEvent, SignalRequest

CacheRule: TypeAlias = Literal["immutable", "playlist"]
PathPhase: TypeAlias = Literal["idle", "starting", "live", "away", "ended"]


class DeliveryConfig(Struct, tag="config", array_like=True, frozen=True):
    """The first message: what a delivery process must know before it listens."""

    name: str = "headwater"
    """The server's name on pages and in the API."""
    rtmp_listen: str = "127.0.0.1:1935"
    """Where publishers push; the index page tells newcomers. Empty: RTMP is off."""
    allow_origins: tuple[str, ...] = ("*",)
    """Web origins that may read across sites; "*" is everyone."""
    max_connections: int = 20_000
    """Open connections; further ones wait in the listen queue."""
    drain_s: float = 5.0
    """How long a shutdown waits for running responses, seconds."""
    cache_bytes: int = 64 * 1024 * 1024
    """Media bytes kept ready to be sent again."""
    log_level: str = "info"
    webrtc: bool = False
    """Whether WHEP and WHIP requests are passed on."""
    utc_ahead_s: float = 0.0
    """The origin's UTC minus the machine's monotonic clock; 0: the system's UTC will do."""
    tls_certificate: str = ""
    """PEM files, where HTTP is by TLS."""
    tls_key: str = ""
    access: AccessRules = AccessRules()
    """Who may view what; sent again alone when it changes."""


class LivePlaylist(Struct, array_like=True, frozen=True):
    """What requests with delivery directives get of a media playlist, and are judged by.

    The other fields are those of segmenter.hls.rendered_playlist.PlaylistState.
    """

    delta: bytes
    """Answer to `_HLS_skip=YES`; empty where it is the whole playlist."""
    delta_v2: bytes
    """Answer to `_HLS_skip=v2`; empty where it is the whole playlist."""
    last_msn: int
    last_parts: int
    open_parts: int
    target_duration: int
    part_target_s: float
    is_ended: bool
    hint: str


class Put(Struct, tag="put", array_like=True, frozen=True):
    """A resource appears, or is replaced, at `url`."""

    path: str
    """The path it belongs to, such as "live/foo"."""
    url: str
    """Absolute and decoded: "/live/foo/720p/812.m4s"."""
    body: bytes
    content_type: str
    cache: CacheRule = "immutable"
    """"immutable": the bytes at this URL never change; "playlist": they change while live."""
    max_age_s: int = 3600
    """How long caches may keep it, seconds; 0 with "playlist" is no-cache."""
    etag: str = ""
    """Without quotes; "" lets the shelf make one from the bytes."""
    rendition: str = ""
    """The rendition it belongs to; "" for what belongs to the whole path."""
    live: LivePlaylist | None = None
    """Set for a media playlist that requests may wait for."""


class Drop(Struct, tag="drop", array_like=True, frozen=True):
    """The resource at `url` is no longer served: 410 from now on."""

    url: str


class TextsRest(Struct, tag="rest", array_like=True, frozen=True):
    """Whether a path's playlists and manifests on the shelf are left as they are, out of date.

    That is so while nobody watches. Who asks for one waits until they are as of now again.
    """

    path: str
    is_resting: bool


class RenditionOpened(Struct, tag="rendition", array_like=True, frozen=True):
    """A rendition's first part follows; from now on it is spoken of by its handle."""

    handle: int
    """Never used again for another one."""
    path: str
    rendition: str
    content_type: str


class PartAdded(Struct, tag="part", array_like=True, frozen=True):
    """The next part of a segment can be fetched.

    A segment's parts lie one after the other in the media store. Where playlists have no parts
    each segment is one.
    """

    handle: int
    msn: int
    """Media sequence number of its segment."""
    part: int
    """Index in its segment."""
    start: int
    """Media time of its first sample, ticks."""
    offset: int
    """In the media store, bytes."""
    size_bytes: int


class SegmentCompleted(Struct, tag="segment", array_like=True, frozen=True):
    """A segment has all its parts: it can be fetched as a whole."""

    handle: int
    msn: int


class SegmentState(Struct, tag="segment_state", array_like=True, frozen=True):
    """A segment as it is by now, for who has missed some of its changes."""

    handle: int
    msn: int
    offset: int
    """Of its first part."""
    parts: tuple[tuple[int, int], ...]
    """(start in ticks, size in bytes) of each."""
    is_complete: bool


class SegmentDropped(Struct, tag="segment_gone", array_like=True, frozen=True):
    """A segment and its parts are no longer served: 410 from now on."""

    handle: int
    msn: int


class GoneSeries(Struct, frozen=True, array_like=True):
    """Numbers `first` to `last` of the numbered URLs that share the form `series` have gone."""

    series: str
    first: int
    last: int


class GoneSnapshot(Struct, tag="gone", array_like=True, frozen=True):
    """What had gone before this delivery process started."""

    series: tuple[GoneSeries, ...] = ()
    urls: tuple[str, ...] = ()


class RenditionRecord(Struct, frozen=True, omit_defaults=True):
    """One rendition as the API and the player page show it; 0 and "" are unknown."""

    name: str
    kind: Literal["video", "audio"] = "video"
    codec: str = ""
    """RFC 6381."""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    bitrate_bps: int = 0
    """As announced, or as was asked of the encoder."""
    copied: bool = False
    """True: the publisher's own encoding."""
    measured_bps: int = 0
    """What it has really been lately."""
    measured_fps: float = 0.0
    """Pictures in a second of the last seconds."""
    latency_s: float = 0.0
    """From the capture of a part's last sample until the part could be fetched, lately."""


class WorkerRecord(Struct, frozen=True):
    """The process that decodes and encodes for a path, as it said last."""

    cpu_s: float
    """Used since it started."""
    rss_bytes: int
    starts: int
    """How often there had to be one; more than 1: it was replaced."""


class AdviceRecord(Struct, frozen=True):
    """What a publisher could do better, as it was told in the event ingest.advice."""

    code: str
    text: str
    to_do: str
    role: str


class PathState(Struct, tag="path", array_like=True, frozen=True):
    """A path's state and statistics, sent when they change and about once a second while live."""

    path: str
    state: PathPhase
    """idle: an on-demand source that sleeps; starting: nothing playable yet; live; away: the
    publisher vanished and may come back; ended: the last playlists stay for a while."""
    reason: str = ""
    """Why it is in this state, for people."""
    since_utc: float = 0.0
    """When it came into this state, seconds since 1970."""
    publisher: str = ""
    """How it is published, such as "rtmp" or "pull"; never an address or a key."""
    ingest_bytes: int = 0
    """Received since the path began."""
    ingest_bps: int = 0
    """Received lately, bits per second."""
    window_bytes: int = 0
    """Held in the live window."""
    window_s: float = 0.0
    """Length of the live window, seconds."""
    renditions: tuple[RenditionRecord, ...] = ()
    """What players can choose from."""
    tracks: tuple[RenditionRecord, ...] = ()
    """What the publisher on air sends."""
    worker: WorkerRecord | None = None
    """None: nothing is encoded for this path."""
    advice: tuple[AdviceRecord, ...] = ()
    """What has not been heeded yet."""
    details: dict[str, Any] = {}
    """Whatever else the API should show, JSON types only."""


class PathGone(Struct, tag="path_gone", array_like=True, frozen=True):
    """The path and everything on it has gone: its playlists are 404 again."""

    path: str


class Metric(Struct, frozen=True, array_like=True):
    """One sample for /metrics; the origin keeps the cardinality of `labels` bounded."""

    name: str
    """With unit and suffix: "headwater_ingest_bytes_total"."""
    help: str
    value: float
    """With kind "histogram": the sum of all that was observed."""
    labels: dict[str, str] = {}
    kind: Literal["counter", "gauge", "histogram"] = "gauge"
    buckets: tuple[tuple[float, int], ...] = ()
    """Of a histogram: upper bound (the last is infinite) and how many were at most that."""


class DeliveryStatistics(Struct, tag="statistics", array_like=True, frozen=True):
    """What one delivery process counts; doubles as its heartbeat, once a second."""

    requests: dict[str, int] = {}
    """Answers since the start of the process by "<kind> <status class>", such as "media 2xx"."""
    sent_bytes: int = 0
    """Response bodies handed to the sockets."""
    open_connections: int = 0
    fast_requests: int = 0
    """How many of the requests took the fast path."""
    refused_connections: int = 0
    """Connections cut for dawdling over a request or a response."""
    loop_lag_s: float = 0.0
    """The worst delay of the event loop since the last message, seconds."""
    resources: int = 0
    """URLs that can be fetched."""
    resource_bytes: int = 0
    """Bytes of playlists and init sections."""
    cached_bytes: int = 0
    """Media bytes kept ready; all others are read from the media store when asked for."""
    cache_hits: int = 0
    """Requests for media that were kept ready."""
    cache_misses: int = 0
    waiting: int = 0
    """Requests that wait now for a playlist or for media."""
    waits_served: int = 0
    """Waits that ended because what was waited for came."""
    waits_late: int = 0
    """Waits that ended because it did not come in time."""


class Totals(Struct, tag="totals", array_like=True, frozen=True):
    """What only the origin sees as a whole, sent to every delivery process once a second."""

    delivery: tuple[DeliveryStatistics, ...] = ()
    """One record for each delivery process slot; counters go on over restarts."""
    restarts: int = 0
    """Delivery processes restarted so far."""
    utc_ahead_s: float = 0.0
    """As in DeliveryConfig, by now."""
    viewers: dict[str, int] = {}
    """Path to viewers, over all delivery processes."""
    viewers_by: dict[str, dict[str, int]] = {}
    """Path to protocol ("hls", "dash", "webrtc") to viewers."""


class Metrics(Struct, tag="metrics", array_like=True, frozen=True):
    """Everything else the origin wants on /metrics, sent every few seconds."""

    metrics: tuple[Metric, ...] = ()


class Replayed(Struct, tag="replayed", array_like=True, frozen=True):
    """Everything that was on the shelf has been sent: listen now."""


class Drain(Struct, tag="drain", array_like=True, frozen=True):
    """Accept nobody any more, finish what runs, and end."""


class PathWanted(Struct, tag="wanted", array_like=True, frozen=True):
    """A viewer asks for the playlist of a path that is not live, or whose texts rest."""

    path: str


class Viewers(Struct, tag="viewers", array_like=True, frozen=True):
    """Viewers of this delivery process by path, over the last seconds; absent is none."""

    counts: dict[str, int]
    by_protocol: dict[str, dict[str, int]] = {}
    """The same by "hls" and "dash"; who plays by both counts in both."""


class Listening(Struct, tag="listening", array_like=True, frozen=True):
    """The delivery process accepts connections."""


Media: TypeAlias = RenditionOpened | PartAdded | SegmentCompleted | SegmentState | SegmentDropped
ToDelivery: TypeAlias = (
    CommandAnswer
    | SignalAnswer
    | SignalEvent
    | DeliveryConfig
    | AccessRules
    | Put
    | Drop
    | TextsRest
    | Media
    | GoneSnapshot
    | PathState
    | PathGone
    | Totals
    | Metrics
    | EventsBegin
    | EventsTold
    | EventsReplayed
    | Replayed
    | Drain
)
FromDelivery: TypeAlias = (
    CommandRequest | PathWanted | Viewers | DeliveryStatistics | Listening | SignalRequest
)
