"""What a publisher's offer is answered with (WHIP): one video and one audio that we receive.

Of a simulcast offer the layers are all accepted, best first, up to the number that is asked for.
Sans-IO.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segmenter.media import Codec, MediaType
from webrtc.answer import REJECTED, AnsweredMedia
from webrtc.errors import NoCommonCodec, UnacceptableOffer
from webrtc.negotiation import (
    CODEC_NAMES,
    MID,
    REMB,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    TRANSPORT_WIDE,
    choose_estimation,
    choose_extensions,
    choose_feedback,
    codec_of,
)
from webrtc.offer import Offer, OfferedCodec, OfferedMedia
from webrtc.subscription import answer_parameters, check_transport

PREFERRED_CODECS = (Codec.H264, Codec.H265, Codec.AV1, Codec.VP9, Codec.VP8, Codec.OPUS)
"""H.264 first: every player of every protocol takes it as it is. Browsers would rather send VP8,
which reaches players of HLS and DASH only when it is encoded again, or VP9."""

OPUS_PACKET_MS = 10
"""Browsers put 20 into one. With 10 sound leaves 10 ms sooner, and players' jitter buffers, which
keep a packet and a half at least, keep it 10 ms less: so much less its picture waits for it."""

_KINDS = ("video", "audio")
_ESTIMATIONS = (TRANSPORT_WIDE, REMB)


@dataclass(frozen=True, slots=True)
class ReceivePlan:
    """One m-section that we receive."""

    kind: MediaType
    codec: Codec
    clock_rate: int
    payload_type: int
    rtx_payload_type: int | None
    mid: str
    rids: tuple[str, ...]
    """Layers, best first; empty without simulcast."""
    may_nack: bool
    extensions: dict[str, int]

    @property
    def transport_cc(self) -> int:
        """Id of the transport-wide number's header extension, or 0."""
        return self.extensions.get(TRANSPORT_CC, 0)


def answer_publication(
    offer: Offer, *, max_layers: int, preferred: Sequence[Codec] = PREFERRED_CODECS
) -> tuple[list[AnsweredMedia], list[ReceivePlan]]:
    """What to say to each m-section, and what to receive.

    Raises UnacceptableOffer and NoCommonCodec.
    """
    sending = [each for each in offer.media if _sends(each)]
    if not sending:
        raise UnacceptableOffer("the offer has no audio or video that it would send")
    chosen = _choose_all(sending, preferred)
    answers: list[AnsweredMedia] = []
    plans: list[ReceivePlan] = []
    for media in offer.media:
        accepted = chosen.get(media.kind)
        if accepted is None or accepted[0] is not media:
            answers.append(AnsweredMedia(media, REJECTED))
            continue
        answered, plan = _accept(*accepted, max_layers)
        answers.append(answered)
        plans.append(plan)
    check_transport(offer, [each.offered for each in answers if each.direction != REJECTED])
    return answers, plans


def _choose_all(
    sending: Sequence[OfferedMedia], preferred: Sequence[Codec]
) -> dict[str, tuple[OfferedMedia, OfferedCodec]]:
    """Of each kind one, and all of them: who is taken in part would not know (RFC 9725 4.4)."""
    chosen: dict[str, tuple[OfferedMedia, OfferedCodec]] = {}
    codecs = [_choose(media, preferred) for media in sending]
    if not any(codecs):
        raise NoCommonCodec("the offer has no codec that we package")
    for media, codec in zip(sending, codecs, strict=True):
        if media.kind in chosen:
            raise UnacceptableOffer(f"a publisher has one {media.kind} at most")
        if codec is None:
            ours = [CODEC_NAMES[each] for each in preferred if each.media_type.value == media.kind]
            names = ", ".join(ours)
            raise UnacceptableOffer(f"the offer's {media.kind} has no codec that we take ({names})")
        chosen[media.kind] = (media, codec)
    return chosen


def _sends(media: OfferedMedia) -> bool:
    is_open = not media.is_rejected and media.direction in ("sendonly", "sendrecv")
    return is_open and media.kind in _KINDS and "SAVPF" in media.protocol


def _choose(media: OfferedMedia, preferred: Sequence[Codec]) -> OfferedCodec | None:
    kind = MediaType(media.kind)
    for codec in preferred:
        for offered in media.codecs:
            if codec.media_type is kind and codec_of(offered) is codec:
                return offered
    return None


def _accept(
    media: OfferedMedia, offered: OfferedCodec, max_layers: int
) -> tuple[AnsweredMedia, ReceivePlan]:
    codec = codec_of(offered)
    assert codec is not None, "it was chosen for its codec"
    feedback = choose_feedback(media, offered, choose_estimation(media, offered, _ESTIMATIONS))
    extensions = choose_extensions(media, feedback, RID, REPAIRED_RID)
    rids = media.rids[:max_layers] if RID in extensions and MID in extensions else ()
    parameters = answer_parameters(offered)
    if codec is Codec.OPUS:
        parameters += ";stereo=1;maxaveragebitrate=128000"  # else browsers send 32 kb/s mono
    packet_ms = OPUS_PACKET_MS if codec is Codec.OPUS else 0
    answered = AnsweredMedia(
        media, "recvonly", offered, parameters, feedback, extensions, rids=rids, packet_ms=packet_ms
    )
    plan = ReceivePlan(
        codec.media_type,
        codec,
        offered.clock_rate,
        offered.payload_type,
        offered.rtx_payload_type,
        media.mid,
        rids,
        "nack" in feedback,
        extensions,
    )
    return answered, plan
