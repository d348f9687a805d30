"""A data channel with the peer (RFC 8831), by aiortc's RTCSctpTransport on our DTLS: text.

The peer opens channels; the first of them is the one that counts. What it sends costs bounded
memory, and whatever confuses aiortc costs the peer its connection. Beyond aiortc's public interface
we override `_handle_data` of the SCTP transport, and look at `_advertised_rwnd`, `_inbound_streams`
and `_sack_misordered`; tests/webrtc/test_message_channel.py notices when an upgrade moves them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import (
    InvalidStateError,
    RTCDataChannel,
    RTCDtlsTransport,
    RTCSctpCapabilities,
    RTCSctpTransport,
)

SCTP_PORT = 5_000
"""Ours; everybody's (RFC 8841 has no default, but all browsers say this)."""

MOST_MESSAGE_BYTES = 16_384
"""That we take: a line of chat, in any script."""

MOST_UNSENT_BYTES = 131_072
"""A peer that has not taken so much is told nothing more until it has: some hundred messages."""

PACKETS_PER_S = 200
PACKETS_BURST = 400
"""Of SCTP that we read of a peer, each of which has up to 75 chunks of 10 µs and is answered; what
comes beyond is lost, which has SCTP slow down. Who takes all that a path may be told for long, some
170 kB/s, acknowledges it by 80 packets a second."""

_WINDOW_BYTES = 65_536
"""Of a message that is not whole yet, or out of order."""
_MOST_STREAMS = 16
_MOST_MISORDERED = 256


@dataclass(frozen=True, slots=True)
class ChannelOffer:
    """What an offer says of its SCTP association."""

    port: int
    most_message_bytes: int
    """That the peer takes; 0: any."""


class _Association(RTCSctpTransport):
    """Bounded, and deaf to what cannot be understood."""

    def __init__(self, transport: RTCDtlsTransport, now: Callable[[], float]) -> None:
        super().__init__(transport, SCTP_PORT)
        self._advertised_rwnd = _WINDOW_BYTES
        self._now = now
        self._allowance, self._allowed_at = float(PACKETS_BURST), now()
        self.dropped = 0
        """Packets that came too fast."""

    async def _handle_data(self, data: bytes) -> None:
        if not self._may_read():
            self.dropped += 1
            return
        try:
            await super()._handle_data(data)
        except ConnectionError:
            raise
        except Exception as error:  # aiortc asserts, indexes and converts as it goes
            raise ConnectionError(f"SCTP that cannot be read: {error}") from error
        is_flood = self._advertised_rwnd < 0 or len(self._inbound_streams) > _MOST_STREAMS
        if is_flood or len(self._sack_misordered) > _MOST_MISORDERED:
            raise ConnectionError("too much SCTP that is not whole")

    def _may_read(self) -> bool:
        now = self._now()
        more = PACKETS_PER_S * (now - self._allowed_at)
        self._allowance, self._allowed_at = min(PACKETS_BURST, self._allowance + more), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


class MessageChannel:
    """Owns a session's SCTP association and its channel; its DTLS transport makes and stops it."""

    def __init__(
        self, transport: RTCDtlsTransport, offer: ChannelOffer, on_text: Callable[[str], None]
    ) -> None:
        """``on_text`` is called with each text of the peer; other messages are ignored."""
        loop = asyncio.get_running_loop()
        self._association = _Association(transport, loop.time)
        self._association.on("datachannel", self._opened)
        self._offer = offer
        self._on_text = on_text
        self._channel: RTCDataChannel | None = None
        self._starting = loop.create_task(self._start())
        self.withheld = 0
        """Texts that the peer was not sent: it has no channel, or is too slow."""

    def send(self, text: str) -> bool:
        """Whether the text is on its way."""
        channel = self._channel
        is_open = channel is not None and channel.readyState == "open"
        if channel is not None and is_open and channel.bufferedAmount <= MOST_UNSENT_BYTES:
            with contextlib.suppress(ValueError, InvalidStateError):
                channel.send(text)
                return True
        self.withheld += 1
        return False

    async def stop(self) -> None:
        """The session is over."""
        self._starting.cancel()
        await self._association.stop()

    async def _start(self) -> None:
        capabilities = RTCSctpCapabilities(maxMessageSize=self._offer.most_message_bytes)
        with contextlib.suppress(ConnectionError):
            await self._association.start(capabilities, self._offer.port)

    def _opened(self, channel: RTCDataChannel) -> None:
        if self._channel is None or self._channel.readyState == "closed":
            self._channel = channel
            channel.on("message", self._take)

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, str) and len(message) <= MOST_MESSAGE_BYTES:
            self._on_text(message)
