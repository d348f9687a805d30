"""Keys and tokens for tests, good and bad; made by pyjwt and by hand."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from streaming.auth.access_rules import ViewKey
from streaming.auth.view_tokens import mint_token

NOW: Final = 1_800_000_000.0


def _pem(key: Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: ViewKey) -> str:
    private = serialization.load_pem_private_key(key.material.encode(), None)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


EDDSA: Final = ViewKey("ed", "EdDSA", _pem(ed25519.Ed25519PrivateKey.generate()))
ES256: Final = ViewKey("es", "ES256", _pem(ec.generate_private_key(ec.SECP256R1())))
HS256: Final = ViewKey("hs", "HS256", "a secret of thirty-two characters")
STRANGER: Final = ViewKey("ed", "EdDSA", _pem(ed25519.Ed25519PrivateKey.generate()))
KEYS: Final = (EDDSA, ES256, HS256)


def token(key: ViewKey = EDDSA, now: float = NOW, **claims: Any) -> str:
    """A token for live/* of an hour, unless the claims say otherwise; None takes one away."""
    values = {"path": "live/*", "exp": now + 3_600, **claims}
    return mint_token(key, {name: value for name, value in values.items() if value is not None})


def hand_made(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token with any header and signature."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature)
    )


def with_claims(original: str, **claims: Any) -> str:
    """The same signature under other claims."""
    header, _, signature = original.split(".")
    body = {"path": "live/*", "exp": NOW + 3_600, **claims}
    text = base64.urlsafe_b64encode(json.dumps(body).encode()).rstrip(b"=").decode()
    return f"{header}.{text}.{signature}"
