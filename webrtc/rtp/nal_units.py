"""NAL units of one access unit as packets bring them: whole, in aggregates, or in fragments.

H.264 (RFC 6184) and H.265 (RFC 7798) differ in the heads of these and in nothing else.
"""

from __future__ import annotations

from webrtc.errors import MediaPacketError
from webrtc.rtp.depacketizer import MAX_UNIT_BYTES

_START, _END = 0x80, 0x40
"""The same bits of a fragment's head in both (RFC 6184 5.8, RFC 7798 4.4.3)."""


class NalUnits:
    """Owns what has come of one access unit; its depacketizer is the only caller.

    Every packet is told of by ``expect`` first. All raise MediaPacketError.
    """

    def __init__(self) -> None:
        self._nals: list[bytes] = []
        self._fragments: bytearray | None = None
        self._size = 0

    def expect(self, size_bytes: int, *, is_fragment: bool) -> None:
        """A packet of that size is next."""
        self._size += size_bytes
        if self._size > MAX_UNIT_BYTES:
            raise MediaPacketError("an access unit that does not end", value=self._size)
        if not is_fragment:
            self._check_whole()

    def add(self, nal: bytes) -> None:
        """A whole one."""
        self._nals.append(nal)

    def add_aggregate(self, payload: bytes, head_bytes: int) -> None:
        """Several behind 2-byte lengths (RFC 6184 5.7.1, RFC 7798 4.4.2)."""
        position = head_bytes
        while position < len(payload):
            start = position + 2
            position = start + int.from_bytes(payload[position:start], "big")
            if position > len(payload) or position == start:
                raise MediaPacketError("an aggregate with a broken length")
            self._nals.append(payload[start:position])

    def add_fragment(self, head: int, nal_head: bytes, piece: bytes) -> None:
        """A piece of one; `head` has the bits of start and end, `nal_head` begins the whole."""
        if not piece:
            raise MediaPacketError("an empty fragment")
        if head & _START:
            self._fragments = bytearray(nal_head)
        if self._fragments is None:
            raise MediaPacketError("a fragment without its beginning")
        self._fragments += piece
        if head & _END:
            self._nals.append(bytes(self._fragments))
            self._fragments = None

    def take(self) -> list[bytes]:
        """All of the access unit, which is complete; the next one begins."""
        nals = self._nals
        try:
            self._check_whole()
        finally:
            self.drop()
        return nals

    def drop(self) -> None:
        """What has come is useless."""
        self._nals, self._fragments, self._size = [], None, 0

    def _check_whole(self) -> None:
        if self._fragments is not None:
            raise MediaPacketError("a fragmented NAL unit without an end")
