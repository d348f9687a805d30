"""Ports of the system's choice on loopback."""

from __future__ import annotations

import socket

import pytest

from streaming.config import WebrtcConfig
from streaming.errors import ConfigError
from streaming.listening import listening_socket, udp_socket, webrtc_sockets


def port_of(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


@pytest.mark.parametrize(("listen", "host"), [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")])
def test_a_listening_socket_has_a_queue_and_never_blocks(listen: str, host: str) -> None:
    with listening_socket(listen, "http.listen") as bound:
        assert bound.getsockname()[0] == host
        assert not bound.getblocking()
        with pytest.raises(BlockingIOError):
            bound.accept()


def test_a_port_that_is_taken_is_told_of_with_its_key_and_the_systems_reason() -> None:
    with listening_socket("127.0.0.1:0", "http.listen") as bound:
        taken = f"127.0.0.1:{port_of(bound)}"
        with pytest.raises(ConfigError, match=r"http\.listen = .*: Address already in use"):
            listening_socket(taken, "http.listen")


def test_webrtc_has_one_port_for_udp_and_tcp() -> None:
    udp, tcp = webrtc_sockets(WebrtcConfig(listen="127.0.0.1:0", tcp=True))
    assert {port_of(bound) for bound in (*udp, *tcp)} == {port_of(tcp[0])}
    assert len(udp) == 1
    for bound in (*udp, *tcp):
        bound.close()


def test_ipv4_peers_keep_their_plain_addresses_where_webrtc_listens_everywhere() -> None:
    udp, tcp = webrtc_sockets(WebrtcConfig(listen="[::]:0", tcp=False))
    assert tcp == []
    assert [bound.family for bound in udp] == [socket.AF_INET6, socket.AF_INET]
    assert len({port_of(bound) for bound in udp}) == 1
    for bound in udp:
        bound.close()


def test_a_udp_port_that_is_taken_leaves_no_socket_behind() -> None:
    with listening_socket("127.0.0.1:0", "port") as nobodys:
        port = port_of(nobodys)
    with udp_socket("127.0.0.1", port):
        listen = f"127.0.0.1:{port}"
        with pytest.raises(ConfigError, match=r"webrtc\.listen"):
            webrtc_sockets(WebrtcConfig(listen=listen, tcp=True))
        listening_socket(listen, "webrtc.listen").close()
