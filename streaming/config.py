"""Configuration: one TOML file, every key also from the environment, unknown keys refused.

The structs below are the documentation: `headwater.example.toml` lists every key with these
docstrings, and a test keeps the two in step.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from streaming.cpu_priority import Priority

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
StunServer = Annotated[str, Meta(pattern=r"^$|^(stun:)?(\[[0-9a-fA-F:.]+\]|[^:\[\]]+):[0-9]{1,5}$")]
Listen = Annotated[str, Meta(pattern=r"^(\[[0-9a-fA-F:.]+\]|[^:\[\]]+):[0-9]{1,5}$")]


ListenOrNot = Annotated[str, Meta(pattern=r"^((\[[0-9a-fA-F:.]+\]|[^:\[\]]+):[0-9]{1,5})?$")]


class HttpConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """Delivery of playlists, manifests, media and the player page."""

    listen: Listen = "127.0.0.1:8080"
    """Address and port; 0.0.0.0:8080 or [::]:8080 opens it to the network."""
    processes: Annotated[int, Meta(ge=1, le=64)] = 1
    """Delivery processes sharing the port."""
    cache_bytes: Annotated[int, Meta(ge=0)] = 67_108_864
    """Media that each delivery process keeps ready to be sent again, bytes."""
    allow_origins: tuple[str, ...] = ("*",)
    """Web origins that may read media and the API (CORS); "*" is everyone."""
    max_connections: Annotated[int, Meta(ge=1)] = 20_000
    """Open connections of one delivery process; further ones wait in the listen queue."""
    tls_certificate: str = ""
    """A PEM file with the certificate and its chain: HTTP by TLS alone; "" is HTTP in the clear.
    It is read again when it changes."""
    tls_key: str = ""
    """A PEM file with its private key, without a password."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of fronts of yours, such as "127.0.0.1": their X-Forwarded-For says
    where a viewer is."""
    drain_s: NotNegative = 5.0
    """How long a shutdown waits for running responses, seconds."""


class RtmpConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """RTMP ingest."""

    enabled: bool = True
    """Whether to listen for RTMP publishers at all."""
    listen: Listen = "127.0.0.1:1935"
    """Address and port; 0.0.0.0:1935 or [::]:1935 opens it to the network."""
    tls_listen: ListenOrNot = ""
    """Address and port of RTMP by TLS (rtmps://), such as 0.0.0.0:1936; "" is none."""
    tls_certificate: str = ""
    """A PEM file with the certificate and its chain; "" is that of [http]. It is read again when it
    changes."""
    tls_key: str = ""
    """A PEM file with its private key, without a password."""
    idle_timeout_s: Positive = 15.0
    """A publisher that sends nothing for so long is closed, seconds."""
    max_connections: Annotated[int, Meta(ge=1)] = 1_000
    """Open RTMP connections, publishing or not."""
    max_bitrate_kbps: Annotated[int, Meta(ge=1)] = 100_000
    """A publisher above this (kbit/s over 10 s) is closed."""


class IceServerConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """A STUN or TURN server that browsers are told about."""

    urls: tuple[Annotated[str, Meta(pattern=r"^(stun|stuns|turn|turns):\S+$")], ...]
    """Such as "turn:turn.example.org:3478?transport=udp"."""
    username: str = ""
    """Of a TURN server with fixed credentials."""
    credential: str = ""
    """The same."""
    secret: str = ""
    """Of a TURN server that checks time-limited credentials (coturn's static-auth-secret); each
    session gets its own, made from it."""


class WebrtcConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """WebRTC: WHEP for viewers, WHIP for publishers."""

    enabled: bool = True
    """Whether there is WebRTC at all."""
    listen: Listen = "127.0.0.1:8189"
    """Address and UDP port of all peers; 0.0.0.0:8189 or [::]:8189 opens it to the network."""
    tcp: bool = True
    """Listen on the same TCP port, too, for clients whose network blocks UDP."""
    public_addresses: tuple[str, ...] = ()
    """IP addresses at which clients reach the port, where the machine does not have them itself
    (NAT 1:1); none: those that the machine has."""
    stun_server: StunServer = ""
    """host:port of a STUN server that tells at which address others see ours; empty: none is asked.
    For a NAT whose address changes; where it does not, `public_addresses` will do."""
    ice_servers: tuple[IceServerConfig, ...] = ()
    """STUN and TURN servers that clients are told about."""
    max_sessions: Annotated[int, Meta(ge=1)] = 5_000
    """Viewers and publishers at once; further offers are refused."""
    max_layers: Annotated[int, Meta(ge=1, le=6)] = 3
    """Simulcast layers taken of a publisher, the first ones that it offers; 1: no simulcast."""
    threads: Annotated[int, Meta(ge=0, le=64)] = 0
    """Threads that send to viewers; 0 is one for each two cores."""
    priority: Priority = "high"
    """Of these threads: "high" is ahead of encoders on a busy machine (nice -10), "realtime" of
    everything (SCHED_RR); where the system does not allow it, the next lower one."""


class ViewKeyConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """A key by which viewing tokens are signed and verified."""

    id: str
    """Its name, which tokens carry as "kid"."""
    algorithm: Literal["HS256", "ES256", "EdDSA"] = "EdDSA"
    """What it signs by."""
    secret: str = ""
    """Of HS256: 32 characters or more."""
    file: str = ""
    """Of the others: a PEM file with the private key, which can mint tokens, or the public one."""


class ViewConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """Tokens for viewers of paths with view = "token"."""

    keys: tuple[ViewKeyConfig, ...] = ()
    """Keys of your own; the first one mints."""
    jwks: str = ""
    """A file or an http(s) URL with a key set (RFC 7517) of whoever issues the tokens."""
    jwks_refresh_s: Annotated[float, Meta(ge=1)] = 300.0
    """How often it is read again, seconds; also when a token names an unknown key."""
    issuer: str = ""
    """What tokens must say in "iss"; "" takes any."""
    audience: str = ""
    """What tokens must say in "aud"; "" takes any."""


class AuthHookConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """A server of yours that is asked who may publish and view."""

    url: Annotated[str, Meta(pattern=r"^(https?://\S+)?$")] = ""
    """Where to POST; "" asks nobody."""
    actions: tuple[Literal["publish", "whip", "read", "whep"], ...] = (
        "publish",
        "whip",
        "read",
        "whep",
    )
    """What to ask about; viewers are asked about on paths with view = "token" or "hook"."""
    timeout_s: Annotated[float, Meta(gt=0, le=8)] = 3.0
    """How long an answer may take, seconds."""
    fail_open: tuple[Literal["publish", "whip", "read", "whep"], ...] = ()
    """What is allowed while there is no answer; everything else is refused then."""
    cache_s: NotNegative = 30.0
    """How long a yes is remembered, seconds; a no for five at most."""
    secret: str = ""
    """Sent as "Authorization: Bearer", so that the server knows who asks."""


class ApiTokenConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """A token of the API."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    """Whose it is, for the log."""
    hash: Annotated[str, Meta(pattern=r"^sha256:[0-9a-fA-F]{64}$")]
    """Made by `headwater token new`."""
    scope: Literal["read", "control", "admin"] = "read"
    """What it may: see everything; kick and switch, too; change settings and mint, too."""


class ApiConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """The API under /api/v1."""

    public: bool = True
    """Whether everyone may read which open paths are live, and follow their events."""
    tokens: tuple[ApiTokenConfig, ...] = ()
    """Who may do what; without any, programs on this machine may do everything and others only
    read."""


class RungConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """One rung of a written ladder."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
    """The rendition's name in URLs and logs, such as "720p"."""
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
    """B-frames between others; more than 0 costs latency."""
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
    Opus and the AAC made of it are then two audio renditions."""
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


class EventsConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """The event log; the first of its bounds that is reached decides."""

    keep_count: Annotated[int, Meta(ge=10, le=1_000_000)] = 10_000
    """Events that followers can go back to, after a restart, too."""
    keep_bytes: Annotated[int, Meta(ge=65_536)] = 16_777_216
    """Memory that they may take, in each process, bytes."""
    keep_s: Positive = 604_800.0
    """How old they may be, seconds."""
    segments: bool = False
    """Whether each finished segment is an event, too (segment.ready), for followers that name this
    type; a hundred paths with four renditions make two hundred of them a second."""


class WebhookConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """Whom events are posted to, signed by the Standard Webhooks rules; see docs/webhooks.md."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    """What it is called in metrics, the log and commands; its queue goes by it, too."""
    url: Annotated[str, Meta(pattern=r"^https?://[^\s/?#@]+([/?][^\s#]*)?$")]
    """Where to post; redirects are not followed."""
    secrets: Annotated[tuple[str, ...], Meta(min_length=1, max_length=8)]
    """What to sign with: "whsec_" and base64 (HMAC), or "whsk_" and base64 (Ed25519). Several while
    they are changed: each signs."""
    paths: tuple[str, ...] = ()
    """Patterns of paths whose events are posted; none: all, and those of no path."""
    types: tuple[str, ...] = ()
    """Patterns of types, such as "path.*"; none: all."""
    max_in_flight: Annotated[int, Meta(ge=1, le=32)] = 4
    """Posts at once."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 20.0
    """How long a receiver may take for its whole answer, seconds."""
    allow_private: bool = False
    """Whether it may be at an address of loopback, a private or a link-local network."""
    retry_s: tuple[Positive, ...] = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 64_800)
    """Waits between attempts, seconds, each up to a fifth longer; then the event is given up."""


class Config(Struct, forbid_unknown_fields=True, frozen=True):
    """The whole configuration."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much to log."""
    log_format: Literal["human", "json"] = "human"
    """"human", or "json": an object on a line for each record, for programs."""
    name: str = "headwater"
    """The server's name in logs and the API."""
    max_paths: Annotated[int, Meta(ge=1)] = 1_000
    """Live paths at once; further publishers are refused."""
    store_bytes: Annotated[int, Meta(ge=0)] = 0
    """Memory for the media of all live windows, bytes; 0 is half of the machine's. When it is full,
    segments that have left the playlists go early, then new ones become gaps."""
    state_dir: str = ""
    """Where live windows are kept, so that a restart goes on with them: a directory; "" is the
    user's state directory (~/.local/state/headwater) or systemd's; "memory" keeps nothing."""
    http: HttpConfig = field(default_factory=HttpConfig)
    rtmp: RtmpConfig = field(default_factory=RtmpConfig)
    webrtc: WebrtcConfig = field(default_factory=WebrtcConfig)
    events: EventsConfig = field(default_factory=EventsConfig)
    api: ApiConfig = field(default_factory=ApiConfig)
    view: ViewConfig = field(default_factory=ViewConfig)
    auth_hook: AuthHookConfig = field(default_factory=AuthHookConfig)
    webhooks: tuple[WebhookConfig, ...] = field(default_factory=tuple)
    """Whom events are posted to."""
    paths: dict[str, PathConfig] = field(default_factory=dict)
    """Patterns and their settings; the most specific one that matches a path is used."""


TEST_SCHEME = "test:"
"""Of the built-in test source."""
DEMO_PATHS: Mapping[str, PathConfig] = {"demo": PathConfig(source=TEST_SCHEME)}
"""What is live when no configuration file says anything else."""


def rtmp_certificate(config: Config) -> tuple[str, str]:
    """Certificate and key of RTMPS; "" where there are none."""
    own, shared = config.rtmp, config.http
    if own.tls_certificate:
        return own.tls_certificate, own.tls_key
    return shared.tls_certificate, shared.tls_key


def path_config(config: Config, name: str) -> PathConfig:
    """Settings for the path `name`: the exact table, else the pattern with most literal text."""
    pattern = best_pattern(config.paths, name)
    return PathConfig() if pattern is None else config.paths[pattern]


def best_pattern(patterns: Mapping[str, object], name: str) -> str | None:
    """Which of the `patterns` rules the path `name`; None where none matches."""
    if name in patterns:
        return name
    matching = [p for p in patterns if fnmatch.fnmatchcase(name, p)]
    return max(matching, key=_literal_length) if matching else None


def _literal_length(pattern: str) -> tuple[int, str]:
    return sum(c not in "*?[]" for c in pattern), pattern


__all__ = [
    "DEMO_PATHS",
    "TEST_SCHEME",
    "ApiConfig",
    "ApiTokenConfig",
    "AuthHookConfig",
    "Config",
    "EventsConfig",
    "HttpConfig",
    "IceServerConfig",
    "PathConfig",
    "RtmpConfig",
    "RungConfig",
    "ViewConfig",
    "ViewKeyConfig",
    "WebhookConfig",
    "WebrtcConfig",
    "best_pattern",
    "path_config",
    "rtmp_certificate",
]
