"""DTLS-SRTP by aiortc's RTCDtlsTransport, without its SRTP: keys come out, media go elsewhere.

Beyond aiortc's public interface we lean on `_set_role`, `_set_state`, `_srtp_profiles`,
`_setup_srtp`, `_ssl`, `_role`, on `_create_ssl_context` of its certificates, and that a transport
is asked for `role`, `_recv` and `_send`, nothing else. tests/webrtc/test_dtls.py notices when an
upgrade moves them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTPProtectionProfile,
)
from OpenSSL import SSL

from webrtc.message_channel import ChannelOffer, MessageChannel
from webrtc.viewer_settings import SrtpKeys, SrtpProfile

PROFILES = (SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80)
"""In our order of preference, which decides when we are the DTLS server: GCM with 128 bits costs
a third of SHA-1 for each packet."""

_PROFILE_WORDS = {
    SRTP_AEAD_AES_128_GCM.openssl_profile: SrtpProfile.AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM.openssl_profile: SrtpProfile.AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80.openssl_profile: SrtpProfile.AES128_CM_SHA1_80,
}

_CIPHERS = b":".join(
    (
        b"ECDHE-ECDSA-AES128-GCM-SHA256",
        b"ECDHE-RSA-AES128-GCM-SHA256",
        b"ECDHE-ECDSA-CHACHA20-POLY1305",
        b"ECDHE-RSA-CHACHA20-POLY1305",
        b"ECDHE-ECDSA-AES128-SHA",
        b"ECDHE-RSA-AES128-SHA",
        b"ECDHE-ECDSA-AES256-SHA",
        b"ECDHE-RSA-AES256-SHA",
    )
)
"""aiortc's, and the same with RSA: GStreamer's certificates are RSA (1.22)."""

_RELEASE_BUFFERS = 0x10
"""SSL_MODE_RELEASE_BUFFERS, for which pyOpenSSL has no name."""

_MAX_WAITING_DATAGRAMS = 32
"""A flight is two to six datagrams; more that wait are a flood, or repetitions."""


@dataclass(frozen=True, slots=True)
class NegotiatedKeys:
    """What DTLS agreed on (RFC 5764 4.2): the keys of what we send and of what we receive."""

    send: SrtpKeys
    receive: SrtpKeys


class Certificate(RTCCertificate):
    """Our certificate, whose TLS context all sessions share: making one costs a millisecond."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            self._context.set_cipher_list(_CIPHERS)
            # Nobody resumes, and the context would keep every peer's certificate.
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            self._context.set_mode(_RELEASE_BUFFERS)
        return self._context


class _Pipe:
    """In the place of aiortc's RTCIceTransport: datagrams in from the mux, and out to it.

    Thousands wait with nothing to read; an asyncio.Queue would take 3 kB for each.
    """

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_datagram = send
        self._waiting: list[bytes] = []
        self._reader: asyncio.Future[None] | None = None
        self.is_closed = False

    def receive(self, datagram: bytes) -> None:
        if len(self._waiting) < _MAX_WAITING_DATAGRAMS:
            self._waiting.append(datagram)
            self._wake()

    def close(self) -> None:
        self.is_closed = True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def _recv(self) -> bytes:
        while not self._waiting and not self.is_closed:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if self.is_closed:
            raise ConnectionError
        return self._waiting.pop(0)

    async def _send(self, datagram: bytes) -> None:
        if not self.is_closed:
            self._send_datagram(datagram)


class _KeyTransport(RTCDtlsTransport):
    """Gives its keys instead of making libsrtp sessions, which the fan-out makes needless."""

    keys: NegotiatedKeys | None = None

    def _setup_srtp(self) -> None:
        assert self._ssl is not None, "aiortc calls this after its handshake"
        chosen = self._ssl.get_selected_srtp_profile()
        profile = next((each for each in PROFILES if each.openssl_profile == chosen), None)
        if profile is None:
            self._set_state(type(self._state).FAILED)
            return
        length = 2 * (profile.key_length + profile.salt_length)
        material = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", length)
        ours = 1 if self._role == "server" else 0
        self.keys = NegotiatedKeys(
            _keys(profile, material, ours), _keys(profile, material, 1 - ours)
        )


def _keys(profile: SRTPProtectionProfile, material: bytes, side: int) -> SrtpKeys:
    both = profile.get_key_and_salt(material, side)
    at = profile.key_length
    return SrtpKeys(_PROFILE_WORDS[profile.openssl_profile], both[:at], both[at:])


class DtlsTransport:
    """Owns the DTLS association of one session, and the task that drives it.

    ``send`` takes what is to go to the peer; ``on_end`` is called once, when the handshake failed
    or the association ended, with the reason. Data channels are `open_channel`'s.
    """

    def __init__(
        self,
        certificate: Certificate,
        *,
        is_server: bool,
        send: Callable[[bytes], None],
        on_keys: Callable[[NegotiatedKeys], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._pipe = _Pipe(send)
        self.transport = _KeyTransport(cast(Any, self._pipe), [certificate])
        self.transport._srtp_profiles = list(PROFILES)
        self.transport._set_role("server" if is_server else "client")
        self._on_keys = on_keys
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None
        self._channel: MessageChannel | None = None

    def open_channel(self, offer: ChannelOffer, on_text: Callable[[str], None]) -> MessageChannel:
        """Once DTLS is up: let the peer open data channels."""
        self._channel = MessageChannel(self.transport, offer, on_text)
        return self._channel

    def start(self, fingerprints: list[RTCDtlsFingerprint]) -> None:
        """Begin, or wait for the peer to begin, the handshake."""
        self._task = asyncio.get_running_loop().create_task(self._run(fingerprints))

    def receive(self, datagram: bytes) -> None:
        """A DTLS record of the peer; before `start` it waits."""
        self._pipe.receive(datagram)

    def close(self) -> None:
        """Say goodbye (close_notify) and end; nothing is reported any more."""
        self._on_end = _ignore
        task, self._task = self._task, asyncio.get_running_loop().create_task(self._stop())
        if task is not None:
            task.cancel()

    @property
    def has_ended(self) -> bool:
        """Whether none of its tasks runs."""
        return self._task is None or self._task.done()

    async def wait_closed(self) -> None:
        """After `close`: until nothing of it runs any more."""
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, fingerprints: list[RTCDtlsFingerprint]) -> None:
        await self.transport.start(RTCDtlsParameters(fingerprints=fingerprints))
        keys, self.transport.keys = self.transport.keys, None  # which nobody needs twice
        if keys is None or self.transport.state != "connected":
            self._on_end("DTLS handshake failed")
            return
        self.transport.add_listener("statechange", self._look)
        self._task = None  # it ends here; aiortc has one of its own from now on
        self._on_keys(keys)

    def _look(self) -> None:
        if self.transport.state == "closed":
            self._on_end("closed by the peer")

    async def _stop(self) -> None:
        if self._channel is not None:
            await self._channel.stop()
        await self.transport.stop()
        self._pipe.close()


def _ignore(reason: str) -> None:
    """Nobody listens any more."""
