"""An SDP answer, written (RFC 8829 5.3, RFC 9725 4.4): one bundle, one media stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aiortc import RTCDtlsFingerprint

from webrtc.ice import Candidate, IceCredentials
from webrtc.message_channel import MOST_MESSAGE_BYTES, SCTP_PORT
from webrtc.offer import OfferedCodec, OfferedMedia

REJECTED = "rejected"
"""As a direction: port 0."""

CHANNEL = "channel"
"""The same of data channels, which have none."""


@dataclass(frozen=True, slots=True)
class AnsweredMedia:
    """What we say to one m-section of the offer."""

    offered: OfferedMedia
    direction: str
    """``sendonly``, ``recvonly``, ``inactive``, CHANNEL, or REJECTED."""
    codec: OfferedCodec | None = None
    parameters: str = ""
    """The value of a=fmtp."""
    feedback: tuple[str, ...] = ()
    extensions: dict[str, int] = field(default_factory=dict)
    ssrc: int = 0
    """Ours, when we send."""
    rtx_ssrc: int = 0
    rids: tuple[str, ...] = ()
    """Simulcast layers that we receive."""
    packet_ms: int = 0
    """Of sound that we receive: how much of it is to be in a packet (RFC 8866 6.4)."""
    others: tuple[OfferedCodec, ...] = ()
    """In an offer of ours: what else may be chosen, with the same feedback."""


@dataclass(frozen=True, slots=True)
class TransportAnswer:
    """Our side of the one transport."""

    ice: IceCredentials
    is_lite: bool
    candidates: tuple[Candidate, ...]
    fingerprint: RTCDtlsFingerprint
    setup: str


def render_answer(
    session_number: int,
    transport: TransportAnswer,
    media: Sequence[AnsweredMedia],
    *,
    cname: str,
) -> str:
    """The whole answer."""
    accepted = [each for each in media if each.direction != REJECTED]
    lines = ["v=0", f"o=- {session_number} 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if transport.is_lite:
        lines.append("a=ice-lite")
    mids = [each.offered.mid for each in accepted if each.offered.mid]
    if mids:
        lines.append(f"a=group:BUNDLE {' '.join(mids)}")
    lines.append("a=msid-semantic: WMS *")
    for each in media:
        if each.direction == REJECTED:
            lines += _rejected(each.offered, transport)
        else:
            lines += _section(each, transport, cname, is_first=each is accepted[0])
    return "\r\n".join(lines) + "\r\n"


def _rejected(offered: OfferedMedia, transport: TransportAnswer) -> list[str]:
    """It needs no transport, but GStreamer 1.22 refuses the whole answer where one lacks it."""
    formats = " ".join(offered.formats)
    lines = [f"m={offered.kind} 0 {offered.protocol} {formats}", "c=IN IP4 0.0.0.0"]
    lines += [*_transport(transport), "a=inactive"]
    return [*lines, f"a=mid:{offered.mid}"] if offered.mid else lines


def _transport(transport: TransportAnswer) -> list[str]:
    fingerprint = transport.fingerprint
    return [
        *render_ice(transport.ice),
        f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}",
        f"a=setup:{transport.setup}",
    ]


def _section(
    answered: AnsweredMedia, transport: TransportAnswer, cname: str, *, is_first: bool
) -> list[str]:
    offered, codec = answered.offered, answered.codec
    codecs = (codec, *answered.others) if codec else ()
    numbers = [number for each in codecs for number in _payload_types(each)]
    formats = " ".join(map(str, numbers)) if codec else " ".join(offered.formats)
    lines = [f"m={offered.kind} 9 {offered.protocol} {formats}", "c=IN IP4 0.0.0.0"]
    if is_first:
        lines += [f"a=candidate:{each.render()}" for each in transport.candidates]
        lines.append("a=end-of-candidates")
    lines += _transport(transport)
    if answered.direction == CHANNEL:
        lines += [f"a=sctp-port:{SCTP_PORT}", f"a=max-message-size:{MOST_MESSAGE_BYTES}"]
    else:
        lines += [f"a={answered.direction}", "a=rtcp-mux", "a=rtcp-rsize"]
    if offered.mid:
        lines.append(f"a=mid:{offered.mid}")
    lines += [f"a=extmap:{number} {uri}" for uri, number in answered.extensions.items()]
    if codec is not None:
        lines += _codec(answered, codec, answered.parameters)
    for other in answered.others:
        lines += _codec(answered, other, render_parameters(other))
    if answered.packet_ms:
        lines.append(f"a=ptime:{answered.packet_ms}")
    if answered.ssrc:
        lines += _sender(answered, cname)
    if answered.rids:
        lines += [f"a=rid:{rid} recv" for rid in answered.rids]
        lines.append(f"a=simulcast:recv {';'.join(answered.rids)}")
    return lines


def render_ice(credentials: IceCredentials) -> list[str]:
    """Credentials as lines of a section or fragment."""
    return [
        f"a=ice-ufrag:{credentials.ufrag}",
        f"a=ice-pwd:{credentials.password}",
        "a=ice-options:trickle",
    ]


def _payload_types(codec: OfferedCodec) -> list[int]:
    rtx = codec.rtx_payload_type
    return [codec.payload_type] if rtx is None else [codec.payload_type, rtx]


def render_parameters(codec: OfferedCodec) -> str:
    """The value of a=fmtp."""
    return ";".join(f"{key}={value}" if value else key for key, value in codec.parameters.items())


def _codec(answered: AnsweredMedia, codec: OfferedCodec, parameters: str) -> list[str]:
    name = "opus" if codec.name == "OPUS" else codec.name
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    lines = [f"a=rtpmap:{codec.payload_type} {name}/{codec.clock_rate}{channels}"]
    if parameters:
        lines.append(f"a=fmtp:{codec.payload_type} {parameters}")
    lines += [f"a=rtcp-fb:{codec.payload_type} {each}" for each in answered.feedback]
    if codec.rtx_payload_type is not None:
        lines.append(f"a=rtpmap:{codec.rtx_payload_type} rtx/{codec.clock_rate}")
        lines.append(f"a=fmtp:{codec.rtx_payload_type} apt={codec.payload_type}")
    return lines


def _sender(answered: AnsweredMedia, cname: str) -> list[str]:
    lines = [f"a=msid:{cname} {answered.offered.kind}"]
    ssrcs = [answered.ssrc]
    if answered.rtx_ssrc:
        ssrcs.append(answered.rtx_ssrc)
        lines.append(f"a=ssrc-group:FID {answered.ssrc} {answered.rtx_ssrc}")
    return lines + [f"a=ssrc:{ssrc} cname:{cname}" for ssrc in ssrcs]
