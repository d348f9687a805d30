"""How clients are told of STUN and TURN servers (RFC 9725 4.6)."""

from __future__ import annotations

import base64
import hashlib
import hmac

from streaming.config import IceServerConfig
from streaming.rtc.ice_server_links import CREDENTIAL_S, ice_server_links, made_credential


def test_a_stun_server_needs_no_credential() -> None:
    stun = IceServerConfig(("stun:stun.example.org:3478",), username="u", credential="c")
    assert ice_server_links([stun], "abc", 0.0) == '<stun:stun.example.org:3478>; rel="ice-server"'


def test_fixed_credentials_are_told_as_they_are() -> None:
    turn = IceServerConfig(("turn:t:3478", "turns:t:5349"), username="u", credential="c")
    fields = 'rel="ice-server"; username="u"; credential="c"; credential-type="password"'
    assert (
        ice_server_links([turn], "abc", 0.0) == f"<turn:t:3478>; {fields}, <turns:t:5349>; {fields}"
    )


def test_a_made_credential_is_what_a_turn_server_computes_from_the_secret() -> None:
    username, password = made_credential("secret", "abc", 1_000.5)
    assert username == f"{1_000 + CREDENTIAL_S}:abc"
    expected = hmac.new(b"secret", username.encode(), hashlib.sha1).digest()
    assert base64.b64decode(password) == expected


def test_no_servers_are_no_field() -> None:
    assert ice_server_links([], "abc", 0.0) == ""
