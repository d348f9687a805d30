"""Settings of who may view, publish and command: the tables [view], [auth_hook] and [api]."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from streaming.config_values import NotNegative


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
