"""Viewing tokens: JSON Web Tokens that say which paths their bearer may watch, and until when.

Each key verifies by its one algorithm, whatever a token's header says, so neither "none" nor a
public key used as a secret can pass. What was verified once is remembered until it expires.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from streaming.auth.access_rules import AccessRules, ViewKey
from streaming.auth.addresses import Network, is_in
from streaming.errors import ConfigError, TokenRefused

if TYPE_CHECKING:  # a tenth of a second, which only those wait for who use tokens
    from jwt.types import Options

ALGORITHMS: Final = ("HS256", "ES256", "EdDSA")
MAX_TOKEN_CHARS: Final = 2_048
"""A token in a URL must leave room for the rest of it; ours have 250 to 400."""
LEEWAY_S: Final = 5.0
"""By which clocks of issuers may differ from ours."""
MOST_GRANTS: Final = 20_000
"""Tokens remembered: one for each viewer that a process can have."""
MOST_REFUSALS: Final = 1_000
"""Bad tokens remembered, for players that go on asking."""
MOST_PATTERNS: Final = 32
MOST_VIEWERS: Final = 10_000
"""Of one token; more are judged anew at each request."""
ADMITTED_S: Final = 10.0
"""How long a viewer goes on by a token without another look at it, and counts as a session."""
MIN_SECRET_BYTES: Final = 32
"""RFC 7518 3.2: as long as the hash."""


class Claims(msgspec.Struct, frozen=True):
    """What a token says; claims that are not known are left alone."""

    path: str | tuple[str, ...]
    exp: float
    nbf: float = 0.0
    ip: str = ""
    max_sessions: Annotated[int, Meta(ge=0)] = 0


@dataclass(slots=True)
class Grant:
    """What one token allows, and who goes by it now."""

    patterns: tuple[str, ...]
    expires_utc: float
    network: Network | None = None
    max_sessions: int = 0
    """0: any number."""
    admitted: dict[tuple[str, int], float] = field(default_factory=dict)
    """Path and viewer to until when they need no other look."""

    def covers(self, path: str) -> bool:
        """Whether the token is for `path`."""
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self.patterns)

    def refusal(self, path: str, address: str, viewer: int, now: float) -> str:
        """Why this viewer may not have `path`; "" if it may."""
        if not self.covers(path):
            return f"the token is not for {path}"
        if self.network is not None and not is_in(address, (self.network,)):
            return "the token is for another address"
        if self.max_sessions:
            others = {one for (_, one), until in self.admitted.items() if until > now} - {viewer}
            if len(others) >= self.max_sessions:
                return f"the token is in use by {self.max_sessions} already"
        return ""

    def admit(self, path: str, viewer: int, now: float, for_s: float = ADMITTED_S) -> None:
        """The viewer goes on without another look for a while."""
        if len(self.admitted) >= MOST_VIEWERS:
            self.admitted = {k: until for k, until in self.admitted.items() if until > now}
        if len(self.admitted) < MOST_VIEWERS:
            self.admitted[path, viewer] = min(now + for_s, self.expires_utc)

    def is_admitted(self, path: str, viewer: int, now: float) -> bool:
        """The fast path's question."""
        return self.admitted.get((path, viewer), 0.0) > now


class ViewTokens:
    """Owns the keys and what was verified by them; a delivery process's site asks."""

    def __init__(self, rules: AccessRules, more: Sequence[ViewKey] = ()) -> None:
        """`more` are the keys of the key set."""
        self._issuer, self._audience = rules.issuer, rules.audience
        self._keys = (*rules.keys, *more)
        self._grants: OrderedDict[bytes, Grant] = OrderedDict()
        self._refused: OrderedDict[bytes, str] = OrderedDict()
        self.verifications = 0

    def opaque(self, token: str) -> Grant:
        """What stands for a credential of whatever kind that the auth hook judges."""
        name = token.encode("utf-8", "replace")[:MAX_TOKEN_CHARS]
        grant = self._grants.get(name)
        if grant is None:
            grant = Grant(("*",), math.inf)
            _remember(self._grants, name, grant, MOST_GRANTS)
        return grant

    def known(self, token: bytes) -> Grant | None:
        """What was found about a token lately; the fast path's question."""
        return self._grants.get(token)

    def verify(self, token: str, now: float) -> Grant:
        """What `token` allows at `now` (UTC). Raises TokenRefused with the reason."""
        name = token.encode("utf-8", "replace")
        grant = self._grants.get(name)
        if grant is not None:
            if grant.expires_utc <= now:
                raise TokenRefused("the token has expired")
            return grant
        if name in self._refused:
            raise TokenRefused(self._refused[name])
        self.verifications += 1
        try:
            grant = self._read(token, now)
        except TokenRefused as refusal:
            if refusal.is_final:
                _remember(self._refused, name, str(refusal), MOST_REFUSALS)
            raise
        _remember(self._grants, name, grant, MOST_GRANTS)
        return grant

    def _read(self, token: str, now: float) -> Grant:
        if len(token) > MAX_TOKEN_CHARS:
            raise TokenRefused("the token is too long")
        claims = self._claims(token)
        if claims.exp <= now:
            raise TokenRefused("the token has expired", is_final=True)
        if claims.nbf > now + LEEWAY_S:
            raise TokenRefused("the token is not valid yet")
        patterns = (claims.path,) if isinstance(claims.path, str) else claims.path
        if len(patterns) > MOST_PATTERNS:
            raise TokenRefused(f"the token has over {MOST_PATTERNS} paths", is_final=True)
        return Grant(patterns, claims.exp, _network(claims.ip), claims.max_sessions)

    def _claims(self, token: str) -> Claims:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise TokenRefused("the token cannot be read", is_final=True) from None
        fitting = self._fitting(header)
        options: Options = {
            "verify_exp": False,  # by our clock, above
            "verify_nbf": False,
            "verify_iat": False,
            "verify_aud": bool(self._audience),
            "verify_iss": bool(self._issuer),
        }
        for key in fitting:
            try:
                values = jwt.decode(
                    token,
                    _verifying_key(key),
                    algorithms=[key.algorithm],
                    issuer=self._issuer or None,
                    audience=self._audience or None,
                    options=options,
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidIssuerError:
                raise TokenRefused("the token is of another issuer", is_final=True) from None
            except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError):
                raise TokenRefused("the token is for somebody else", is_final=True) from None
            except jwt.PyJWTError:
                raise TokenRefused("the token cannot be read", is_final=True) from None
            return _convert(values)
        raise TokenRefused("the token's signature is wrong", is_final=True)

    def _fitting(self, header: Mapping[str, Any]) -> list[ViewKey]:
        """The keys that the token may have been signed by."""
        name, algorithm = header.get("kid", ""), header.get("alg")
        named = [key for key in self._keys if not name or key.id == name]
        if not named:
            raise TokenRefused("the token is signed by a key that is not known here")
        fitting = [key for key in named if key.algorithm == algorithm]
        if not fitting:
            raise TokenRefused("the token is signed by another algorithm than its key's")
        return fitting


def mint_token(key: ViewKey, claims: Mapping[str, Any]) -> str:
    """A token by `key`. Raises ConfigError when the key can only verify."""
    import jwt

    headers = {"kid": key.id} if key.id else None
    try:
        return jwt.encode(dict(claims), key.material, algorithm=key.algorithm, headers=headers)
    except (TypeError, ValueError, AttributeError, jwt.PyJWTError):
        raise ConfigError(f"the key {key.id!r} is no private key: it cannot sign") from None


def check_key(key: ViewKey) -> None:
    """Raises ConfigError when nothing can be verified by `key`; the message holds none of it."""
    if key.algorithm == "HS256" and len(key.material.encode()) < MIN_SECRET_BYTES:
        raise ConfigError(f"view.keys: the secret of {key.id!r} has under {MIN_SECRET_BYTES} bytes")
    try:
        _verifying_key(key)
    except ValueError:
        raise ConfigError(
            f"view.keys: the key {key.id!r} is no PEM of a key for {key.algorithm}"
        ) from None


@lru_cache(maxsize=64)
def _verifying_key(key: ViewKey) -> Any:
    """What pyjwt verifies by. Raises ValueError where the material does not fit the algorithm."""
    if key.algorithm == "HS256":
        return key.material
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        load_pem_private_key,
        load_pem_public_key,
    )

    pem = key.material.encode()
    try:
        is_private = b"PRIVATE KEY" in pem
        found: Any = (
            load_pem_private_key(pem, None).public_key() if is_private else load_pem_public_key(pem)
        )
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("not a usable PEM") from error
    kind = ed25519.Ed25519PublicKey if key.algorithm == "EdDSA" else ec.EllipticCurvePublicKey
    if not isinstance(found, kind) or (
        isinstance(found, ec.EllipticCurvePublicKey) and found.curve.name != "secp256r1"
    ):
        raise ValueError("a key of another kind")
    return found


def _convert(values: Mapping[str, Any]) -> Claims:
    try:
        return msgspec.convert(values, Claims)
    except msgspec.ValidationError:
        reason = "the token lacks path or exp, or they are malformed"
        raise TokenRefused(reason, is_final=True) from None


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if text else None
    except ValueError:
        raise TokenRefused("the token's ip is no address or network", is_final=True) from None


def _remember(memory: OrderedDict[bytes, Any], name: bytes, value: object, most: int) -> None:
    memory[name] = value
    while len(memory) > most:
        memory.popitem(last=False)
