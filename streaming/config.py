"""Configuration: one TOML file, every key also from the environment, unknown keys refused.

The structs here, in config_paths.py and config_access.py are the documentation:
`headwater.example.toml` lists every key with these docstrings, and a test keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from streaming.config_access import ApiConfig, AuthHookConfig, ViewConfig
from streaming.config_paths import TEST_SCHEME, PathConfig, best_pattern
from streaming.config_values import Listen, ListenOrNot, NotNegative, Positive, StunServer
from streaming.cpu_priority import Priority


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
