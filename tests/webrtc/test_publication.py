from __future__ import annotations

import pytest

from segmenter.media import Codec, MediaType
from tests.webrtc.offers import offer
from webrtc.answer import REJECTED
from webrtc.errors import NoCommonCodec, UnacceptableOffer
from webrtc.negotiation import MID, RID, TRANSPORT_CC
from webrtc.offer import parse_offer
from webrtc.publication import ReceivePlan, answer_publication

WHIP = offer("chromium-whip-simulcast")


def plans(text: str, max_layers: int = 3) -> dict[MediaType, ReceivePlan]:
    _, made = answer_publication(parse_offer(text), max_layers=max_layers)
    return {plan.kind: plan for plan in made}


def test_chromium_is_to_send_h264_and_opus_though_it_offers_vp8_first() -> None:
    made = plans(WHIP)
    assert made[MediaType.VIDEO].codec is Codec.H264
    assert made[MediaType.VIDEO].rtx_payload_type == made[MediaType.VIDEO].payload_type + 1
    assert made[MediaType.AUDIO].codec is Codec.OPUS
    assert {MID, RID, TRANSPORT_CC} <= made[MediaType.VIDEO].extensions.keys()
    assert made[MediaType.VIDEO].may_nack


def test_the_answer_receives_the_layers_that_are_asked_for() -> None:
    for layers, rids in ((3, ("h", "m", "l")), (1, ("h",))):
        answers, _ = answer_publication(parse_offer(WHIP), max_layers=layers)
        assert [each.direction for each in answers] == ["recvonly", "recvonly"]
        assert answers[1].rids == rids


def test_congestion_is_told_packet_by_packet_where_that_is_offered() -> None:
    answers, _ = answer_publication(parse_offer(WHIP), max_layers=1)
    assert answers[1].feedback == ("nack", "nack pli", "ccm fir", "transport-cc")
    answers, _ = answer_publication(parse_offer(WHIP.replace("transport-cc", "x-cc")), max_layers=1)
    assert answers[1].feedback[-1] == "goog-remb"


def test_without_h264_the_next_codec_that_we_package_is_taken() -> None:
    assert plans(WHIP.replace("H264", "x264"))[MediaType.VIDEO].codec is Codec.AV1


def test_vp8_is_taken_where_nothing_better_is_offered() -> None:
    text = WHIP
    for name in ("H264", "H265", "AV1", "VP9"):
        text = text.replace(f" {name}/", f" x-{name}/")
    assert plans(text)[MediaType.VIDEO].codec is Codec.VP8


def test_sound_is_wanted_in_short_packets_so_that_its_picture_need_not_wait_for_it() -> None:
    answers, _ = answer_publication(parse_offer(WHIP), max_layers=1)
    assert [(each.offered.kind, each.packet_ms) for each in answers] == [
        ("audio", 10),
        ("video", 0),
    ]


def test_sound_alone_is_a_publication() -> None:
    without_picture = WHIP[: WHIP.index("m=video")].replace("BUNDLE 0 1", "BUNDLE 0")
    assert list(plans(without_picture)) == [MediaType.AUDIO]


@pytest.mark.parametrize("name", ["opus", "H264"])
def test_an_offer_of_which_we_cannot_take_all_is_refused_whole(name: str) -> None:
    """RFC 9725 4.4.3: the picture alone would mislead who sends sound, too."""
    text = WHIP
    for codec in [name] if name == "opus" else ["H264", "H265", "AV1", "VP9", "VP8"]:
        text = text.replace(f" {codec}/", f" x-{codec}/")
    taken = r"audio .*\(OPUS\)" if name == "opus" else r"video .*\(H264, H265, AV1, VP9, VP8\)"
    with pytest.raises(UnacceptableOffer, match=taken):
        plans(text)


def test_two_pictures_are_refused() -> None:
    """RFC 9725 4.4.2: who publishes camera and screen would lose one of them without a word."""
    second = WHIP[WHIP.index("m=video") :].replace("a=mid:1", "a=mid:2")
    text = WHIP.replace("BUNDLE 0 1", "BUNDLE 0 1 2") + second
    with pytest.raises(UnacceptableOffer, match="one video"):
        plans(text)


def test_what_the_publisher_would_not_send_is_none_of_its_media() -> None:
    second = WHIP[WHIP.index("m=video") :].replace("a=mid:1", "a=mid:2")
    text = WHIP.replace("BUNDLE 0 1", "BUNDLE 0 1 2") + second.replace("a=sendonly", "a=inactive")
    answers, _ = answer_publication(parse_offer(text), max_layers=1)
    assert [each.direction for each in answers] == ["recvonly", "recvonly", REJECTED]


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_an_offer_that_would_not_send_is_refused(direction: str) -> None:
    with pytest.raises(UnacceptableOffer):
        plans(WHIP.replace("a=sendonly", f"a={direction}"))


def test_an_offer_without_a_codec_of_ours_is_not_acceptable() -> None:
    text = WHIP
    for name in ("H264", "AV1", "VP8", "VP9", "opus"):
        text = text.replace(f" {name}/", f" x-{name}/")
    with pytest.raises(NoCommonCodec):
        plans(text)
