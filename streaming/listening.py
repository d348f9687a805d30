"""The sockets that the origin listens on, and why that may be impossible."""

from __future__ import annotations

import socket

from streaming.config import WebrtcConfig
from streaming.errors import ConfigError

UDP_BUFFER_BYTES = 4 << 20
"""A key frame for a thousand viewers; Linux cuts it to net.core.wmem_max."""
LISTEN_BACKLOG = 4096
"""Viewers who come back together after a network fault; Linux cuts it to net.core.somaxconn."""


def listening_socket(listen: str, key: str) -> socket.socket:
    """A listening TCP socket for "host:port" or "[v6]:port".

    Raises ConfigError naming the configuration's `key` when that is impossible.
    """
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server(
            (host, int(port)),
            family=family,
            backlog=LISTEN_BACKLOG,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except (OSError, OverflowError) as error:
        raise ConfigError(f"{key} = {listen!r}: {reason(error)}") from error
    bound.setblocking(False)
    return bound


def webrtc_sockets(config: WebrtcConfig) -> tuple[list[socket.socket], list[socket.socket]]:
    """The UDP and TCP sockets of all peers. Raises ConfigError when one cannot be bound."""
    tcp = [listening_socket(config.listen, "webrtc.listen")] if config.tcp else []
    host, _, port = config.listen.rpartition(":")
    host = host.strip("[]")
    number = tcp[0].getsockname()[1] if tcp else int(port)
    udp: list[socket.socket] = []
    try:
        # Apart from each other, so that IPv4 peers keep their plain addresses.
        for each in (host, "0.0.0.0") if host == "::" else (host,):
            udp.append(udp_socket(each, number))
            number = udp[-1].getsockname()[1]
    except (OSError, OverflowError) as error:
        for one in (*udp, *tcp):
            one.close()
        raise ConfigError(f"webrtc.listen = {config.listen!r}: {reason(error)}") from error
    return udp, tcp


def udp_socket(host: str, port: int) -> socket.socket:
    """A bound UDP socket. Raises OSError."""
    udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        if udp.family is socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            udp.setsockopt(socket.SOL_SOCKET, option, UDP_BUFFER_BYTES)
        udp.bind((host, port))
    except BaseException:
        udp.close()
        raise
    return udp


def reason(error: Exception) -> str:
    """Why listening failed, without Python's own words around it."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
