"""DTLS with aiortc's own transport on the other side, and the seams of aiortc that we lean on.

When an upgrade of aiortc fails here, `webrtc/dtls.py` has to follow it; the bound on its version
in pyproject.toml is there so that this happens when we want it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import inspect
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pylibsrtp
import pytest
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport, sdp
from aiortc.rtcdtlstransport import SRTP_AES128_CM_SHA1_80, X509_DIGEST_ALGORITHMS
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from webrtc.dtls import Certificate, DtlsTransport, NegotiatedKeys, _Pipe
from webrtc.viewer_settings import SrtpProfile


class _Wire:
    """What aiortc asks of an ICE transport, for the stock side."""

    role = "controlled"

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self.other: DtlsTransport | None = None

    async def _recv(self) -> bytes:
        return await self.waiting.get()

    async def _send(self, datagram: bytes) -> None:
        assert self.other is not None
        self.other.receive(datagram)


class Pair:
    """Ours, and aiortc's."""

    def __init__(self, certificate: RTCCertificate, *, is_server: bool) -> None:
        self.keys: asyncio.Queue[NegotiatedKeys] = asyncio.Queue()
        self.ends: asyncio.Queue[str] = asyncio.Queue()
        self.certificate = Certificate.generateCertificate()
        self.wire = _Wire()
        self.ours = DtlsTransport(
            self.certificate,
            is_server=is_server,
            send=self.wire.waiting.put_nowait,
            on_keys=self.keys.put_nowait,
            on_end=self.ends.put_nowait,
        )
        self.wire.other = self.ours
        self.stock: Any = RTCDtlsTransport(self.wire, [certificate])  # type: ignore[arg-type]
        self.stock._set_role("client" if is_server else "server")

    async def shake_hands(self, fingerprints: list[RTCDtlsFingerprint]) -> None:
        self.ours.start(fingerprints)
        theirs = RTCDtlsParameters(fingerprints=self.certificate.getFingerprints())
        await asyncio.wait_for(self.stock.start(theirs), 5)


@contextlib.asynccontextmanager
async def a_pair(
    certificate: RTCCertificate | None = None, *, is_server: bool = True
) -> AsyncIterator[Pair]:
    pair = Pair(certificate or RTCCertificate.generateCertificate(), is_server=is_server)
    try:
        yield pair
    finally:
        await pair.stock.stop()
        pair.ours.close()
        await pair.ours.wait_closed()


RTP = bytes.fromhex("80600001000000010000000a") + b"payload"


def session(keys: Any, direction: int) -> pylibsrtp.Session:
    profiles = {
        SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
        SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    }
    return pylibsrtp.Session(
        pylibsrtp.Policy(
            key=keys.key + keys.salt, ssrc_type=direction, srtp_profile=profiles[keys.profile]
        )
    )


@pytest.mark.parametrize("is_server", [True, False], ids=["passive", "active"])
async def test_both_sides_have_each_others_keys(is_server: bool) -> None:
    async with a_pair(is_server=is_server) as pair:
        await pair.shake_hands(pair.stock.getLocalParameters().fingerprints)
        keys = await asyncio.wait_for(pair.keys.get(), 5)
        policy = pylibsrtp.Policy
        sent = session(keys.send, policy.SSRC_ANY_OUTBOUND).protect(RTP)
        assert pair.stock._rx_srtp.unprotect(sent) == RTP
        received = pair.stock._tx_srtp.protect(RTP)
        assert session(keys.receive, policy.SSRC_ANY_INBOUND).unprotect(received) == RTP


async def test_as_server_we_choose_gcm_with_128_bits() -> None:
    async with a_pair() as pair:
        await pair.shake_hands(pair.stock.getLocalParameters().fingerprints)
        keys = await asyncio.wait_for(pair.keys.get(), 5)
        assert keys.send.profile is SrtpProfile.AEAD_AES_128_GCM


async def test_a_peer_that_knows_nothing_but_sha1_is_served() -> None:
    async with a_pair() as pair:
        pair.stock._srtp_profiles = [SRTP_AES128_CM_SHA1_80]
        await pair.shake_hands(pair.stock.getLocalParameters().fingerprints)
        keys = await asyncio.wait_for(pair.keys.get(), 5)
        assert keys.send.profile is SrtpProfile.AES128_CM_SHA1_80


@pytest.mark.parametrize("is_server", [True, False], ids=["passive", "active"])
async def test_a_peer_with_an_rsa_certificate_is_served(is_server: bool) -> None:
    key = rsa.generate_private_key(65_537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rsa")])
    now = datetime.datetime.now(tz=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    certificate = _RsaCertificate(key, made)  # type: ignore[arg-type]
    async with a_pair(certificate, is_server=is_server) as pair:
        await pair.shake_hands(pair.stock.getLocalParameters().fingerprints)
        assert await asyncio.wait_for(pair.keys.get(), 5)


class _RsaCertificate(RTCCertificate):
    def _create_ssl_context(self, srtp_profiles: Any) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
        return context


async def test_another_fingerprint_than_the_offers_ends_it() -> None:
    async with a_pair() as pair:
        wrong = RTCDtlsFingerprint("sha-256", ":".join(["AA"] * 32))
        await pair.shake_hands([wrong])
        assert await asyncio.wait_for(pair.ends.get(), 5) == "DTLS handshake failed"
        assert pair.keys.empty()


async def test_a_peer_that_says_goodbye_ends_it() -> None:
    async with a_pair() as pair:
        await pair.shake_hands(pair.stock.getLocalParameters().fingerprints)
        await pair.keys.get()
        await pair.stock.stop()
        assert await asyncio.wait_for(pair.ends.get(), 5) == "closed by the peer"


async def test_nonsense_and_floods_before_the_handshake_are_survived() -> None:
    async with a_pair() as pair:
        for _ in range(1_000):
            pair.ours.receive(bytes([22]) + bytes(40))
        await pair.shake_hands(pair.stock.getLocalParameters().fingerprints)
        assert await asyncio.wait_for(pair.keys.get(), 5)


def test_the_seams_of_aiortc_are_where_they_were() -> None:
    members = dict(inspect.getmembers(RTCDtlsTransport))
    assert {"_set_role", "_set_state", "_setup_srtp"} <= members.keys()
    transport = inspect.getsource(RTCDtlsTransport)
    for word in ("self._srtp_profiles = ", "self._ssl: ", "self._setup_srtp()", "self._role"):
        assert word in transport
    asked = {line.split("transport.")[1].split("(")[0].split(" ")[0].rstrip(":,")
             for line in transport.splitlines() if "self.transport." in line}  # fmt: skip
    assert asked == {"_recv", "_send", "role"}
    parameters = inspect.signature(RTCCertificate._create_ssl_context).parameters
    assert list(parameters) == ["self", "srtp_profiles"]
    assert set(X509_DIGEST_ALGORITHMS) == {"sha-256", "sha-384", "sha-512"}
    assert sdp.SessionDescription.parse("v=0\r\n").media == []


async def test_who_has_nothing_to_read_takes_little_memory() -> None:
    pipe = _Pipe(lambda data: None)
    reading = asyncio.ensure_future(pipe._recv())
    tracemalloc.start()
    more = [_Pipe(lambda data: None) for _ in range(100)]
    taken = tracemalloc.get_traced_memory()[0] / len(more)
    tracemalloc.stop()
    assert taken < 500, "bytes"
    pipe.close()
    with pytest.raises(ConnectionError):
        await reading


async def test_datagrams_are_read_in_order_and_a_flood_of_them_is_cut() -> None:
    pipe = _Pipe(lambda data: None)
    reading = asyncio.ensure_future(pipe._recv())
    await asyncio.sleep(0)
    for number in range(100):
        pipe.receive(bytes((number,)))
    assert await reading == b"\0"
    assert [await pipe._recv() for _ in range(3)] == [b"\1", b"\2", b"\3"]
    rest = len(pipe._waiting)
    assert [await pipe._recv() for _ in range(rest)][-1] < b"\x40"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pipe._recv(), 0.001)
    pipe.receive(b"late")
    assert await pipe._recv() == b"late", "a reader that gave up took nothing with it"
