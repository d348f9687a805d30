"""Signatures of Standard Webhooks: over "id.timestamp.body", one for each secret. Sans-IO.

`whsec_…` secrets sign by HMAC-SHA256 (v1), `whsk_…` ones by Ed25519 (v1a). Several at once are for
changing them: a receiver accepts a request when any of its signatures is right.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

SYMMETRIC: Final = "whsec_"
ASYMMETRIC: Final = "whsk_"
SECRET_BYTES: Final = range(24, 65)
"""What the specification allows for symmetric ones."""
SEED_BYTES: Final = (32, 64)
"""Of an Ed25519 key: the seed, perhaps with the public key behind it."""


def new_secret() -> str:
    """A symmetric secret of as many bytes as the digest has."""
    return SYMMETRIC + base64.b64encode(secrets.token_bytes(32)).decode()


def secret_error(secret: str) -> str:
    """Why a secret cannot be used; "" when it can. Never says any of it."""
    try:
        key = _key_bytes(secret)
    except (binascii.Error, ValueError):
        return "a secret is whsec_ or whsk_ and base64"
    if secret.startswith(SYMMETRIC):
        return "" if len(key) in SECRET_BYTES else "a whsec_ secret has 24 to 64 bytes"
    return "" if len(key) in SEED_BYTES else "a whsk_ key has 32 or 64 bytes"


def sign(keys: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    text = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join(_signature(secret, text) for secret in keys)


def _signature(secret: str, text: bytes) -> str:
    key = _key_bytes(secret)
    if secret.startswith(SYMMETRIC):
        digest = hmac.new(key, text, hashlib.sha256).digest()
        return "v1," + base64.b64encode(digest).decode()
    # Here, because the configuration is checked by processes that need no cryptography.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signed = Ed25519PrivateKey.from_private_bytes(key[:32]).sign(text)
    return "v1a," + base64.b64encode(signed).decode()


def _key_bytes(secret: str) -> bytes:
    for prefix in (SYMMETRIC, ASYMMETRIC):
        if secret.startswith(prefix):
            return base64.b64decode(secret.removeprefix(prefix), validate=True)
    raise ValueError("no secret of Standard Webhooks")
