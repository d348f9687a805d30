"""What delivery processes must know to judge credentials: sent first, and again at each reload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from streaming.auth.api_tokens import ApiToken
from streaming.auth.hook import HookRules
from streaming.config_paths import best_pattern

MOST_REMEMBERED: Final = 10_000
"""Path names whose rule is remembered; anybody can ask for any name."""


class ViewKey(Struct, array_like=True, frozen=True):
    """A key by which viewing tokens are signed. Never logged."""

    id: str
    """Which tokens name in their header; "" fits those that name none."""
    algorithm: str
    """HS256, ES256 or EdDSA, and nothing else for this key."""
    material: str
    """A secret, or a private or public key as PEM."""

    def __repr__(self) -> str:
        return f"ViewKey({self.id!r}, {self.algorithm})"


class AccessRules(Struct, tag="access", array_like=True, frozen=True):
    """Who may view what."""

    views: tuple[tuple[str, str], ...] = ()
    """Patterns of paths, each with "open", "token" or "hook"."""
    keys: tuple[ViewKey, ...] = ()
    jwks: str = ""
    """A file or URL with more keys (RFC 7517)."""
    jwks_refresh_s: float = 300.0
    issuer: str = ""
    audience: str = ""
    hook: HookRules = HookRules()
    """Asked about viewers, of paths that are not open."""
    api_public: bool = True
    """Whether everyone may read of open paths."""
    api_tokens: tuple[ApiToken, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose X-Forwarded-For is believed."""


class ViewPolicy:
    """Which paths need a token; remembers what it found."""

    def __init__(self, rules: AccessRules) -> None:
        self._rules = dict(rules.views)
        self.all_open = all(rule == "open" for rule in self._rules.values())
        self._open: dict[str, bool] = {}
        self.is_open: Callable[[str], bool] = (
            (lambda path: True) if self.all_open else self._look_up
        )

    def rule(self, path: str) -> str:
        """What holds for `path`: "open", "token" or "hook"."""
        pattern = best_pattern(self._rules, path)
        return "open" if pattern is None else self._rules[pattern]

    def _look_up(self, path: str) -> bool:
        known = self._open.get(path)
        if known is None:
            known = self.rule(path) == "open"
            if len(self._open) >= MOST_REMEMBERED:
                self._open.clear()
            self._open[path] = known
        return known
