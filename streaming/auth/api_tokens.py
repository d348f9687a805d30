"""Bearer tokens of the API: random, stored as SHA-256, each with one scope. Sans-IO.

They have 256 random bits, so a plain hash cannot be reversed and no rate of guessing matters.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

Scope: TypeAlias = Literal["read", "control", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "control", "admin")
"""Each may what those before it may."""
HASH_PREFIX: Final = "sha256:"


class ApiToken(Struct, array_like=True, frozen=True):
    """A token as the configuration knows it."""

    name: str
    hash: str
    scope: Scope


def new_token() -> str:
    """A token; the prefix lets secret scanners know it."""
    return f"hw_{secrets.token_urlsafe(32)}"


def hash_token(token: str) -> str:
    """What to write into the configuration for `token`."""
    return HASH_PREFIX + hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def find_token(tokens: Sequence[ApiToken], given: str) -> ApiToken | None:
    """Which of the tokens `given` is; compares with all, in constant time each."""
    hashed = hash_token(given)
    found = [one for one in tokens if hmac.compare_digest(one.hash.lower(), hashed)]
    return found[0] if found else None


def covers(scope: Scope | None, needed: Scope | None) -> bool:
    """Whether who has `scope` may do what wants `needed`; None of both is nothing."""
    if needed is None:
        return True
    return scope is not None and SCOPES.index(scope) >= SCOPES.index(needed)
