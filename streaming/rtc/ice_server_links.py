"""Link header fields that tell clients of STUN and TURN servers (RFC 9725 4.6)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

from streaming.config import IceServerConfig

CREDENTIAL_S = 86_400
"""How long a made credential is good; TURN servers check it whenever an allocation is refreshed."""


def ice_server_links(servers: Sequence[IceServerConfig], user: str, now_utc: float) -> str:
    """One Link field for all servers; `user` tells sessions apart in the TURN server's log."""
    return ", ".join(_link(url, server, user, now_utc) for server in servers for url in server.urls)


def _link(url: str, server: IceServerConfig, user: str, now_utc: float) -> str:
    link = f'<{url}>; rel="ice-server"'
    if not url.startswith("turn"):
        return link
    username, credential = server.username, server.credential
    if server.secret:
        username, credential = made_credential(server.secret, user, now_utc)
    if not username:
        return link
    return f'{link}; username="{username}"; credential="{credential}"; credential-type="password"'


def made_credential(secret: str, user: str, now_utc: float) -> tuple[str, str]:
    """A time-limited user name and its password: the TURN REST scheme, coturn's use-auth-secret."""
    username = f"{int(now_utc) + CREDENTIAL_S}:{user}"
    digest = hmac.digest(secret.encode(), username.encode(), "sha1")
    return username, base64.b64encode(digest).decode()
