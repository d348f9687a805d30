"""Which of the offered codecs, feedback and header extensions we take, sans-IO.

A codec *fits* a track exactly, or by a profile that includes the track's, or is tolerated: the
same codec in another profile, which nearly every decoder takes although it did not say so.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

from aiortc.sdp import H264Profile, parse_h264_profile_level_id

from segmenter.codecs import av1, h265, vp9
from segmenter.errors import MediaError
from segmenter.media import Codec, Track
from webrtc.offer import OfferedCodec, OfferedMedia

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

CODEC_NAMES = {
    Codec.H264: "H264",
    Codec.H265: "H265",
    Codec.AV1: "AV1",
    Codec.VP8: "VP8",
    Codec.VP9: "VP9",
    Codec.OPUS: "OPUS",
}
"""Codecs with an RTP payload of ours; AAC has none that browsers know."""

_BY_NAME = {name: codec for codec, name in CODEC_NAMES.items()}

_REPAIR_FEEDBACK = ("nack", "nack pli", "ccm fir")

_INCLUDED = {
    H264Profile.PROFILE_CONSTRAINED_BASELINE: (
        H264Profile.PROFILE_BASELINE,
        H264Profile.PROFILE_MAIN,
        H264Profile.PROFILE_CONSTRAINED_HIGH,
        H264Profile.PROFILE_HIGH,
    ),
    H264Profile.PROFILE_MAIN: (H264Profile.PROFILE_HIGH,),
    H264Profile.PROFILE_CONSTRAINED_HIGH: (H264Profile.PROFILE_HIGH,),
}
"""H.264 profile -> others whose decoders take it, too (ISO/IEC 14496-10 A.2)."""


class Fit(enum.IntEnum):
    """How well a codec offer suits a track; less is better."""

    EXACT = 0
    INCLUDED = 1
    TOLERATED = 2


def codec_of(offered: OfferedCodec) -> Codec | None:
    """Our word for an offered payload type, if we can packetize it."""
    codec = _BY_NAME.get(offered.name)
    if codec is Codec.OPUS:
        # GStreamer's caps without encoding-params lack the channels, which are always two there.
        return codec if offered.clock_rate == 48_000 and offered.channels <= 2 else None
    if codec is None or offered.clock_rate != 90_000:
        return None
    if codec is Codec.H264 and offered.parameters.get("packetization-mode") != "1":
        return None  # RFC 6184 6.2: mode 0 has no fragments, so no picture beyond the MTU
    return codec


def fit(track: Track, offered: OfferedCodec) -> Fit | None:
    """How the payload type suits the track; None when it is another codec."""
    if codec_of(offered) is not track.codec:
        return None
    try:
        return _fit_profile(track, offered)
    except (MediaError, ValueError):
        return Fit.TOLERATED


def _fit_profile(track: Track, offered: OfferedCodec) -> Fit:
    parameters = offered.parameters
    match track.codec:
        case Codec.H264:
            return _fit_h264(track, parameters.get("profile-level-id", "420010"))
        case Codec.H265:
            ours = h265.parse_decoder_configuration(track.codec_config).profile.profile_idc
            theirs = int(parameters.get("profile-id", "1"))
        case Codec.AV1:
            ours = av1.parse_decoder_configuration(track.codec_config).profile
            theirs = int(parameters.get("profile", "0"))
        case Codec.VP9:
            ours = vp9.parse_decoder_configuration(track.codec_config).profile
            theirs = int(parameters.get("profile-id", "0"))
        case _:
            return Fit.EXACT
    return Fit.EXACT if ours == theirs else Fit.TOLERATED


def _fit_h264(track: Track, profile_level_id: str) -> Fit:
    """Levels are not looked at: an answer may raise them (level-asymmetry-allowed)."""
    ours, _ = parse_h264_profile_level_id(track.codec_config[1:4].hex())
    theirs, _ = parse_h264_profile_level_id(profile_level_id)
    if ours is theirs:
        return Fit.EXACT
    return Fit.INCLUDED if theirs in _INCLUDED.get(ours, ()) else Fit.TOLERATED


def choose_codec(
    tracks: Sequence[Track], media: OfferedMedia, worst: Fit = Fit.TOLERATED
) -> tuple[OfferedCodec, Fit] | None:
    """The payload type for a viewer, and the worst fit of tracks that may be sent with it.

    The best fit of the earliest track decides about the codec; of its payload types the one that
    fits most tracks is taken. Tolerated tracks may be sent only where fewer than two fit better,
    for to choose by bandwidth takes two.
    """
    best: tuple[Fit, int, int] | None = None
    for rank, track in enumerate(tracks):
        for order, offered in enumerate(media.codecs):
            suits = fit(track, offered)
            if suits is not None and suits <= worst:
                best = min(best or (suits, rank, order), (suits, rank, order))
    if best is None:
        return None
    first, chosen = tracks[best[1]], media.codecs[best[2]]
    most = _fitting(tracks, chosen)
    for offered in media.codecs:
        suits, fitting = fit(first, offered), _fitting(tracks, offered)
        if suits is not None and suits <= max(best[0], Fit.INCLUDED) and fitting > most:
            chosen, most = offered, fitting
    return chosen, Fit.INCLUDED if most > 1 else worst


def _fitting(tracks: Sequence[Track], offered: OfferedCodec) -> int:
    """How many tracks fit better than tolerated."""
    fits = [fit(track, offered) for track in tracks]
    return sum(suits is not None and suits < Fit.TOLERATED for suits in fits)


REMB = "goog-remb"
TRANSPORT_WIDE = "transport-cc"
_ESTIMATION_EXTENSION = {REMB: ABS_SEND_TIME, TRANSPORT_WIDE: TRANSPORT_CC}


def choose_estimation(media: OfferedMedia, codec: OfferedCodec, preferred: Iterable[str]) -> str:
    """How bandwidth shall be estimated: the first way that is offered, or empty."""
    return next((way for way in preferred if _offers(media, codec, way)), "")


def _offers(media: OfferedMedia, codec: OfferedCodec, way: str) -> bool:
    return way in codec.feedback and _ESTIMATION_EXTENSION[way] in media.extensions


def choose_feedback(media: OfferedMedia, codec: OfferedCodec, estimation: str) -> tuple[str, ...]:
    """Feedback lines for the answer: repairs, and the one way of estimation if it is offered."""
    feedback = [name for name in _REPAIR_FEEDBACK if name in codec.feedback]
    if estimation and _offers(media, codec, estimation):
        feedback.append(estimation)
    return tuple(feedback)


def choose_extensions(media: OfferedMedia, feedback: Sequence[str], *more: str) -> dict[str, int]:
    """Header extensions for the answer, with the offerer's ids (RFC 8285 6)."""
    wanted = [MID, *more]
    wanted += [uri for way, uri in _ESTIMATION_EXTENSION.items() if way in feedback]
    offered = media.extensions
    return {uri: offered[uri] for uri in wanted if 0 < offered.get(uri, 0) < 15}
