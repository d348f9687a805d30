"""What a publisher sends, without its protection: batches of datagrams in, RTP and RTCP out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from webrtc import srtp
from webrtc.errors import MediaPacketError
from webrtc.native_choice import native
from webrtc.viewer_settings import SrtpKeys

if TYPE_CHECKING:
    from webrtc._fanout import SrtpReceiver as NativeReceiver

_LEAST_BYTES: Final = 12
_MOST_BYTES: Final = 2048


class SrtpReceiver:
    """One direction of one peer's SRTP session, by the C where it is there. A publisher's own."""

    def __init__(self, keys: SrtpKeys, *, pure_python: bool = False) -> None:
        self._native: NativeReceiver | None = None
        self._python: srtp.SrtpReceiver | None = None
        if native is None or pure_python:
            self._python = srtp.SrtpReceiver(keys)
        else:
            self._native = native.SrtpReceiver(int(keys.profile), keys.key, keys.salt)

    def unprotect(self, datagrams: Sequence[bytes]) -> list[bytes]:
        """Those that are authentic and new, in order; RTCP is known by its second byte."""
        if self._native is not None:
            return self._native.unprotect(datagrams)
        return [packet for packet in map(self._open, datagrams) if packet is not None]

    def _open(self, datagram: bytes) -> bytes | None:
        assert self._python is not None
        if not _LEAST_BYTES <= len(datagram) <= _MOST_BYTES:
            return None
        is_rtcp = 192 <= datagram[1] <= 223
        try:
            python = self._python
            return python.unprotect_rtcp(datagram) if is_rtcp else python.unprotect(datagram)
        except MediaPacketError:
            return None
