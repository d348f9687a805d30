"""Where the keys of viewing tokens come from: the configuration, files, and key sets (RFC 7517)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from streaming.auth.access_rules import AccessRules, ViewKey
from streaming.auth.api_tokens import ApiToken
from streaming.auth.hook import HookRules
from streaming.config import Config
from streaming.config_access import ViewKeyConfig
from streaming.errors import ConfigError

MAX_SET_BYTES: Final = 262_144
"""Key sets of large identity providers have 10 KB."""
MOST_KEYS: Final = 64
FETCH_S: Final = 5.0


def access_rules(config: Config) -> AccessRules:
    """What delivery processes judge by. Raises ConfigError where a key file cannot be read."""
    view = config.view
    return AccessRules(
        views=tuple((pattern, path.view) for pattern, path in config.paths.items()),
        keys=tuple(_read_key(one) for one in view.keys),
        jwks=view.jwks,
        jwks_refresh_s=view.jwks_refresh_s,
        issuer=view.issuer,
        audience=view.audience,
        hook=hook_rules(config),
        api_public=config.api.public,
        api_tokens=tuple(ApiToken(one.name, one.hash, one.scope) for one in config.api.tokens),
        trusted_proxies=config.http.trusted_proxies,
    )


def hook_rules(config: Config) -> HookRules:
    """How the auth hook is asked."""
    hook = config.auth_hook
    return HookRules(
        hook.url, hook.actions, hook.timeout_s, hook.fail_open, hook.cache_s, hook.secret
    )


def _read_key(config: ViewKeyConfig) -> ViewKey:
    if bool(config.secret) == bool(config.file):
        raise ConfigError(f"view.keys: {config.id!r} needs either a secret or a file")
    if config.secret:
        return ViewKey(config.id, config.algorithm, config.secret)
    try:
        return ViewKey(config.id, config.algorithm, Path(config.file).read_text("utf-8").strip())
    except OSError as error:
        raise ConfigError(f"view.keys: {config.file}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"view.keys: {config.file}: not text") from None


def fetch_key_set(place: str) -> tuple[ViewKey, ...]:
    """The keys of a set at a file or http(s) URL; blocks. Raises ConfigError."""
    import urllib.request  # here, because an origin without key sets starts faster without it

    is_remote = place.startswith(("http://", "https://"))
    try:
        if is_remote:
            with urllib.request.urlopen(place, timeout=FETCH_S) as answer:
                data = answer.read(MAX_SET_BYTES + 1)
        else:
            data = Path(place).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ConfigError(f"view.jwks: cannot be read: {reason}") from error
    if len(data) > MAX_SET_BYTES:
        raise ConfigError(f"view.jwks: over {MAX_SET_BYTES} bytes")
    return read_key_set(data, allow_secrets=not is_remote)


def read_key_set(data: bytes, *, allow_secrets: bool) -> tuple[ViewKey, ...]:
    """The usable keys of a set; those for other purposes or algorithms are left out.

    Secrets are taken from files alone: what is at a URL is no secret. Raises ConfigError when it
    is no key set.
    """
    try:
        records = json.loads(data)["keys"]
        if not isinstance(records, list):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise ConfigError("view.jwks: not a JSON Web Key Set") from None
    found = (_from_record(one, allow_secrets) for one in records[:MOST_KEYS])
    return tuple(key for key in found if key is not None)


def _from_record(record: Any, allow_secrets: bool) -> ViewKey | None:
    if not isinstance(record, Mapping) or record.get("use", "sig") != "sig":
        return None
    kind, curve = record.get("kty"), record.get("crv")
    algorithm = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA", ("oct", None): "HS256"}.get(
        (str(kind), None if curve is None else str(curve))
    )
    name = record.get("kid", "")
    if algorithm is None or record.get("alg", algorithm) != algorithm or not isinstance(name, str):
        return None
    if algorithm == "HS256" and not allow_secrets:
        return None
    try:
        return ViewKey(name, algorithm, _material(record, algorithm))
    except (KeyError, ValueError, TypeError, binascii.Error):
        return None


def _material(record: Mapping[str, Any], algorithm: str) -> str:
    if algorithm == "HS256":
        return _bytes(record["k"]).decode()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    if algorithm == "EdDSA":
        key = ed25519.Ed25519PublicKey.from_public_bytes(_bytes(record["x"]))
    else:
        x, y = (int.from_bytes(_bytes(record[name])) for name in "xy")
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
