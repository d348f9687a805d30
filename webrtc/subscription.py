"""What a viewer's offer is answered with (WHEP): one video and one audio that we send, sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segmenter.media import Codec, MediaType, Track
from webrtc.answer import CHANNEL, REJECTED, AnsweredMedia, render_parameters
from webrtc.errors import NoCommonCodec, UnacceptableOffer
from webrtc.ice import RandomBytes
from webrtc.negotiation import (
    ABS_SEND_TIME,
    MID,
    REMB,
    TRANSPORT_CC,
    TRANSPORT_WIDE,
    Fit,
    choose_codec,
    choose_estimation,
    choose_extensions,
    choose_feedback,
    codec_of,
    fit,
)
from webrtc.offer import Offer, OfferedCodec, OfferedMedia
from webrtc.viewer_settings import MAX_MID_BYTES, Kind, StreamSettings

_KINDS: dict[str, Kind] = {"video": "video", "audio": "audio"}

_ESTIMATIONS = (TRANSPORT_WIDE, REMB)
"""A viewer's REMB would cost a fifth of its transport-wide reports, which the fan-out reads in a
microsecond each; but it never says more than 1.5 times what is sent, and begins near 300 kb/s.
Sound goes along with the picture, so that all packets of a viewer are counted as one stream."""

_MAX_FMTP_CHARACTERS = 512
_SCTP = ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP")


@dataclass(frozen=True, slots=True)
class SendPlan:
    """One stream that we shall send, and what may be sent on it."""

    kind: Kind
    codec: OfferedCodec
    worst: Fit
    settings: StreamSettings

    def suits(self, track: Track) -> bool:
        """Whether the track may be sent with the negotiated payload type."""
        suits = fit(track, self.codec)
        return suits is not None and suits <= self.worst


def check_transport(offer: Offer, accepted: Sequence[OfferedMedia]) -> None:
    """One bundle, one transport, RTCP on it: we have no other. Raises UnacceptableOffer."""
    if offer.is_lite:
        raise UnacceptableOffer("both sides are ICE lite, so nobody would check")
    if not all(each.has_rtcp_mux for each in accepted if each.kind in _KINDS):
        raise UnacceptableOffer("the offer lacks a=rtcp-mux")
    if len(accepted) > 1 and not all(each.mid in offer.bundle for each in accepted):
        raise UnacceptableOffer("the offer does not bundle its media (a=group:BUNDLE)")


def answer_subscription(
    offer: Offer, tracks: Sequence[Track], random_bytes: RandomBytes, *, worst: Fit
) -> tuple[list[AnsweredMedia], list[SendPlan]]:
    """What to say to each m-section, and what to send.

    Audio is agreed on when the path has any, even if its only audio is AAC: an Opus rendition may
    begin later. Who wants pictures is not fobbed off with sound: NoCommonCodec, as where nothing
    fits. Raises UnacceptableOffer, too.
    """
    wanting = [each for each in offer.media if _wants(each)]
    if not wanting:
        raise UnacceptableOffer("the offer has no audio or video that it would receive")
    chosen: dict[str, tuple[OfferedMedia, OfferedCodec, Fit]] = {}
    for media in wanting:
        found = None if media.kind in chosen else _choose(media, tracks, worst)
        if found is not None:
            chosen[media.kind] = (media, *found)
    video = chosen.get("video")
    estimation = choose_estimation(video[0], video[1], _ESTIMATIONS) if video else ""
    answers: list[AnsweredMedia] = []
    plans: list[SendPlan] = []
    channel = next((each for each in offer.media if _is_channel(each, offer)), None)
    for media in offer.media:
        if media is channel:
            answers.append(AnsweredMedia(media, CHANNEL))
            continue
        accepted = chosen.get(media.kind)
        if accepted is None or accepted[0] is not media:
            answers.append(_refuse(media))
            continue
        answered, plan = accept_media(*accepted, estimation, tracks, random_bytes)
        answers.append(answered)
        plans.append(plan)
    if not plans or (video is None and _wants_pictures_of(wanting, tracks)):
        raise NoCommonCodec(
            "the offer has no codec of this stream",
            value=sorted({track.codec.value for track in tracks}),
        )
    check_transport(offer, [each.offered for each in answers if each.direction != REJECTED])
    return answers, plans


def _wants_pictures_of(wanting: Sequence[OfferedMedia], tracks: Sequence[Track]) -> bool:
    """Whether there are pictures that the viewer would receive if it took their codec."""
    has_video = any(track.media_type is MediaType.VIDEO for track in tracks)
    return has_video and any(media.kind == "video" for media in wanting)


def _is_channel(media: OfferedMedia, offer: Offer) -> bool:
    """Whether it is an association for data channels that we can have (RFC 8841)."""
    return (
        media.kind == "application"
        and media.protocol in _SCTP
        and "webrtc-datachannel" in media.formats
        and 0 < media.sctp_port < 1 << 16
        and not media.is_rejected
        and media.mid in offer.bundle
    )


def wanted_kinds(offer: Offer) -> frozenset[Kind]:
    """What the viewer would receive, whether or not there is any."""
    return frozenset(_KINDS[media.kind] for media in offer.media if _wants(media))


def _wants(media: OfferedMedia) -> bool:
    is_open = not media.is_rejected and media.direction in ("recvonly", "sendrecv")
    return is_open and media.kind in _KINDS and "SAVPF" in media.protocol


def _choose(
    media: OfferedMedia, tracks: Sequence[Track], worst: Fit
) -> tuple[OfferedCodec, Fit] | None:
    kind = MediaType(media.kind)
    of_kind = [track for track in tracks if track.media_type is kind]
    chosen = choose_codec(of_kind, media, worst)
    if chosen is None and kind is MediaType.AUDIO and of_kind:
        opus = next((each for each in media.codecs if codec_of(each) is Codec.OPUS), None)
        return None if opus is None else (opus, worst)
    return chosen


def _refuse(media: OfferedMedia) -> AnsweredMedia:
    """Inactive keeps the section for later; it needs a codec that both know."""
    codec = next((each for each in media.codecs if codec_of(each) is not None), None)
    if codec is None or media.is_rejected or media.kind not in _KINDS or not media.has_rtcp_mux:
        return AnsweredMedia(media, REJECTED)
    return AnsweredMedia(media, "inactive", codec, answer_parameters(codec))


def accept_media(
    media: OfferedMedia,
    codec: OfferedCodec,
    worst: Fit,
    estimation: str,
    tracks: Sequence[Track],
    random_bytes: RandomBytes,
) -> tuple[AnsweredMedia, SendPlan]:
    """What is said of a section that we send, and its plan."""
    feedback = choose_feedback(media, codec, estimation)
    extensions = choose_extensions(media, feedback)
    if not 0 < len(media.mid.encode()) <= MAX_MID_BYTES:
        extensions.pop(MID, None)
    parameters = answer_parameters(codec)
    if codec.name == "OPUS" and any(t.codec is Codec.OPUS and t.channels == 2 for t in tracks):
        parameters += ";stereo=1;sprop-stereo=1"  # RFC 7587 7.1: else players may mix to one
    settings = _stream_settings(media, codec, extensions, random_bytes)
    answered = AnsweredMedia(
        media, "sendonly", codec, parameters, feedback, extensions, settings.ssrc, settings.rtx_ssrc
    )
    return answered, SendPlan(_KINDS[media.kind], codec, worst, settings)


def answer_parameters(codec: OfferedCodec) -> str:
    """What a=fmtp of the answer says."""
    if codec.name == "OPUS":
        return "minptime=10;useinbandfec=1"
    parameters = render_parameters(codec)
    return parameters if len(parameters) <= _MAX_FMTP_CHARACTERS else ""


def _stream_settings(
    media: OfferedMedia,
    codec: OfferedCodec,
    extensions: dict[str, int],
    random_bytes: RandomBytes,
) -> StreamSettings:
    rtx = codec.rtx_payload_type
    return StreamSettings(
        ssrc=_random_ssrc(random_bytes),
        payload_type=codec.payload_type,
        clock_rate=codec.clock_rate,
        rtx_ssrc=_random_ssrc(random_bytes) if rtx is not None else 0,
        rtx_payload_type=rtx or 0,
        mid=media.mid.encode() if MID in extensions else b"",
        mid_extension=extensions.get(MID, 0),
        abs_send_time_extension=extensions.get(ABS_SEND_TIME, 0),
        transport_cc_extension=extensions.get(TRANSPORT_CC, 0),
        first_sequence=_random(random_bytes, 2) >> 1,
        rtx_first_sequence=_random(random_bytes, 2) >> 1,
        timestamp_offset=_random(random_bytes, 4),
    )


def _random(random_bytes: RandomBytes, size: int) -> int:
    return int.from_bytes(random_bytes(size), "big")


def _random_ssrc(random_bytes: RandomBytes) -> int:
    return _random(random_bytes, 4) or 1
