"""The records of /api/v1: what handlers take and give, and what the OpenAPI document is made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streaming.auth.api_tokens import Scope
from streaming.config_paths import PathConfig
from streaming.shelf_messages import (
    AdviceRecord,
    PathPhase,
    PathState,
    RenditionRecord,
    Totals,
    WorkerRecord,
)


class ServerRecord(Struct, frozen=True):
    """The server."""

    name: str
    rtmp_listen: str
    """Empty where RTMP is off."""
    webrtc: bool
    viewers: int


class CallerRecord(Struct, frozen=True):
    """Who asks."""

    scope: Scope | None
    """What it may do; null: what everyone may."""
    name: str
    """Of its token."""


class PathRecord(Struct, frozen=True):
    """A path as it fares now."""

    path: str
    state: PathPhase
    reason: str
    since_utc: float
    publisher: str
    """How it is published, such as "rtmp"."""
    ingest_bytes: int
    ingest_bps: int
    window_bytes: int
    window_s: float
    renditions: tuple[RenditionRecord, ...]
    """What players can choose from."""
    tracks: tuple[RenditionRecord, ...]
    """What the publisher on air sends."""
    worker: WorkerRecord | None
    """None: nothing is encoded for this path."""
    advice: tuple[AdviceRecord, ...]
    """What the publishers could do better, and have not yet."""
    details: dict[str, Any]
    """With "state" and "state_version", the number that If-Match takes."""
    viewers: int
    viewers_by: dict[str, int]
    """By "hls", "dash" and "webrtc"; who plays by two of them counts in both."""
    urls: dict[str, str]


class PathList(Struct, frozen=True, omit_defaults=True):
    """A page of paths in the order of their names."""

    paths: list[PathRecord]
    next: str = ""
    """What `after` is for the next page; absent on the last one."""


class Problem(Struct, frozen=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


class Done(Struct, frozen=True):
    """What was commanded has been done."""

    path: str
    state_version: int


class OnAirChoice(Struct, frozen=True, forbid_unknown_fields=True):
    """Who shall be on air; null lets the path's policy decide again."""

    rank: Literal["primary", "backup", "slate"] | None


class SourceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a path pulls."""

    source: Annotated[str, Meta(min_length=1, max_length=2_048)]
    source_loop: bool = True
    source_on_demand: bool = False
    source_idle_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0


class SourceRecord(Struct, frozen=True):
    """What a path pulls; secrets of its URL hidden."""

    path: str
    source: str
    source_loop: bool
    source_on_demand: bool
    source_idle_s: float
    set_by_api: bool


class SourceList(Struct, frozen=True):
    """All sources, in the order of their paths."""

    sources: list[SourceRecord]


PathSettings: TypeAlias = msgspec.defstruct(  # type: ignore[valid-type]
    "PathSettings",
    [
        (field.name, field.type | None | UnsetType, UNSET)
        for field in msgspec.structs.fields(PathConfig)
        if field.name not in SourceSettings.__struct_fields__
    ],
    frozen=True,
    forbid_unknown_fields=True,
    module=__name__,
)
"""Settings of one path to change, as in the configuration's tables; null takes one back."""


class SettingsRecord(Struct, frozen=True):
    """What a path of this name has."""

    path: str
    table: str
    """Of the configuration, which the path's settings come from; "" where none fits."""
    set_by_api: dict[str, Any]
    """Of the effective ones, those that the API has set."""
    effective: dict[str, Any]
    """Secrets hidden."""


class Changes(Struct, frozen=True, omit_defaults=True):
    """What came of another configuration."""

    changed: list[str]
    """Tables of paths that differ and hold from now on."""
    deferred: list[str]
    """Live paths some of whose new settings wait until they begin anew."""
    needs_restart: list[str]
    """Other settings that differ and are only read at the start."""
    webhooks: list[str] = []
    """Webhooks that differ and hold from now on; absent where none does."""


class ConfigText(Struct, frozen=True, forbid_unknown_fields=True):
    """A configuration file."""

    toml: Annotated[str, Meta(max_length=60_000)]


class Verdict(Struct, frozen=True):
    """Whether a configuration can be."""

    valid: bool
    reason: str


class TokenWish(Struct, frozen=True, forbid_unknown_fields=True):
    """A viewing token to be made."""

    path: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]],
        Meta(min_length=1, max_length=32),
    ]
    expires_s: Annotated[int, Meta(ge=1, le=31_536_000)] = 3_600
    ip: Annotated[str, Meta(max_length=64)] = ""
    max_sessions: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    key: Annotated[str, Meta(max_length=64)] = ""


class MintedToken(Struct, frozen=True):
    """A viewing token."""

    token: str
    expires_utc: int
    prefix: str
    """What to put before a path in URLs."""


def path_record(state: PathState, totals: Totals, has_webrtc: bool) -> PathRecord:
    """What the API says of a path."""
    folder = f"/{state.path}/"
    urls = {
        "page": folder,
        "hls": folder + "index.m3u8",
        "dash": folder + "manifest.mpd",
        "thumbnail": folder + "thumbnail.jpg",
    }
    if has_webrtc:
        urls |= {"whep": folder + "whep", "whip": folder + "whip"}
    return PathRecord(
        **msgspec.structs.asdict(state),
        viewers=totals.viewers.get(state.path, 0),
        viewers_by=totals.viewers_by.get(state.path, {}),
        urls=urls,
    )
