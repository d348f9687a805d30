"""What a fan-out is told of a viewer: addresses, keys, and how its packets are to be headed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal, TypeAlias

from webrtc.errors import LocalError

Address: TypeAlias = tuple[str, int]
"""Host in numbers, and port."""

Kind: TypeAlias = Literal["video", "audio"]
Since: TypeAlias = Literal["key", "live"]

MAX_MID_BYTES = 16
"""What a one-byte header extension carries (RFC 8285 4.2)."""

DEFAULT_PACE_BITRATE = 50_000_000
"""A key frame of 70 kB in 11 ms and, where the way carries it, a joiner's 2 s of 2.7 Mb/s in
110 ms: so fast that nobody sees it. libwebrtc paces at 2.5 times the stream's bitrate, which delays
each key frame by 100 ms. `pace.py` has what those get who are behind."""


class SrtpProfile(enum.IntEnum):
    """DTLS-SRTP protection profiles by their IANA numbers (RFC 5764 4.1.2, RFC 7714 14.2)."""

    AES128_CM_SHA1_80 = 0x0001
    AEAD_AES_128_GCM = 0x0007
    AEAD_AES_256_GCM = 0x0008

    @property
    def key_bytes(self) -> int:
        """Length of the master key."""
        return 32 if self is SrtpProfile.AEAD_AES_256_GCM else 16

    @property
    def salt_bytes(self) -> int:
        """Length of the master salt."""
        return 14 if self is SrtpProfile.AES128_CM_SHA1_80 else 12

    @property
    def tag_bytes(self) -> int:
        """Length of the authentication tag, of SRTP and of SRTCP."""
        return 10 if self is SrtpProfile.AES128_CM_SHA1_80 else 16


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master key and salt of one direction. Raises LocalError when their lengths are wrong."""

    profile: SrtpProfile
    key: bytes
    salt: bytes

    def __post_init__(self) -> None:
        if len(self.key) != self.profile.key_bytes or len(self.salt) != self.profile.salt_bytes:
            raise LocalError(f"{len(self.key)} and {len(self.salt)} bytes for {self.profile.name}")

    def __repr__(self) -> str:
        return f"SrtpKeys({self.profile.name})"  # keys never get into a log


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """One of a viewer's two streams: what is written into the headers of its RTP packets.

    Extension ids are those of one-byte headers, 1 to 14, or 0: not negotiated. Raises LocalError
    for numbers that do not fit.
    """

    ssrc: int
    payload_type: int
    clock_rate: int
    """Ticks per second of RTP timestamps: 90,000 for video, 48,000 for Opus."""
    rtx_ssrc: int = 0
    rtx_payload_type: int = 0
    """RFC 4588; 0: lost packets are resent as they were, which SRTP allows only when every byte is
    the same. So such a stream must have neither abs-send-time nor transport-wide numbers, or
    nothing is resent."""
    mid: bytes = b""
    mid_extension: int = 0
    abs_send_time_extension: int = 0
    transport_cc_extension: int = 0
    first_sequence: int = 0
    """Of 16 bits; best below 2**15, so that the first packets' loss cannot hide a wrap (RFC 3711
    3.3.1)."""
    rtx_first_sequence: int = 0
    timestamp_offset: int = 0
    """Added to each timestamp modulo 2**32."""

    def __post_init__(self) -> None:
        for value, most in (
            (self.ssrc, 0xFFFFFFFF),
            (self.rtx_ssrc, 0xFFFFFFFF),
            (self.timestamp_offset, 0xFFFFFFFF),
            (self.payload_type, 127),
            (self.rtx_payload_type, 127),
            (self.first_sequence, 0xFFFF),
            (self.rtx_first_sequence, 0xFFFF),
            (self.mid_extension, 14),
            (self.abs_send_time_extension, 14),
            (self.transport_cc_extension, 14),
            (len(self.mid), MAX_MID_BYTES),
        ):
            if not 0 <= value <= most:
                raise LocalError(f"{value} is not within 0..{most}", value=value)
        if bool(self.mid_extension) != bool(self.mid) or not 0 < self.clock_rate <= 1_000_000:
            raise LocalError("a mid needs an extension, a stream a clock rate", value=self)


@dataclass(frozen=True, slots=True)
class ViewerSettings:
    """A viewer whose DTLS is up. Raises LocalError for settings that contradict each other."""

    address: Address
    socket: int
    """Which of the fan-out's sockets its packets leave from, counted from 0."""
    send_keys: SrtpKeys
    receive_keys: SrtpKeys
    ice_username: str
    """As its connectivity checks carry it: our fragment, colon, its fragment (RFC 8445 7.2.2)."""
    ice_password: str
    """Ours, which its checks are signed with."""
    cname: str
    """RFC 7022; the same for both streams, so that players synchronize them."""
    video: StreamSettings | None = None
    audio: StreamSettings | None = None
    pace_bitrate: int = DEFAULT_PACE_BITRATE
    """Bits per second at which video leaves at most; less while a viewer is behind (`pace.py`)."""

    def __post_init__(self) -> None:
        if self.video is None and self.audio is None:
            raise LocalError("a viewer without any stream")
        sources = [
            ssrc
            for stream in (self.video, self.audio)
            if stream is not None
            for ssrc in (stream.ssrc, stream.rtx_ssrc)
            if ssrc
        ]
        if len(set(sources)) != len(sources):
            raise LocalError("an SSRC twice", value=sources)  # the same key and nonce twice, too
        if not 0 < len(self.cname.encode()) <= 64 or not 0 < len(self.ice_username) <= 513:
            raise LocalError("a CNAME of 1 to 64 bytes and a user name are needed")
        if self.pace_bitrate < 100_000:
            raise LocalError("nothing would arrive", value=self.pace_bitrate)

    def __repr__(self) -> str:
        return f"ViewerSettings({self.address[0]}:{self.address[1]}, {self.send_keys!r})"
