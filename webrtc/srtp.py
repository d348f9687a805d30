"""SRTP and SRTCP (RFC 3711, RFC 7714) by the cryptography package: specification of the C.

Sans-IO. One sender protects all of a viewer's streams: the session keys do not depend on the
SSRC, which is part of each nonce. A nonce must never protect two different packets; whoever gives
``index`` sees to that.
"""

from __future__ import annotations

import hmac
from collections import deque
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from webrtc.errors import MediaPacketError
from webrtc.viewer_settings import SrtpKeys, SrtpProfile

RTCP_INDEX_BYTES: Final = 4
_RTCP_HEADER_BYTES: Final = 8
_ENCRYPTED: Final = 1 << 31
_SHA1_KEY_BYTES: Final = 20
_REPLAY_BITS: Final = 128
"""RFC 3711 3.3.2 asks for at least 64."""
_MAX_SOURCES: Final = 16
"""SSRCs that one peer may use at a time; a browser uses one or two for each stream and layer."""
_MAX_RETIRED: Final = 64
"""And those before, of which nothing is taken any more."""


@dataclass(frozen=True, slots=True)
class _SessionKeys:
    cipher: bytes
    authentication: bytes
    salt: bytes


def _derive(keys: SrtpKeys, first_label: int) -> _SessionKeys:
    """RFC 3711 4.3.1 with a key derivation rate of 0; RFC 7714 11 pads GCM's salt at its end."""
    salt = int.from_bytes(keys.salt.ljust(14, b"\0"), "big")

    def stream(label: int, size: int) -> bytes:
        iv = ((salt ^ label << 48) << 16).to_bytes(16, "big")
        return Cipher(AES(keys.key), CTR(iv)).encryptor().update(bytes(size))

    return _SessionKeys(
        stream(first_label, keys.profile.key_bytes),
        stream(first_label + 1, _SHA1_KEY_BYTES),
        stream(first_label + 2, keys.profile.salt_bytes),
    )


class _Protection:
    """Encryption and authentication of one direction and one of the two protocols."""

    def __init__(self, keys: SrtpKeys, first_label: int) -> None:
        self._session = _derive(keys, first_label)
        self._salt = int.from_bytes(self._session.salt, "big")
        self.is_aead = keys.profile is not SrtpProfile.AES128_CM_SHA1_80
        self.tag_bytes = keys.profile.tag_bytes
        self._gcm = AESGCM(self._session.cipher) if self.is_aead else None

    def seal(self, ssrc: int, index: int, associated: bytes, plain: bytes) -> bytes:
        """AEAD: ciphertext and tag. The index has 48 bits (of SRTCP the upper 17 are zero)."""
        assert self._gcm is not None
        return self._gcm.encrypt(self._nonce(ssrc, index), plain, associated)

    def open(self, ssrc: int, index: int, associated: bytes, sealed: bytes) -> bytes:
        """AEAD: the plaintext. Raises MediaPacketError."""
        assert self._gcm is not None
        try:
            return self._gcm.decrypt(self._nonce(ssrc, index), sealed, associated)
        except InvalidTag as error:
            raise MediaPacketError("authentication failed") from error

    def _nonce(self, ssrc: int, index: int) -> bytes:
        return (self._salt ^ (ssrc << 48 | index)).to_bytes(12, "big")  # RFC 7714 8.1, 9.1

    def count(self, ssrc: int, index: int, data: bytes) -> bytes:
        """AES-CM: encrypts and decrypts (RFC 3711 4.1.1)."""
        iv = ((self._salt << 16) ^ (ssrc << 64) ^ (index << 16)).to_bytes(16, "big")
        return Cipher(AES(self._session.cipher), CTR(iv)).encryptor().update(data)

    def sign(self, data: bytes) -> bytes:
        """HMAC-SHA1, cut to the tag (4.2)."""
        return hmac.digest(self._session.authentication, data, "sha1")[: self.tag_bytes]

    def check(self, data: bytes, tag: bytes) -> None:
        """Raises MediaPacketError when the tag is not that of the data."""
        if not hmac.compare_digest(self.sign(data), tag):
            raise MediaPacketError("authentication failed")


class SrtpSender:
    """Protects what one peer is sent. Owned by whoever numbers the packets."""

    def __init__(self, keys: SrtpKeys) -> None:
        self._rtp = _Protection(keys, 0)
        self._rtcp = _Protection(keys, 3)
        self._rtcp_index = 0

    def protect(self, header: bytes, payload: bytes, index: int) -> bytes:
        """A packet. ``index`` is rollover counter and sequence number, 48 bits; the header holds
        its lower 16 and the SSRC."""
        rtp, ssrc = self._rtp, int.from_bytes(header[8:12], "big")
        if rtp.is_aead:
            return header + rtp.seal(ssrc, index, header, payload)
        packet = header + rtp.count(ssrc, index, payload)
        return packet + rtp.sign(packet + (index >> 16).to_bytes(4, "big"))

    def protect_rtcp(self, packet: bytes) -> bytes:
        """A compound packet under the next SRTCP index."""
        index, self._rtcp_index = self._rtcp_index, self._rtcp_index + 1 & _ENCRYPTED - 1
        rtcp, header = self._rtcp, packet[:_RTCP_HEADER_BYTES]
        ssrc, body = int.from_bytes(header[4:], "big"), packet[_RTCP_HEADER_BYTES:]
        trailer = (_ENCRYPTED | index).to_bytes(RTCP_INDEX_BYTES, "big")
        if rtcp.is_aead:
            return header + rtcp.seal(ssrc, index, header + trailer, body) + trailer
        protected = header + rtcp.count(ssrc, index, body) + trailer
        return protected + rtcp.sign(protected)


class _Replay:
    """Which of the last indexes of one source have come (RFC 3711 3.3.2)."""

    def __init__(self) -> None:
        self.newest = -1
        self._seen = 0

    def is_fresh(self, index: int) -> bool:
        """Whether this index neither came before nor is too old to know."""
        age = self.newest - index
        return age < 0 or (age < _REPLAY_BITS and not self._seen >> age & 1)

    def note(self, index: int) -> None:
        """Remember one that is fresh and authentic."""
        if index > self.newest:
            self._seen = (self._seen << min(index - self.newest, _REPLAY_BITS)) | 1
            self._seen &= (1 << _REPLAY_BITS) - 1
            self.newest = index
        else:
            self._seen |= 1 << self.newest - index


class _Sources:
    """The windows of a peer's SSRCs: a new one takes the place of that heard least recently, whose
    packets must not be played again then."""

    def __init__(self) -> None:
        self._windows: dict[int, _Replay] = {}
        """Heard last at the end."""
        self._retired: deque[int] = deque(maxlen=_MAX_RETIRED)

    def window(self, ssrc: int) -> _Replay:
        """That of a source, to be given to `keep` once a packet was authentic."""
        if ssrc in self._retired:
            raise MediaPacketError("an SSRC from before", value=ssrc)
        return self._windows.get(ssrc) or _Replay()

    def keep(self, ssrc: int, replay: _Replay) -> None:
        """The source was heard."""
        if self._windows.pop(ssrc, None) is None and len(self._windows) == _MAX_SOURCES:
            oldest = next(iter(self._windows))
            del self._windows[oldest]
            self._retired.append(oldest)
        self._windows[ssrc] = replay


class SrtpReceiver:
    """Takes the protection off what one peer sends; forged, repeated and old packets raise
    MediaPacketError."""

    def __init__(self, keys: SrtpKeys) -> None:
        self._rtp = _Protection(keys, 0)
        self._rtcp = _Protection(keys, 3)
        self._rtp_sources, self._rtcp_sources = _Sources(), _Sources()

    def unprotect(self, packet: bytes) -> bytes:
        """An RTP packet as it was before."""
        rtp = self._rtp
        head, end = _rtp_header_bytes(packet), len(packet) - rtp.tag_bytes
        if end < head:
            raise MediaPacketError("SRTP packet is too short", value=len(packet))
        ssrc, sequence = int.from_bytes(packet[8:12], "big"), int.from_bytes(packet[2:4], "big")
        replay = self._rtp_sources.window(ssrc)
        index = _extend(sequence, replay.newest)
        if not replay.is_fresh(index):
            raise MediaPacketError("SRTP packet came before", value=sequence)
        if rtp.is_aead:
            plain = packet[:head] + rtp.open(ssrc, index, packet[:head], packet[head:])
        else:
            rtp.check(packet[:end] + (index >> 16).to_bytes(4, "big"), packet[end:])
            plain = packet[:head] + rtp.count(ssrc, index, packet[head:end])
        replay.note(index)
        self._rtp_sources.keep(ssrc, replay)
        return plain

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """A compound packet as it was before."""
        rtcp, size = self._rtcp, len(packet)
        end = size - RTCP_INDEX_BYTES - rtcp.tag_bytes
        if end < _RTCP_HEADER_BYTES or packet[0] >> 6 != 2:
            raise MediaPacketError("SRTCP packet is too short", value=size)
        at = size - RTCP_INDEX_BYTES if rtcp.is_aead else end
        trailer, header = packet[at : at + RTCP_INDEX_BYTES], packet[:_RTCP_HEADER_BYTES]
        word, ssrc = int.from_bytes(trailer, "big"), int.from_bytes(header[4:], "big")
        index = word & _ENCRYPTED - 1
        replay = self._rtcp_sources.window(ssrc)
        if not word & _ENCRYPTED or not replay.is_fresh(index):
            raise MediaPacketError("SRTCP packet is in clear or came before", value=index)
        if rtcp.is_aead:
            body = rtcp.open(ssrc, index, header + trailer, packet[_RTCP_HEADER_BYTES:at])
        else:
            rtcp.check(packet[: at + RTCP_INDEX_BYTES], packet[at + RTCP_INDEX_BYTES :])
            body = rtcp.count(ssrc, index, packet[_RTCP_HEADER_BYTES:at])
        replay.note(index)
        self._rtcp_sources.keep(ssrc, replay)
        return header + body


def _extend(sequence: int, newest: int) -> int:
    """The 48-bit index nearest to the newest one (RFC 3711 3.3.1); with none, counter 0."""
    if newest < 0:
        return sequence
    index = (newest & ~0xFFFF) | sequence
    if index - newest > 0x8000 and index >= 0x10000:
        return index - 0x10000
    return index + 0x10000 if newest - index > 0x8000 else index


def _rtp_header_bytes(packet: bytes) -> int:
    """Fixed header, CSRCs and extension (RFC 3550 5.1). Raises MediaPacketError."""
    if len(packet) < 12 or packet[0] >> 6 != 2:
        raise MediaPacketError("not an RTP packet", value=len(packet))
    size = 12 + 4 * (packet[0] & 0xF)
    if packet[0] & 0x10:
        if size + 4 > len(packet):
            raise MediaPacketError("RTP header is cut off", value=len(packet))
        size += 4 + 4 * int.from_bytes(packet[size + 2 : size + 4], "big")
    if size > len(packet):
        raise MediaPacketError("RTP header is cut off", value=len(packet))
    return size
