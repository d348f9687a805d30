"""Makes viewing tokens, for the command line and the API."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from streaming.auth.access_rules import AccessRules
from streaming.auth.view_tokens import MOST_PATTERNS, mint_token
from streaming.errors import ConfigError


def mint_view_token(
    rules: AccessRules,
    paths: Sequence[str],
    expires_utc: int,
    *,
    ip: str = "",
    max_sessions: int = 0,
    key: str = "",
) -> str:
    """A token by the key of that id, or by the first. Raises ConfigError where that cannot be."""
    if not 0 < len(paths) <= MOST_PATTERNS or not all(paths):
        raise ConfigError(f"a token is for 1 to {MOST_PATTERNS} patterns of paths")
    keys = [one for one in rules.keys if not key or one.id == key]
    if not keys:
        raise ConfigError(f"[view] has no key {key!r}" if key else "[view] has no keys to mint by")
    claims: dict[str, Any] = {
        "path": paths[0] if len(paths) == 1 else list(paths),
        "exp": expires_utc,
    }
    if ip:
        try:
            ipaddress.ip_network(ip, strict=False)
        except ValueError:
            raise ConfigError(f"{ip[:64]!r} is neither an address nor a network") from None
        claims["ip"] = ip
    if max_sessions:
        claims["max_sessions"] = max_sessions
    if rules.issuer:
        claims["iss"] = rules.issuer
    if rules.audience:
        claims["aud"] = rules.audience
    return mint_token(keys[0], claims)
