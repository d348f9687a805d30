"""An offer of ours to a viewer, for one whose own had no codec of the stream, or that made none.

Each kind of media is offered in one codec, H.264 and Opus where the stream has them. Browsers take
any profile of H.264 and offer few, so one that all have stands beside the stream's own. What the
viewer answers is then read as an offer of its own would be: it says what it receives and by which
payload types, so all else is that of any viewer; only what we have told already stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from segmenter.media import Codec, MediaType, Track
from webrtc.answer import AnsweredMedia
from webrtc.dtls import Certificate
from webrtc.errors import NoCommonCodec
from webrtc.ice import IceCredentials, RandomBytes
from webrtc.negotiation import (
    ABS_SEND_TIME,
    CODEC_NAMES,
    MID,
    TRANSPORT_CC,
    TRANSPORT_WIDE,
    Fit,
)
from webrtc.offer import OfferedCodec, OfferedMedia
from webrtc.subscription import SendPlan, accept_media

_VIDEO_PAYLOAD_TYPE: Final = 96
_RTX_PAYLOAD_TYPE: Final = 97
_OTHER_PROFILE: Final = 98, 99
_AUDIO_PAYLOAD_TYPE: Final = 111
_FEEDBACK: Final = ("nack", "nack pli", "ccm fir", TRANSPORT_WIDE)
_EXTENSIONS: Final = {MID: 1, ABS_SEND_TIME: 2, TRANSPORT_CC: 3}
_EVERYWHERE: Final = bytes.fromhex("42e01f")
"""Constrained Baseline at level 3.1: for browsers, and where parameter sets are not known yet."""


@dataclass(frozen=True, slots=True)
class CounterOffer:
    """What has been told of a session that begins with the viewer's answer."""

    session_id: str
    stream: str
    sdp: str
    etag: str
    ice: IceCredentials
    certificate: Certificate
    cname: str
    plans: tuple[SendPlan, ...]

    def keep_sources(self, plans: Sequence[SendPlan]) -> list[SendPlan]:
        """The plans that follow from the answer, with the SSRCs that the offer named."""
        return [self._keep_source(plan) for plan in plans]

    def _keep_source(self, plan: SendPlan) -> SendPlan:
        told = next((one.settings for one in self.plans if one.kind == plan.kind), None)
        if told is None:
            return plan
        settings = plan.settings
        rtx_ssrc = told.rtx_ssrc if settings.rtx_payload_type else 0
        return replace(plan, settings=replace(settings, ssrc=told.ssrc, rtx_ssrc=rtx_ssrc))


def plan_counter_offer(
    tracks: Sequence[Track], random_bytes: RandomBytes
) -> tuple[list[AnsweredMedia], tuple[SendPlan, ...]]:
    """The sections to offer and what they promise. Raises NoCommonCodec."""
    chosen = [one for one in (_video(tracks), _audio(tracks)) if one is not None]
    if not chosen:
        raise NoCommonCodec("the stream has no codec that WebRTC carries")
    accepted = [
        accept_media(_media(codec, mid), codec, Fit.TOLERATED, TRANSPORT_WIDE, tracks, random_bytes)
        for mid, codec in enumerate(chosen)
    ]
    offered = [replace(media, others=_others(media.codec)) for media, _ in accepted]
    return offered, tuple(plan for _, plan in accepted)


def _others(codec: OfferedCodec | None) -> tuple[OfferedCodec, ...]:
    """The same in the profile that is everywhere."""
    if codec is None or codec.name != "H264":
        return ()
    profile = codec.parameters["profile-level-id"]
    if profile[:4] == _EVERYWHERE.hex()[:4]:
        return ()
    number, rtx = _OTHER_PROFILE
    parameters = codec.parameters | {"profile-level-id": _EVERYWHERE.hex()}
    return (replace(codec, payload_type=number, rtx_payload_type=rtx, parameters=parameters),)


def _video(tracks: Sequence[Track]) -> OfferedCodec | None:
    pictures = [
        track
        for track in tracks
        if track.media_type is MediaType.VIDEO and track.codec in CODEC_NAMES
    ]
    pictures.sort(key=lambda track: track.codec is not Codec.H264)
    if not pictures:
        return None
    parameters = {}
    if pictures[0].codec is Codec.H264:
        profile = pictures[0].codec_config[1:4] or _EVERYWHERE
        parameters = {
            "level-asymmetry-allowed": "1",
            "packetization-mode": "1",
            "profile-level-id": profile.hex(),
        }
    name = CODEC_NAMES[pictures[0].codec]
    return OfferedCodec(
        _VIDEO_PAYLOAD_TYPE, name, 90_000, 0, parameters, _FEEDBACK, _RTX_PAYLOAD_TYPE
    )


def _audio(tracks: Sequence[Track]) -> OfferedCodec | None:
    """Opus, which other sound becomes."""
    if not any(track.media_type is MediaType.AUDIO for track in tracks):
        return None
    return OfferedCodec(_AUDIO_PAYLOAD_TYPE, "OPUS", 48_000, 2, feedback=(TRANSPORT_WIDE,))


def _media(codec: OfferedCodec, mid: int) -> OfferedMedia:
    return OfferedMedia(
        kind="audio" if codec.name == "OPUS" else "video",
        mid=str(mid),
        direction="recvonly",
        protocol="UDP/TLS/RTP/SAVPF",
        formats=(),
        codecs=(codec,),
        extensions=_EXTENSIONS,
        rids=(),
        has_rtcp_mux=True,
        is_rejected=False,
    )
