"""FFmpeg's own depacketizers put together again what our packetizers took apart."""

from __future__ import annotations

import dataclasses
import socket
import struct
import threading
from pathlib import Path

import av
import pytest

from segmenter.codecs.av1 import split_obus
from segmenter.codecs.nal_units import split_annex_b, split_length_prefixed
from segmenter.media import Codec, Sample, Track
from tests.webrtc.rtp.clips import samples_of
from webrtc.packetizer import packetizer_of, rtp_timestamp

pytestmark = pytest.mark.slow

FRAMES = 20
NAMES = {Codec.H264: "H264", Codec.H265: "H265", Codec.VP9: "VP9", Codec.AV1: "AV1"}


def sdp_of(track: Track, port: int) -> str:
    form = "a=fmtp:96 packetization-mode=1\n" if track.codec is Codec.H264 else ""
    return (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {port} RTP/AVP 96\na=rtpmap:96 {NAMES[track.codec]}/90000\n{form}"
    )


def packets_of(track: Track, samples: list[Sample]) -> list[bytes]:
    """RTP as the fan-out would head it."""
    packets, sequence = [], 0
    packetizer = packetizer_of(track)
    for sample in samples:
        payloads = packetizer.push(sample)
        for number, payload in enumerate(payloads):
            last = 0x80 if number == len(payloads) - 1 else 0
            numbers = (0x80, 96 | last, sequence, rtp_timestamp(track, sample.pts), 7)
            packets.append(struct.pack("!BBHII", *numbers) + payload)
            sequence += 1
    return packets


def read_by_ffmpeg(sdp: Path, port: int, packets: list[bytes], wanted: int) -> list[bytes]:
    """What its demuxer gives while the packets come, over and over until it has enough."""
    stop = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for packet in packets:
                out.sendto(packet, ("127.0.0.1", port))
                if stop.wait(0.0005):
                    return

    found: list[bytes] = []
    options = {
        "protocol_whitelist": "file,udp,rtp",
        "buffer_size": "4000000",
        "reorder_queue_size": "0",
        "probesize": "32",
        "analyzeduration": "0",
        "fflags": "nobuffer",
    }
    sender = threading.Timer(0.5, send)  # the demuxer binds its port while it opens
    sender.start()
    try:
        with av.open(str(sdp), options=options, timeout=10.0) as container:
            for packet in container.demux(video=0):
                found.append(bytes(packet))
                if len(found) >= wanted:
                    break
    finally:
        stop.set()
        sender.join()
    return found


def units_of(codec: Codec, data: bytes, *, is_annex_b: bool) -> list[bytes]:
    """The access unit in pieces that do not depend on how they are framed."""
    if codec in (Codec.H264, Codec.H265):
        nals = split_annex_b(data) if is_annex_b else split_length_prefixed(data)
        return [bytes(nal) for nal in nals]
    if codec is Codec.AV1:
        return [bytes(obu.payload) for obu in split_obus(data) if obu.type != 2]
    return [data]


def free_port() -> int:
    """An even one: RTCP has the next."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            if port % 2 == 0:
                return port


@pytest.mark.parametrize("name", ["two-second-gop.mp4", "hevc.mp4", "vp9.mp4", "av1.mp4"])
def test_ffmpeg_reads_every_picture_as_it_was(name: str, tmp_path: Path) -> None:
    track, samples = samples_of(name, Codec.OPUS, Codec.AAC)
    first = dataclasses.replace(samples[0], pts=samples[0].pts - 3000)
    # FFmpeg keeps the first picture to itself while it opens, and the last until another comes
    sent = [first, *samples[: FRAMES + 1]]
    port, sdp = free_port(), tmp_path / "stream.sdp"
    sdp.write_text(sdp_of(track, port))
    found = read_by_ffmpeg(sdp, port, packets_of(track, sent), FRAMES)
    assert len(found) == FRAMES
    for sample, data in zip(samples, found, strict=False):
        ours = units_of(track.codec, sample.data, is_annex_b=False)
        theirs = units_of(track.codec, data, is_annex_b=True)
        assert theirs[-len(ours) :] == ours  # parameter sets go before a sync sample
