"""aiortc's senders without its ICE and DTLS, which do no work for each packet worth mentioning."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpSendParameters,
)
from av.packet import Packet
from pylibsrtp import Policy, Session

SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"


class EncodedTrack(MediaStreamTrack):
    """Gives encoded packets as they are put in."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__()
        self.packets: asyncio.Queue[Packet[Any]] = asyncio.Queue()
        self._is_asked = False

    async def recv(self) -> Packet[Any]:
        if self._is_asked:
            self.packets.task_done()  # what was given before has been sent by now
        self._is_asked = True
        return await self.packets.get()

    def put(self, data: bytes, pts: int, time_base: Fraction) -> None:
        """An access unit to be sent."""
        packet: Packet[Any] = Packet(data)
        packet.pts, packet.time_base = pts, time_base
        self.packets.put_nowait(packet)


class _Transport:
    """What RTCRtpSender wants of RTCDtlsTransport."""

    state = "connected"
    _stats_id = "bench"

    def __init__(self, transport: asyncio.DatagramTransport, port: int, key: bytes) -> None:
        policy = Policy(key, Policy.SSRC_ANY_OUTBOUND)
        self._srtp = Session(policy)
        self._transport, self._address = transport, ("127.0.0.1", port)
        self.packets = 0

    def _register_rtp_sender(self, sender: RTCRtpSender, parameters: Any) -> None:
        pass

    def _unregister_rtp_sender(self, sender: RTCRtpSender) -> None:
        pass

    async def _send_rtp(self, data: bytes) -> None:
        is_rtcp = 192 <= data[1] <= 223
        sealed = self._srtp.protect_rtcp(data) if is_rtcp else self._srtp.protect(data)
        self._transport.sendto(sealed, self._address)
        self.packets += 1


class AiortcViewer:
    """One viewer's two senders."""

    def __init__(self, transport: asyncio.DatagramTransport, port: int, key: bytes) -> None:
        self._transport = _Transport(transport, port, key)
        self._tracks = {kind: EncodedTrack(kind) for kind in ("video", "audio")}
        self._senders = [RTCRtpSender(t, self._transport) for t in self._tracks.values()]  # type: ignore[arg-type]

    async def start(self) -> None:
        """Begin to take packets."""
        codecs = (
            RTCRtpCodecParameters("video/H264", 90_000, payloadType=96),
            RTCRtpCodecParameters("audio/opus", 48_000, 2, payloadType=111),
        )
        extensions = [
            RTCRtpHeaderExtensionParameters(4, MID),
            RTCRtpHeaderExtensionParameters(2, SEND_TIME),
        ]
        for number, (sender, codec) in enumerate(zip(self._senders, codecs, strict=True)):
            rtcp = RTCRtcpParameters(cname="bench", mux=True)
            await sender.send(
                RTCRtpSendParameters([codec], extensions, muxId=str(number), rtcp=rtcp)
            )

    async def wait_sent(self) -> None:
        """Until all that was put in has been sent."""
        for track in self._tracks.values():
            await track.packets.join()

    @property
    def packets(self) -> int:
        """Sent so far."""
        return self._transport.packets

    def picture(self, nal_unit: bytes, pts: int, time_base: Fraction) -> None:
        """One access unit."""
        self._tracks["video"].put(b"\0\0\0\1" + nal_unit, pts, time_base)

    def sound(self, packet: bytes, pts: int, time_base: Fraction) -> None:
        """One Opus packet."""
        self._tracks["audio"].put(packet, pts, time_base)

    async def stop(self) -> None:
        """End both."""
        for sender in self._senders:
            await sender.stop()
