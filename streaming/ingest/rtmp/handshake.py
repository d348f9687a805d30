"""The RTMP handshake of the server (RTMP 1.0, 5.2), sans-IO.

C0 and C1 are answered at once by S0, S1 and S2, where S2 echoes C1. Clients that offer the
undocumented digest handshake (version bytes in C1) see zeros in S1's version field, understand
that the server is plain, and go on with the plain one: so do ffmpeg, librtmp and GStreamer.
C2 is not compared with S1: several clients fill it wrongly and nothing depends on it.
"""

from __future__ import annotations

from streaming.errors import LocalError, RtmpError

VERSION = 3
PACKET_BYTES = 1536
NONCE_BYTES = PACKET_BYTES - 8

_TLS_HANDSHAKE_RECORD = 0x16
_ENCRYPTED_VERSIONS = (6, 8, 9)


class Handshake:
    """Owns the first 3,073 bytes of a connection; only RtmpConnection calls it.

    ``nonce`` is the random part of S1 (NONCE_BYTES bytes): the shell has the randomness.
    """

    def __init__(self, nonce: bytes) -> None:
        if len(nonce) != NONCE_BYTES:
            raise LocalError(f"a handshake nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
        self._nonce = nonce
        self._received = bytearray()
        self._answered = False
        self.is_complete = False

    def receive_data(self, data: bytes) -> tuple[bytes, bytes]:
        """Take bytes of the client; returns (what to send, what follows the handshake).

        Raises RtmpError when the first byte is not RTMP's.
        """
        self._received += data
        _check_version(self._received[0] if self._received else VERSION)
        answer = b""
        if not self._answered and len(self._received) > PACKET_BYTES:
            self._answered = True
            c1 = self._received[1 : 1 + PACKET_BYTES]
            answer = b"".join((bytes((VERSION,)), bytes(8), self._nonce, c1))
        if len(self._received) <= 2 * PACKET_BYTES:
            return answer, b""
        self.is_complete = True
        return answer, bytes(self._received[1 + 2 * PACKET_BYTES :])


def _check_version(version: int) -> None:
    if version == VERSION:
        return
    if version == _TLS_HANDSHAKE_RECORD:
        raise RtmpError("this looks like TLS, and RTMPS is not spoken here", value=version)
    if version in _ENCRYPTED_VERSIONS:
        raise RtmpError("encrypted RTMP (RTMPE) is not spoken here", value=version)
    raise RtmpError(f"not RTMP: first byte {version}", value=version)
