"""An SDP offer, read: limits of our own first, then aiortc's parser, then only what we go by.

Of a stranger's text only the lines that we know reach the parser, so that what is odd elsewhere
(RFC 8866 lets anybody add lines) costs nothing. All functions raise MalformedSdp, nothing else.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiortc import RTCDtlsFingerprint
from aiortc.sdp import MediaDescription, SessionDescription

from webrtc.errors import MalformedSdp
from webrtc.ice import Candidate, IceCredentials, parse_candidate

MAX_SDP_BYTES = 65_536
"""Chromium's offer with simulcast and everything is about 12 kB."""

_MAX_LINES = 3_000
_MAX_LINE_CHARACTERS = 4_096
_MAX_SECTIONS = 32
_MAX_FORMATS = 128
"""There are no more payload types; Chromium offers about 50 for video."""
_MAX_WILDCARD_FEEDBACK = 16
_CODECS_SHARED = 512
"""Of some ten kinds of browsers."""
_MAX_CANDIDATES = 64
_MAX_RIDS = 8
_MAX_FINGERPRINTS = 8

_SESSION_ATTRIBUTES = frozenset(
    {"group", "fingerprint", "setup", "ice-lite", "ice-options", "ice-pwd", "ice-ufrag"}
)
_MEDIA_ATTRIBUTES = frozenset(
    {"fingerprint", "setup", "ice-options", "ice-pwd", "ice-ufrag", "mid", "rtpmap", "fmtp",
     "rtcp-fb", "extmap", "rtcp-mux", "sendrecv", "sendonly", "recvonly", "inactive",
     "max-message-size", "sctp-port"}
)  # fmt: skip

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}")
"""RFC 8866 9; the length is ours: a mid travels in every first packet."""
_RID = re.compile(r"[A-Za-z0-9_-]{1,16}")
"""RFC 8852 3; what is longer does not fit the one-byte header extension."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_HEX_BYTES = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*")
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}


@dataclass(frozen=True, slots=True)
class OfferedCodec:
    """One payload type."""

    payload_type: int
    name: str
    """In capitals: ``H264``."""
    clock_rate: int
    channels: int
    parameters: dict[str, str] = field(default_factory=dict)
    feedback: tuple[str, ...] = ()
    rtx_payload_type: int | None = None


@dataclass(frozen=True, slots=True)
class OfferedMedia:
    """One m-section."""

    kind: str
    """``audio``, ``video``, ``application`` or whatever it says."""
    mid: str
    direction: str
    protocol: str
    formats: tuple[str, ...]
    codecs: tuple[OfferedCodec, ...]
    """Without rtx, which stand with their codecs."""
    extensions: dict[str, int]
    """Header extension URI -> id."""
    rids: tuple[str, ...]
    """Simulcast layers that the offerer sends, best first as it lists them."""
    has_rtcp_mux: bool
    is_rejected: bool
    sctp_port: int = 0
    """Of data channels (RFC 8841); 0 where it says none."""
    most_message_bytes: int = 65_536
    """That the offerer takes by them; 0: any (RFC 8841 6)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """All that we go by when we answer."""

    media: tuple[OfferedMedia, ...]
    bundle: tuple[str, ...]
    """Mids of the first BUNDLE group, in order; empty without one."""
    ice: IceCredentials
    is_lite: bool
    fingerprints: tuple[RTCDtlsFingerprint, ...]
    setup: str
    """``actpass``, ``active`` or ``passive``: the offerer's DTLS role."""
    candidates: tuple[Candidate, ...]


def parse_offer(text: str) -> Offer:
    """Read an offer. Raises MalformedSdp."""
    session, sections = _split(check_lines(text))
    if not sections:
        raise MalformedSdp("the offer has no media")
    kept = _known(session, _SESSION_ATTRIBUTES, "vost")
    for section in sections:
        kept += [_check_media_line(section[0]), *_known(section[1:], _MEDIA_ATTRIBUTES, "")]
    try:
        parsed = SessionDescription.parse("\r\n".join(kept) + "\r\n")
    except Exception as error:  # aiortc's parser asserts, indexes and converts as it goes
        why = str(error) or "a line of it is none"
        raise MalformedSdp(f"the offer cannot be read: {why}") from error
    return _offer(parsed, sections)


def check_lines(text: str) -> list[str]:
    """The lines of a description or fragment that keeps our limits. Raises MalformedSdp."""
    if len(text) > MAX_SDP_BYTES:
        raise MalformedSdp(f"more than {MAX_SDP_BYTES} bytes of SDP", value=len(text))
    if _CONTROL.search(text):
        raise MalformedSdp("control characters in SDP")
    lines = [line for line in text.replace("\r", "\n").split("\n") if line]
    if len(lines) > _MAX_LINES or max(map(len, lines), default=0) > _MAX_LINE_CHARACTERS:
        raise MalformedSdp("too many lines of SDP, or too long ones", value=len(lines))
    if any(len(line) < 2 or line[1] != "=" for line in lines):
        raise MalformedSdp("a line that is not SDP")
    return lines


def _split(lines: list[str]) -> tuple[list[str], list[list[str]]]:
    if not lines or lines[0] != "v=0":
        raise MalformedSdp("an offer begins with v=0")
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    if len(sections) - 1 > _MAX_SECTIONS:
        raise MalformedSdp(f"more than {_MAX_SECTIONS} media", value=len(sections) - 1)
    return sections[0], sections[1:]


def attribute(line: str) -> tuple[str, str]:
    """``a=name:value`` as name and value; both empty for other lines."""
    if not line.startswith("a="):
        return "", ""
    name, _, value = line[2:].partition(":")
    return name, value


def _known(lines: list[str], attributes: frozenset[str], others: str) -> list[str]:
    kept: list[str] = []
    mapped = {attribute(line)[1].partition(" ")[0] for line in lines if "rtpmap:" in line}
    wildcards = 0
    for line in lines:
        name, value = attribute(line)
        if name == "extmap":  # extension attributes after the URI (RFC 8285 5) confuse the parser
            line = "a=extmap:" + " ".join(value.split()[:2])
        wildcards += line.startswith("a=rtcp-fb:*")
        is_of_no_codec = name == "fmtp" and value.partition(" ")[0] not in mapped
        if (line[0] in others or name in attributes) and not is_of_no_codec:
            kept.append(line)
    if wildcards > _MAX_WILDCARD_FEEDBACK:
        raise MalformedSdp("too many rtcp-fb for all codecs", value=wildcards)
    return kept


def _check_media_line(line: str) -> str:
    if len(line.split()) > 3 + _MAX_FORMATS:
        raise MalformedSdp("more formats than there are payload types")
    return line


def _offer(parsed: SessionDescription, sections: list[list[str]]) -> Offer:
    media = tuple(map(_media, parsed.media, sections))
    mids = [each.mid for each in media if each.mid]
    if len(set(mids)) != len(mids):
        raise MalformedSdp("a mid that two media have")
    bundle = next((group.items for group in parsed.group if group.semantic == "BUNDLE"), [])
    first = _transport(parsed, [str(mid) for mid in bundle])
    if not first.ice or not first.ice.usernameFragment or not first.ice.password:
        raise MalformedSdp("the offer has no ICE credentials")
    if first.dtls is None or first.dtls.role is None:
        raise MalformedSdp("the offer does not say its DTLS role (a=setup)")
    setup = {"auto": "actpass", "client": "active", "server": "passive"}[first.dtls.role]
    return Offer(
        media,
        tuple(str(mid) for mid in bundle),
        IceCredentials(first.ice.usernameFragment, first.ice.password),
        bool(first.ice.iceLite),
        _fingerprints(first.dtls.fingerprints),
        setup,
        tuple(read_candidates(line for section in sections for line in section)),
    )


def _transport(parsed: SessionDescription, bundle: list[str]) -> MediaDescription:
    """The section whose transport counts: the first of the bundle (RFC 9143 7.2)."""
    for section in parsed.media:
        if bundle and section.rtp.muxId == bundle[0]:
            return section
    return next((each for each in parsed.media if each.port), parsed.media[0])


def _fingerprints(given: list[RTCDtlsFingerprint]) -> tuple[RTCDtlsFingerprint, ...]:
    """Those we can check; of each algorithm's fingerprints all must match (RFC 8122 5)."""
    if len(given) > _MAX_FINGERPRINTS:
        raise MalformedSdp("too many fingerprints", value=len(given))
    known: list[RTCDtlsFingerprint] = []
    for each in given:
        size = _DIGEST_BYTES.get(each.algorithm.lower())
        if size is None:
            continue
        if not _HEX_BYTES.fullmatch(each.value) or len(each.value) != 3 * size - 1:
            raise MalformedSdp(f"not a {each.algorithm} fingerprint", value=each.value[:100])
        known.append(each)
    if not known:
        raise MalformedSdp("the offer has no fingerprint that we can check (sha-256)")
    return tuple(known)


def read_candidates(lines: Iterable[str]) -> list[Candidate]:
    """Of all ``a=candidate`` lines those that we can use. Raises MalformedSdp."""
    values = [attribute(line)[1] for line in lines if line.startswith("a=candidate:")]
    if len(values) > _MAX_CANDIDATES:
        raise MalformedSdp("too many ICE candidates", value=len(values))
    read = (parse_candidate(value) for value in values)
    return list(dict.fromkeys(candidate for candidate in read if candidate is not None))


def _media(parsed: MediaDescription, lines: list[str]) -> OfferedMedia:
    mid = parsed.rtp.muxId or ""
    if mid and not _TOKEN.fullmatch(mid):
        raise MalformedSdp("a mid that is not a short token", value=mid[:100])
    sizes = parsed.sctpCapabilities
    return OfferedMedia(
        kind=parsed.kind,
        mid=mid,
        direction=parsed.direction or "sendrecv",  # RFC 8866 6.7.1
        protocol=parsed.profile,
        formats=tuple(str(each) for each in parsed.fmt),
        codecs=_codecs(parsed),
        extensions={each.uri: each.id for each in parsed.rtp.headerExtensions},
        rids=_sent_rids(lines),
        has_rtcp_mux=parsed.rtcp_mux,
        is_rejected=parsed.port == 0 and "a=bundle-only" not in lines,
        sctp_port=parsed.sctp_port or 0,
        most_message_bytes=65_536 if sizes is None else sizes.maxMessageSize,
    )


def _codecs(parsed: MediaDescription) -> tuple[OfferedCodec, ...]:
    listed = {str(each) for each in parsed.fmt}
    repairs: dict[int, int] = {}
    for codec in parsed.rtp.codecs:
        repaired, number = codec.parameters.get("apt"), codec.payloadType
        is_rtx = codec.mimeType.lower().endswith("/rtx")
        if is_rtx and isinstance(repaired, int) and number is not None:
            repairs.setdefault(repaired, number)
    codecs: dict[int, OfferedCodec] = {}
    for codec in parsed.rtp.codecs:
        name = codec.mimeType.partition("/")[2].upper()
        number = codec.payloadType
        if name == "RTX" or number is None or str(number) not in listed:
            continue
        parameters = {key.strip().lower(): _text(value) for key, value in codec.parameters.items()}
        feedback = [f"{each.type} {each.parameter or ''}".strip() for each in codec.rtcpFeedback]
        codecs.setdefault(
            number,
            _codec(
                number,
                name,
                codec.clockRate,
                codec.channels or 0,
                tuple(parameters.items()),
                tuple(feedback),
                repairs.get(number),
            ),
        )
    return tuple(codecs.values())


@functools.lru_cache(_CODECS_SHARED)
def _codec(
    number: int,
    name: str,
    clock_rate: int,
    channels: int,
    parameters: tuple[tuple[str, str], ...],
    feedback: tuple[str, ...],
    rtx: int | None,
) -> OfferedCodec:
    """One object for all viewers that offer the same, each of which keeps those it was chosen."""
    return OfferedCodec(number, name, clock_rate, channels, dict(parameters), feedback, rtx)


def _text(value: int | str | None) -> str:
    return "" if value is None else str(value).strip()


def _sent_rids(lines: list[str]) -> tuple[str, ...]:
    """RFC 8853: layers in a=simulcast's order, or else in the order of a=rid."""
    said = [attribute(line) for line in lines if line.startswith(("a=rid:", "a=simulcast:"))]
    declared = [value.split()[0] for name, value in said
                if name == "rid" and value.split()[1:2] == ["send"]]  # fmt: skip
    for name, value in said:
        words = value.split()
        if name == "simulcast" and "send" in words[:-1]:
            layers = words[words.index("send") + 1].split(";")
            ordered = [layer.split(",")[0].lstrip("~") for layer in layers]
            declared = [rid for rid in ordered if rid in declared]
    rids = tuple(dict.fromkeys(declared))
    if len(rids) > _MAX_RIDS or not all(map(_RID.fullmatch, rids)):
        raise MalformedSdp("too many rids, or odd ones", value=len(rids))
    return rids
