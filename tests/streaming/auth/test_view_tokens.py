"""Viewing tokens: which are good, which are not and why, and what is remembered."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from streaming.auth.access_rules import AccessRules, ViewKey, ViewPolicy
from streaming.auth.view_keys import MAX_SET_BYTES, fetch_key_set, read_key_set
from streaming.auth.view_tokens import (
    ADMITTED_S,
    LEEWAY_S,
    MAX_TOKEN_CHARS,
    ViewTokens,
    check_key,
    mint_token,
)
from streaming.errors import ConfigError, TokenRefused
from tests.streaming.auth.tokens import (
    EDDSA,
    ES256,
    HS256,
    KEYS,
    NOW,
    STRANGER,
    hand_made,
    public_pem,
    token,
    with_claims,
)

GOOD = {"path": "live/*", "exp": NOW + 3_600}


def tokens(*keys: ViewKey, **rules: Any) -> ViewTokens:
    return ViewTokens(AccessRules(keys=keys or KEYS, **rules))


def reason(text: str, judge: ViewTokens | None = None) -> str:
    with pytest.raises(TokenRefused) as refused:
        (judge or tokens()).verify(text, NOW)
    assert text[:20] not in str(refused.value) or len(text) < 20
    return str(refused.value)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_a_token_by_each_algorithm_allows_its_paths_until_it_expires(key: ViewKey) -> None:
    judge = tokens()
    grant = judge.verify(token(key), NOW)
    assert grant.covers("live/a")
    assert not grant.covers("other/a")
    assert judge.verify(token(key), NOW + 3_599) is not None
    with pytest.raises(TokenRefused, match="expired"):
        judge.verify(token(key), NOW + 3_600)


@pytest.mark.parametrize("key", [EDDSA, ES256], ids=lambda key: key.algorithm)
def test_the_public_key_suffices_to_verify_and_cannot_mint(key: ViewKey) -> None:
    public = ViewKey(key.id, key.algorithm, public_pem(key))
    check_key(public)
    assert tokens(public).verify(token(key), NOW).covers("live/a")
    with pytest.raises(ConfigError, match="cannot sign"):
        mint_token(public, GOOD)


def confused() -> str:
    """HS256 under the public key of an EdDSA key, which everybody may know."""
    unsigned = hand_made({"alg": "HS256", "typ": "JWT", "kid": "ed"}, GOOD).rpartition(".")[0]
    mac = hmac.new(public_pem(EDDSA).encode(), unsigned.encode(), hashlib.sha256).digest()
    return hand_made({"alg": "HS256", "typ": "JWT", "kid": "ed"}, GOOD, mac)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cannot be read"),
        ("a.b.c", "cannot be read"),
        ("x" * (MAX_TOKEN_CHARS + 1), "too long"),
        (token(STRANGER), "signature is wrong"),
        (token() + "A", "signature is wrong"),
        (with_claims(token(), path="*"), "signature is wrong"),
        (token(exp=NOW), "expired"),
        (token(exp=NOW - 3_600), "expired"),
        (token(nbf=NOW + LEEWAY_S + 1), "not valid yet"),
        (token(exp=None), "lacks path or exp"),
        (token(path=None), "lacks path or exp"),
        (token(path=7), "lacks path or exp"),
        (token(max_sessions=-1), "lacks path or exp"),
        (token(ip="here"), "no address or network"),
        (token(path=["a"] * 33), "over 32 paths"),
        (hand_made({"alg": "none", "typ": "JWT"}, GOOD), "another algorithm"),
        (hand_made({"alg": "none", "typ": "JWT", "kid": "ed"}, GOOD), "another algorithm"),
        (hand_made({"alg": "NONE", "kid": "hs"}, GOOD), "another algorithm"),
        (confused(), "another algorithm"),
        (token(ViewKey("ed", "ES256", ES256.material)), "another algorithm"),
        (token(ViewKey("new", "EdDSA", EDDSA.material)), "not known here"),
    ],
)
def test_a_bad_token_is_refused_with_the_reason(text: str, told: str) -> None:
    assert told in reason(text)


def test_a_key_without_a_name_fits_tokens_that_name_none() -> None:
    plain = jwt.encode(GOOD, HS256.material, algorithm="HS256")
    assert tokens().verify(plain, NOW).covers("live/a")


def test_clocks_of_issuers_may_be_a_little_ahead() -> None:
    assert tokens().verify(token(nbf=NOW + LEEWAY_S), NOW)


def test_a_token_that_is_not_valid_yet_is_good_later() -> None:
    judge, early = tokens(), token(nbf=NOW + 60)
    reason(early, judge)
    assert judge.verify(early, NOW + 60)


def test_issuer_and_audience_are_demanded_where_they_are_configured() -> None:
    judge = tokens(issuer="https://id.example", audience="tv")
    assert "another issuer" in reason(token(iss="https://evil.example", aud="tv"), judge)
    assert "somebody else" in reason(token(iss="https://id.example", aud="radio"), judge)
    assert "somebody else" in reason(token(iss="https://id.example"), judge)
    assert judge.verify(token(iss="https://id.example", aud="tv"), NOW)


def test_a_token_is_verified_once_good_or_bad() -> None:
    judge, good, bad = tokens(), token(), token(STRANGER)
    for _ in range(3):
        judge.verify(good, NOW)
        reason(bad, judge)
    assert judge.verifications == 2


def test_an_address_or_network_binds_a_token() -> None:
    grant = tokens().verify(token(ip="10.1.0.0/16"), NOW)
    assert grant.refusal("live/a", "10.1.2.3", 1, NOW) == ""
    assert grant.refusal("live/a", "::ffff:10.1.2.3", 1, NOW) == ""
    for address in ("10.2.0.1", "2001:db8::1", ""):
        assert grant.refusal("live/a", address, 1, NOW) == "the token is for another address"


def test_only_so_many_viewers_share_a_token_until_one_of_them_has_gone() -> None:
    grant = tokens().verify(token(max_sessions=2), NOW)
    for viewer in (1, 2, 1):
        assert grant.refusal("live/a", "", viewer, NOW) == ""
        grant.admit("live/a", viewer, NOW)
    assert "in use by 2" in grant.refusal("live/a", "", 3, NOW)
    assert grant.refusal("live/a", "", 3, NOW + ADMITTED_S) == ""


def test_an_admitted_viewer_is_looked_at_again_before_long_and_never_after_the_end() -> None:
    grant = tokens().verify(token(exp=NOW + 3), NOW)
    grant.admit("live/a", 1, NOW)
    assert grant.is_admitted("live/a", 1, NOW + 2.9)
    assert not grant.is_admitted("live/a", 1, NOW + 3)
    assert not grant.is_admitted("live/b", 1, NOW)
    assert not grant.is_admitted("live/a", 2, NOW)


@pytest.mark.parametrize(
    "key",
    [
        ViewKey("short", "HS256", "a secret"),
        ViewKey("no pem", "EdDSA", "planted-secret"),
        ViewKey("kind", "EdDSA", ES256.material),
        ViewKey("kind", "ES256", EDDSA.material),
    ],
)
def test_a_key_that_cannot_work_is_refused_without_showing_it(key: ViewKey) -> None:
    with pytest.raises(ConfigError) as refused:
        check_key(key)
    assert key.material not in str(refused.value)
    assert key.material not in repr(key)


def test_a_key_set_gives_the_keys_that_we_can_use(tmp_path: Path) -> None:
    records = [
        {**json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(_public(EDDSA))), "kid": "ed"},
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(_public(ES256))), "kid": "es"},
        {"kty": "oct", "kid": "hs", "k": "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBjaGFyYWN0ZXJz"},
        {"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "kid": "enc", "use": "enc", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "kid": "off the curve", "x": "AA", "y": "AA"},
        "nonsense",
    ]
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": records}))
    found = fetch_key_set(str(file))
    assert [key.id for key in found] == ["ed", "es", "hs"]
    judge = ViewTokens(AccessRules(), found)
    for key in (EDDSA, ES256):
        assert judge.verify(token(key), NOW).covers("live/a")
    public = read_key_set(file.read_bytes(), allow_secrets=False)
    assert [key.id for key in public] == ["ed", "es"]


def _public(key: ViewKey) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    return load_pem_public_key(public_pem(key).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"keys": 1}', b"\xff", b" " * MAX_SET_BYTES])
def test_what_is_no_key_set_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(data + b" ")
    with pytest.raises(ConfigError, match=r"view\.jwks"):
        fetch_key_set(str(file))


def test_the_most_specific_pattern_says_whether_a_path_is_open() -> None:
    policy = ViewPolicy(AccessRules((("*", "token"), ("live/*", "open"), ("live/vip", "token"))))
    assert [policy.is_open(p) for p in ("live/a", "live/vip", "else")] == [True, False, False]
    assert ViewPolicy(AccessRules((("live/*", "open"),))).all_open
