"""Fuzz targets of the peers: STUN and SDP of strangers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from aiortc import RTCDtlsFingerprint
from aiortc.sdp import SessionDescription

from segmenter.media import Codec
from tests.segmenter.stage import SOURCE
from tests.webrtc.offers import offer
from tests.webrtc.packets import packets_of, render
from tests.webrtc.test_depacketizer import clip_of
from tests.webrtc.test_stun import RFC_ANSWER, RFC_REQUEST
from tests.webrtc.test_subscription import OPUS
from webrtc import stun
from webrtc.answer import TransportAnswer, render_answer
from webrtc.depacketizer import AccessUnits
from webrtc.errors import MediaPacketError
from webrtc.fragment import parse_fragment
from webrtc.ice import IceCredentials, host_candidate
from webrtc.jitter_buffer import JitterBuffer
from webrtc.negotiation import Fit
from webrtc.offer import parse_offer
from webrtc.publication import answer_publication
from webrtc.publisher_rtcp import parse_sender_reports
from webrtc.reference_time import read_round_trip_s
from webrtc.rtcp import render_sender_report
from webrtc.rtp_packet import RtpPacket, parse_rtp
from webrtc.subscription import answer_subscription


def fuzz_stun(data: bytes) -> None:
    """One datagram; what could be read can be answered, and the answer read."""
    message = stun.parse_stun(data)
    message.is_from("password")
    stun.read_xor_address(message)
    assert message.error_code >= 0
    answer = stun.render_error(message, stun.UNKNOWN_ATTRIBUTE, "password")
    assert stun.parse_stun(answer).is_from("password")


def fuzz_offer(data: bytes) -> None:
    """A viewer's or publisher's offer; what is answered can be read as an offer's answer is."""
    offer = parse_offer(data.decode("utf-8", "replace"))
    if any(media.direction == "sendonly" for media in offer.media):
        answers, _ = answer_publication(offer, max_layers=3)
    else:
        answers, _ = answer_subscription(offer, (SOURCE, OPUS), _zeros, worst=Fit.TOLERATED)
    sdp = render_answer(1, _TRANSPORT, answers, cname="cname")
    if len(data) % 4 == 0:  # it costs as much as all the rest
        assert len(SessionDescription.parse(sdp).media) == len(offer.media)
    assert not set(sdp) & set("\0\x0b\x0c\u2028"), "nothing of an offer breaks our lines"


def fuzz_fragment(data: bytes) -> None:
    """What a PATCH brings."""
    parse_fragment(data.decode("utf-8", "replace"))


def fuzz_depacketizers(data: bytes) -> None:
    """Packets behind 2-byte lengths, which may be cut, as each codec: never an error, and all that
    comes out is canonical."""
    for codec in (Codec.H264, Codec.H265, Codec.AV1, Codec.VP8, Codec.VP9, Codec.OPUS):
        buffer, units = JitterBuffer(0.1), AccessUnits(codec, "t")
        for at, raw in enumerate(_pieces(data)):
            with suppress(MediaPacketError):
                for arrived in buffer.push(parse_rtp(raw), at / 100):
                    for unit in units.push(arrived):
                        assert units.track is not None
                        assert unit.data


def fuzz_publisher_rtcp(data: bytes) -> None:
    """A publisher's compound packet."""
    parse_sender_reports(data)
    for now in (1.5, 1e9):
        rtt_s = read_round_trip_s(data, 1, now)
        assert rtt_s is None or 0 <= rtt_s < 32


def _pieces(data: bytes) -> Iterator[bytes]:
    position = 0
    while position + 2 <= len(data):
        size = int.from_bytes(data[position : position + 2], "big")
        yield data[position + 2 : position + 2 + size]
        position += 2 + size


def _framed(packets: Iterable[RtpPacket]) -> bytes:
    raw = [render(packet) for packet in packets]
    return b"".join(len(each).to_bytes(2, "big") + each for each in raw)


def _lean(text: str) -> bytes:
    """A browser's offer with few codecs: of thirty each is read as another is, and takes time."""
    lines = [line for line in text.splitlines(keepends=True) if not _OF_MANY.match(line)]
    return "".join(lines).encode()


_OF_MANY = re.compile(r"a=(rtpmap|fmtp|rtcp-fb):(3[5-9]|4\d|10[01489]|11[4-8]|107|0|8|9|13) ")


def _zeros(size: int) -> bytes:
    return bytes(size - 1) + b"\1"


_TRANSPORT = TransportAnswer(
    IceCredentials("ufrag", "p" * 22),
    True,
    (host_candidate("192.0.2.1", 8189, rank=0),),
    RTCDtlsFingerprint("sha-256", ":".join(["AA"] * 32)),
    "passive",
)

TARGETS: dict[str, Callable[[bytes], None]] = {
    "stun": fuzz_stun,
    "sdp-offer": fuzz_offer,
    "sdp-fragment": fuzz_fragment,
    "depacketizers": fuzz_depacketizers,
    "publisher-rtcp": fuzz_publisher_rtcp,
}
TEXTS = ("sdp-offer", "sdp-fragment")
SEEDS = {
    "stun": (RFC_REQUEST, RFC_ANSWER),
    "sdp-offer": (
        offer("aiortc-whep").encode(),
        *(_lean(offer(name)) for name in ("chromium-whep", "chromium-whip-simulcast")),
    ),
    "sdp-fragment": (
        b"a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\nm=audio 9 RTP/AVP 0\r\n"
        b"a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n",
    ),
    "depacketizers": tuple(
        _framed(packets_of(clip_of(codec)[2][:3]))
        for codec in (Codec.H264, Codec.AV1, Codec.VP8, Codec.VP9)
    ),
    "publisher-rtcp": (
        render_sender_report(1, "cname", 1, 2, 3, 4),
        bytes.fromhex("80cf0005 00000007 05000003 00000001 7e918000 00000100"),
    ),
}
