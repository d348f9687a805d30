from __future__ import annotations

from webrtc import stun
from webrtc.flow_table import MAX_FLOWS_PER_ENDPOINT, FlowTable
from webrtc.ice import Flow
from webrtc.stun import StunMessage


class Peer:
    """An endpoint that trusts every check, and writes down what it is given."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Flow]] = []
        self.forgotten: list[Flow] = []

    def receive_stun(self, message: StunMessage, flow: Flow, now: float) -> bool:
        self.taken.append(("stun", flow))
        return message.is_from("password")

    def receive_dtls(self, datagram: bytes, flow: Flow, now: float) -> None:
        self.taken.append(("dtls", flow))

    def receive_media(self, datagram: bytes, flow: Flow, now: float) -> None:
        self.taken.append(("media", flow))

    def forget_flow(self, flow: Flow) -> None:
        self.forgotten.append(flow)


DTLS, RTP = bytes([22, 1]), bytes([128, 96])


def check(ufrag: str, password: str = "password") -> bytes:
    username = (stun.USERNAME, f"{ufrag}:x".encode())
    return stun.render_stun(stun.BINDING_REQUEST, bytes(12), [username], password=password)


def flow(port: int) -> Flow:
    return Flow(0, "192.0.2.7", port)


def table_with(*ufrags: str) -> tuple[FlowTable, list[Peer]]:
    table, peers = FlowTable(), [Peer() for _ in ufrags]
    for ufrag, peer in zip(ufrags, peers, strict=True):
        table.set_ufrags([ufrag], peer)
    return table, peers


def test_checks_go_by_fragment_and_then_everything_by_flow() -> None:
    table, (one, two) = table_with("one", "two")
    table.receive(check("one"), flow(1), 0.0)
    table.receive(check("two"), flow(2), 0.0)
    for port in (1, 2):
        table.receive(DTLS, flow(port), 0.0)
        table.receive(RTP, flow(port), 0.0)
    assert one.taken == [(kind, flow(1)) for kind in ("stun", "dtls", "media")]
    assert two.taken == [(kind, flow(2)) for kind in ("stun", "dtls", "media")]
    assert table.dropped == 0


def test_what_is_nobodys_is_dropped_and_counted() -> None:
    table, (one,) = table_with("one")
    table.receive(check("one", "wrong"), flow(1), 0.0)
    for datagram in (b"", DTLS, RTP, b"\x47\0", check("other"), b"\0\1broken"):
        table.receive(datagram, flow(1), 0.0)
    assert one.taken == [("stun", flow(1))]
    assert table.dropped == 6


def test_a_flow_may_change_hands() -> None:
    table, (one, two) = table_with("one", "two")
    table.receive(check("one"), flow(1), 0.0)
    table.receive(check("two"), flow(1), 0.0)
    assert table.endpoint_of(flow(1)) is two
    assert one.forgotten == [flow(1)]


def test_an_endpoints_flows_are_bounded_and_the_oldest_goes() -> None:
    table, (one,) = table_with("one")
    for port in range(1, MAX_FLOWS_PER_ENDPOINT + 2):
        table.receive(check("one"), flow(port), 0.0)
    assert one.forgotten == [flow(1)]
    assert table.endpoint_of(flow(1)) is None
    assert len(table) == 1 + MAX_FLOWS_PER_ENDPOINT


def test_a_restart_replaces_the_fragments() -> None:
    table, (one,) = table_with("one")
    table.set_ufrags(["one", "new"], one)
    table.receive(check("new"), flow(1), 0.0)
    table.set_ufrags(["new"], one)
    table.receive(check("one"), flow(1), 0.0)
    assert one.taken == [("stun", flow(1))]


def test_a_removed_endpoint_leaves_nothing_behind() -> None:
    table, (one,) = table_with("one")
    table.receive(check("one"), flow(1), 0.0)
    table.remove(one)
    assert len(table) == 0
    table.receive(check("one"), flow(1), 0.0)
    table.receive(RTP, flow(1), 0.0)
    assert one.taken == [("stun", flow(1))]
