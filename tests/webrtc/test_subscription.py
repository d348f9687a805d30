from __future__ import annotations

import dataclasses
import itertools

import pytest
from aiortc.sdp import SessionDescription

from segmenter.media import Codec, Track
from tests.conftest import Golden
from tests.segmenter.stage import AUDIO, SOURCE
from tests.webrtc.offers import offer
from webrtc.answer import REJECTED, AnsweredMedia, TransportAnswer, render_answer
from webrtc.dtls import Certificate
from webrtc.errors import NoCommonCodec, UnacceptableOffer
from webrtc.ice import IceCredentials, host_candidate
from webrtc.negotiation import Fit
from webrtc.offer import parse_offer
from webrtc.subscription import SendPlan, answer_subscription

WHEP = offer("chromium-whep")

OPUS = Track("opus", Codec.OPUS, 48_000, b"", sample_rate=48_000, channels=2)
HIGH = dataclasses.replace(SOURCE, name="high", codec_config=bytes.fromhex("0164001f"))
MAIN = dataclasses.replace(SOURCE, name="main", codec_config=bytes.fromhex("014d001f"))
HEVC = dataclasses.replace(SOURCE, name="hevc", codec=Codec.H265, codec_config=b"")


def dice(seed: int = 1) -> object:
    counter = itertools.count(seed)
    return lambda size: next(counter).to_bytes(size, "big")


def answer(
    text: str, *tracks: Track, worst: Fit = Fit.TOLERATED
) -> tuple[list[AnsweredMedia], list[SendPlan]]:
    return answer_subscription(parse_offer(text), tracks, dice(), worst=worst)  # type: ignore[arg-type]


def profile(media: AnsweredMedia) -> str:
    assert media.codec is not None
    return media.codec.parameters["profile-level-id"]


def test_chromium_is_sent_picture_and_sound() -> None:
    (video, audio), plans = answer(WHEP, SOURCE, OPUS)
    assert (video.direction, audio.direction) == ("sendonly", "sendonly")
    assert [plan.kind for plan in plans] == ["video", "audio"]
    assert plans[0].settings.clock_rate == 90_000
    assert plans[1].settings.clock_rate == 48_000
    assert plans[0].settings.mid == b"0"
    assert len({video.ssrc, video.rtx_ssrc, audio.ssrc}) == 3


def test_the_payload_type_is_of_the_tracks_profile() -> None:
    for track, expected in ((SOURCE, "42e01f"), (MAIN, "4d001f")):
        (video, _), _ = answer(WHEP, track)
        assert profile(video) == expected


def test_a_profile_that_includes_the_tracks_will_do() -> None:
    text = WHEP.replace("42e01f", "4d001f").replace("42001f", "4d001f")
    (video, _), plans = answer(text, SOURCE, worst=Fit.INCLUDED)
    assert profile(video) == "4d001f"
    assert plans[0].suits(SOURCE)
    assert not plans[0].suits(HIGH)


def test_of_two_payload_types_the_one_that_fits_more_renditions_is_taken() -> None:
    (video, _), (plan,) = answer(WHEP, SOURCE, MAIN)
    assert profile(video) == "4d001f"
    assert plan.suits(SOURCE)
    assert plan.suits(MAIN)
    assert not plan.suits(HIGH)


def test_a_rendition_of_another_profile_is_better_than_none_to_choose_from() -> None:
    _, (plan,) = answer(WHEP, SOURCE, HIGH)
    assert plan.suits(SOURCE)
    assert plan.suits(HIGH)


def test_another_profile_is_tolerated_or_refused_as_asked() -> None:
    low = WHEP.replace("64001f", "42e01f").replace("4d001f", "42e01f").replace("f4001f", "42e01f")
    (video, _), plans = answer(low, HIGH)
    assert profile(video) in ("42e01f", "42001f")
    assert plans[0].suits(HIGH)
    with pytest.raises(NoCommonCodec):
        answer(low, HIGH, worst=Fit.INCLUDED)


def test_only_packets_that_can_be_fragmented_are_agreed_on() -> None:
    text = WHEP.replace("packetization-mode=1", "packetization-mode=0")
    with pytest.raises(NoCommonCodec):
        answer(text, SOURCE)


def test_sound_is_agreed_on_when_it_may_become_opus() -> None:
    (_, audio), plans = answer(WHEP, SOURCE, AUDIO)
    assert audio.direction == "sendonly"
    assert not plans[1].suits(AUDIO)
    assert plans[1].suits(OPUS)


def test_who_wants_pictures_and_takes_none_of_their_codecs_is_not_fobbed_off_with_sound() -> None:
    text = WHEP.replace("H264/90000", "H263/90000")
    with pytest.raises(NoCommonCodec):
        answer(text, SOURCE, OPUS)
    _, (plan,) = answer(text, OPUS)
    assert plan.kind == "audio", "there are no pictures"


def test_what_there_is_not_is_inactive() -> None:
    (_, audio), plans = answer(WHEP, SOURCE)
    assert audio.direction == "inactive"
    assert [plan.kind for plan in plans] == ["video"]


def test_what_no_codec_is_known_for_is_rejected() -> None:
    text = WHEP + "m=text 9 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\na=mid:2\r\n"
    answers, _ = answer(text, SOURCE, OPUS)
    assert answers[2].direction == REJECTED


def test_a_rejected_section_has_a_transport_too_for_gstreamer_wants_one() -> None:
    text = WHEP + "m=text 9 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\na=mid:2\r\n"
    section = rendered(text, SOURCE, OPUS).split("m=text")[1]
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        assert f"a={name}:" in section


def test_opus_of_gstreamer_may_lack_its_channels() -> None:
    (_, audio), plans = answer(WHEP.replace("opus/48000/2", "OPUS/48000"), SOURCE, OPUS)
    assert audio.direction == "sendonly"
    assert plans[1].suits(OPUS)


def test_bandwidth_is_told_by_transport_wide_feedback_and_else_by_remb() -> None:
    (video, audio), plans = answer(WHEP, SOURCE, OPUS)
    assert (video.feedback[-1], audio.feedback) == ("transport-cc", ("transport-cc",))
    assert video.feedback == ("nack", "nack pli", "ccm fir", "transport-cc")
    assert all(plan.settings.transport_cc_extension for plan in plans)
    assert not any(plan.settings.abs_send_time_extension for plan in plans)
    (video, audio), plans = answer(WHEP.replace("transport-cc", "x-cc"), SOURCE, OPUS)
    assert (video.feedback[-1], audio.feedback) == ("goog-remb", ())
    assert plans[0].settings.abs_send_time_extension
    assert not plans[0].settings.transport_cc_extension


def test_without_rtx_there_is_no_rtx() -> None:
    (video, _), plans = answer(WHEP.replace(" rtx/90000", " x-rtx/90000"), SOURCE)
    assert video.rtx_ssrc == 0
    assert plans[0].settings.rtx_payload_type == 0


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
def test_an_offer_that_would_not_receive_is_refused(direction: str) -> None:
    with pytest.raises(UnacceptableOffer):
        answer(WHEP.replace("a=recvonly", f"a={direction}"), SOURCE)


@pytest.mark.parametrize(
    "change",
    [("a=rtcp-mux", "a=x"), ("a=group:BUNDLE 0 1", "a=x:"), ("a=group", "a=ice-lite\r\na=group")],
    ids=["no rtcp-mux", "no bundle", "lite"],
)
def test_a_transport_that_we_do_not_have_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(UnacceptableOffer):
        answer(WHEP.replace(*change), SOURCE, OPUS)


def test_one_kind_is_sent_once() -> None:
    text = WHEP + WHEP[WHEP.index("m=video") : WHEP.index("m=audio")].replace("mid:0", "mid:2")
    text = text.replace("BUNDLE 0 1", "BUNDLE 0 1 2")
    answers, plans = answer(text, SOURCE, OPUS)
    assert answers[2].direction == "inactive"
    assert [plan.kind for plan in plans] == ["video", "audio"]


def rendered(text: str, *tracks: Track) -> str:
    answers, _ = answer(text, *tracks)
    transport = TransportAnswer(
        IceCredentials("ufrag/+1", "p" * 24),
        True,
        (host_candidate("192.0.2.1", 8189, rank=0),
         host_candidate("192.0.2.1", 8189, rank=0, transport="tcp")),
        Certificate.generateCertificate().getFingerprints()[0],
        "passive",
    )  # fmt: skip
    sdp = render_answer(7, transport, answers, cname="cname")
    lines = ("a=fingerprint:sha-256 AA" if "fingerprint" in line else line
             for line in sdp.split("\r\n"))  # fmt: skip
    return "\r\n".join(lines)


def test_the_answer_to_chromium(golden: Golden) -> None:
    golden("webrtc/answer-to-chromium.sdp", rendered(WHEP, SOURCE, OPUS))


def test_another_implementation_reads_the_answer() -> None:
    read = SessionDescription.parse(rendered(offer("aiortc-whep"), SOURCE, OPUS))
    video, audio, data = read.media
    assert [codec.name for codec in video.rtp.codecs] == ["H264", "rtx"]
    assert [codec.name for codec in audio.rtp.codecs] == ["opus"]
    assert video.ice.iceLite
    assert [each.protocol for each in video.ice_candidates] == ["udp", "tcp"]
    assert (data.port, data.sctp_port, data.fmt) == (9, 5000, ["webrtc-datachannel"])
    assert [str(group) for group in read.group] == ["BUNDLE 0 1 2"]
