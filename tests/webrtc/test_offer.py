from __future__ import annotations

import pytest

from tests.webrtc.offers import offer
from webrtc.errors import MalformedSdp
from webrtc.offer import MAX_SDP_BYTES, parse_offer

WHEP = offer("chromium-whep")


def test_chromiums_offer_is_read() -> None:
    read = parse_offer(WHEP)
    video, audio = read.media
    assert (video.kind, video.mid, video.direction) == ("video", "0", "recvonly")
    assert (audio.kind, audio.mid, audio.direction) == ("audio", "1", "recvonly")
    assert read.bundle == ("0", "1")
    assert read.setup == "actpass"
    assert [each.algorithm for each in read.fingerprints] == ["sha-256"]
    assert len(read.ice.password) == 24
    assert not read.is_lite


def test_rtx_stands_with_its_codec() -> None:
    video = parse_offer(WHEP).media[0]
    h264 = next(codec for codec in video.codecs if codec.name == "H264")
    assert h264.parameters["packetization-mode"] == "1"
    assert h264.rtx_payload_type == h264.payload_type + 1
    assert {"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"} == set(h264.feedback)
    assert not any(codec.name == "RTX" for codec in video.codecs)


def test_names_that_multicast_dns_resolves_are_dropped() -> None:
    assert ".local" in WHEP
    assert parse_offer(WHEP).candidates == ()


def test_addresses_are_candidates_and_tcp_is_not() -> None:
    more = "a=candidate:1 1 udp 99 192.0.2.7 4711 typ host\r\n"
    more += "a=candidate:2 1 tcp 98 192.0.2.7 9 typ host tcptype active\r\n"
    (candidate,) = parse_offer(WHEP + more).candidates
    assert (candidate.host, candidate.port, candidate.priority) == ("192.0.2.7", 4711, 99)


def test_simulcast_layers_come_in_the_order_of_the_simulcast_line() -> None:
    text = offer("chromium-whip-simulcast")
    assert parse_offer(text).media[1].rids == ("h", "m", "l")
    turned = text.replace("a=simulcast:send h;m;l", "a=simulcast:send l;~m;h")
    assert parse_offer(turned).media[1].rids == ("l", "m", "h")


def test_an_offer_without_direction_is_sendrecv() -> None:
    text = WHEP.replace("a=recvonly\r\n", "")
    assert {media.direction for media in parse_offer(text).media} == {"sendrecv"}


def test_media_of_a_kind_that_we_do_not_know_are_read() -> None:
    text = WHEP + "m=text 9 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\na=mid:2\r\n"
    assert [media.kind for media in parse_offer(text).media] == ["video", "audio", "text"]


def test_data_channels_are_read() -> None:
    application = parse_offer(offer("aiortc-whep")).media[2]
    assert application.kind == "application"
    assert application.formats == ("webrtc-datachannel",)


@pytest.mark.parametrize(
    "added",
    [
        "a=fmtp:77 of-no-codec=1",
        "a=extmap:9 urn:x some extension attributes",
        "a=ssrc:1 cname",
        "a=rtcp:nonsense",
        "a=unheard-of",
        "a=" + "x" * 4_000,
        "b=AS:1000",
        "k=clear:x",
    ],
)
def test_lines_that_we_do_not_go_by_cost_nothing(added: str) -> None:
    assert parse_offer(f"{WHEP}{added}\r\n").media[0].codecs == parse_offer(WHEP).media[0].codecs


SHA = "a=fingerprint:sha-256"

WRONG = {
    "nothing": "",
    "not SDP": "hello",
    "no media": WHEP[: WHEP.index("m=")],
    "a megabyte": WHEP + "a=" + "x" * 1_000_000,
    "a long line": WHEP + "a=" + "x" * 5_000,
    "a million lines": WHEP + "a=\n" * 1_000_000,
    "many media": WHEP + "m=audio 9 RTP/AVP 0\r\n" * 40,
    "many formats": WHEP + "m=video 9 RTP/AVP" + " 96" * 1_000,
    "many candidates": WHEP + "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n" * 100,
    "wildcards": WHEP + "a=rtcp-fb:* nack\r\n" * 100,
    "a zero byte": WHEP.replace("a=mid:0", "a=mid:\0"),
    "an odd mid": WHEP.replace("a=mid:0", "a=mid:0 1"),
    "a mid twice": WHEP.replace("a=mid:1", "a=mid:0"),
    "a long mid": WHEP.replace("a=mid:0", "a=mid:" + "0" * 33),
    "no credentials": WHEP.replace("a=ice-ufrag", "a=x-ufrag"),
    "a short password": WHEP.replace("a=ice-pwd:", "a=ice-pwd:x\r\na=x:"),
    "no fingerprint": WHEP.replace("a=fingerprint", "a=x-fingerprint"),
    "sha-1": WHEP.replace("a=fingerprint:sha-256", "a=fingerprint:sha-1"),
    "half a fingerprint": WHEP.replace("a=fingerprint:sha-256 ", f"{SHA} AA:BB\r\na=x:"),
    "no hex": WHEP.replace("a=fingerprint:sha-256 ", f"{SHA} ZZ:"),
    "many fingerprints": WHEP.replace("a=mid:0\r\n", "a=mid:0\r\na=fingerprint:sha-999 AA\r\n" * 9),
    "no setup": WHEP.replace("a=setup", "a=x-setup"),
    "holdconn": WHEP.replace("a=setup:actpass", "a=setup:holdconn"),
    "a payload type of RTCP": WHEP + "m=audio 9 RTP/AVP 73\r\n",
    "a format that is no number": WHEP + "m=audio 9 RTP/AVP x\r\n",
    "a media line without formats": WHEP + "m=audio 9 RTP/AVP\r\n",
    "many rids": WHEP + "".join(f"a=rid:x{n} send\r\n" for n in range(9)),
    "an odd candidate": WHEP + "a=candidate:x\r\n",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_an_odd_offer_is_malformed(text: str) -> None:
    with pytest.raises(MalformedSdp) as refusal:
        parse_offer(text)
    assert not str(refusal.value).rstrip().endswith(":"), "it says why"


def test_the_size_that_is_read_is_bounded() -> None:
    with pytest.raises(MalformedSdp, match="bytes of SDP"):
        parse_offer("v=0\r\n" * MAX_SDP_BYTES)


def test_cut_anywhere_an_offer_is_read_or_malformed() -> None:
    for end in range(0, len(WHEP), 7):
        try:
            parse_offer(WHEP[:end])
        except MalformedSdp:
            continue


def test_viewers_that_offer_the_same_codecs_share_them() -> None:
    first, second = parse_offer(offer("chromium-whep")), parse_offer(offer("chromium-whep"))
    pairs = zip(first.media[0].codecs, second.media[0].codecs, strict=True)
    assert all(one is other for one, other in pairs)
