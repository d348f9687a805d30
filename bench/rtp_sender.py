"""One sender under measurement: `python -m bench.rtp_sender <who> <moments> <counter> <ports>`.

Sends the same moments to each port as fast as the other side takes them, and prints packets and
the CPU seconds that sending took, as JSON. Waiting for the other side is not counted.

| who            | what                                                                     |
|----------------|--------------------------------------------------------------------------|
| `raw`          | sendmmsg of packets as they are, the same for everybody                  |
| `raw-gso`      | the same, runs of up to 16 equal packets as one: the kernel's limit      |
| `gcm`, `sha1`  | the fan-out: headers, SRTP and sending for each viewer                   |
| `python`       | its Python twin, GCM                                                     |
| `aiortc`       | RTCRtpSender for each viewer, pylibsrtp, asyncio's sendto; without its   |
|                | ICE and DTLS layers, to its advantage                                    |
"""

from __future__ import annotations

import asyncio
import json
import mmap
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.datagrams import Outgoing, open_socket
from bench.rtp_load import FRAME_RATE, TICKS_PER_FRAME, TICKS_PER_SOUND, Moment, moments
from segmenter.codecs.h264 import write_decoder_configuration
from segmenter.media import Codec, Sample, Track
from webrtc.fanout import Fanout
from webrtc.packetizer import packetizer_of
from webrtc.viewer_settings import SrtpKeys, SrtpProfile, StreamSettings, ViewerSettings

KEY, SALT = bytes(range(16)), bytes(range(100, 114))
VIDEO_SSRC, AUDIO_SSRC = 1, 2
HEADER_AND_TAG_BYTES = 12 + 12 + 16
CHUNK = 16
SPS = bytes.fromhex("6742c01fda014016e840000003004000000c83c60c92")
TRACK = Track("v", Codec.H264, 90_000, write_decoder_configuration([SPS], [b"\x68\xce\x3c\x80"]))
WAIT_S = 20.0


def keys_of(who: str) -> SrtpKeys:
    """What a sender protects with, for the one who looks at the sample."""
    if who in ("sha1", "aiortc"):
        return SrtpKeys(SrtpProfile.AES128_CM_SHA1_80, KEY, SALT)
    return SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, KEY, SALT[:12])


class Other:
    """The other side's count of packets."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._count = memoryview(mmap.mmap(opened.fileno(), 8)).cast("Q")

    def wait(self, packets: int) -> None:
        """Until it has as many, or has stopped counting."""
        deadline = time.monotonic() + WAIT_S
        while self._count[0] < packets and time.monotonic() < deadline:
            time.sleep(0.0002)


def main(arguments: list[str]) -> None:
    """Sends, and prints the account."""
    who, count, file, *ports = arguments
    work, other = moments(int(count)), Other(Path(file))
    numbers = [int(port) for port in ports]
    if who == "aiortc":
        account = asyncio.run(send_by_aiortc(work, other, numbers))
    elif who.startswith("raw"):
        account = send_raw(work, other, numbers, 16 if who == "raw-gso" else 1)
    else:
        account = send_by_fanout(who, work, other, numbers)
    print(json.dumps(account))


def _timed(function: Callable[..., Any], *arguments: object) -> float:
    before = time.thread_time()
    function(*arguments)
    return time.thread_time() - before


def send_raw(work: list[Moment], other: Other, ports: list[int], run: int) -> dict[str, float]:
    """Packets of the sizes that the fan-out's have, in its order, without any work on them."""
    packetizer, opened = packetizer_of(TRACK), open_socket()
    cpu_s, packets = 0.0, 0
    for moment in work:
        sample = Sample("v", 0, 0, moment.length_prefixed, moment.is_key)
        payloads = packetizer.push(sample)
        messages = [(port, bytes(len(s) + HEADER_AND_TAG_BYTES), len(s) + HEADER_AND_TAG_BYTES)
                    for s in moment.sounds for port in ports]  # fmt: skip
        for first in range(0, len(payloads), CHUNK):
            runs = _runs([len(p) for p in payloads[first : first + CHUNK]], run)
            messages += [(port, bytes(size), each) for port in ports for size, each in runs]
        outgoing = Outgoing(messages)
        cpu_s += _timed(outgoing.send, opened)
        packets += outgoing.packets
        other.wait(packets)
    return {"packets": packets, "cpu_s": cpu_s}


def _runs(sizes: list[int], most: int) -> list[tuple[int, int]]:
    """Total and packet size of runs whose packets are equal but for a smaller last one."""
    runs: list[tuple[int, int]] = []
    is_open = False
    for payload in sizes:
        size = payload + HEADER_AND_TAG_BYTES
        if is_open and size <= runs[-1][1] and runs[-1][0] < runs[-1][1] * most:
            runs[-1] = (runs[-1][0] + size, runs[-1][1])
            is_open = size == runs[-1][1]
        else:
            runs.append((size, size))
            is_open = True
    return runs


def viewer_of(who: str, port: int) -> ViewerSettings:
    """As a browser's settings are: RTX, mid, abs-send-time."""
    video = StreamSettings(VIDEO_SSRC, 96, 90_000, 3, 97, b"0", 4, 2)
    audio = StreamSettings(AUDIO_SSRC, 111, 48_000, 0, 0, b"1", 4, 2)
    keys, name = keys_of(who), f"a{port}:b"
    return ViewerSettings(
        ("127.0.0.1", port), 0, keys, keys, name, "password", "bench", video, audio, 10**10
    )


def send_by_fanout(
    who: str, work: list[Moment], other: Other, ports: list[int]
) -> dict[str, float]:
    """The fan-out, its clock put on by a thirtieth of a second for each moment."""
    packetizer, opened = packetizer_of(TRACK), open_socket()
    fanout = Fanout([opened.fileno()], 0, pure_python=who == "python")
    video, audio = fanout.add_ring(90_000), fanout.add_ring(48_000)
    for port in ports:
        viewer = fanout.add_viewer(viewer_of(who, port), now_s=0.0)
        fanout.play(viewer, "video", video)
        fanout.play(viewer, "audio", audio, "live")
    fanout.step(0.0)
    cpu_s, packets, sounds = 0.0, 0, 0
    for moment in work:
        now_s = 1.0 + moment.number / FRAME_RATE
        sample = Sample("v", 0, 0, moment.length_prefixed, moment.is_key)

        def send(now_s: float = now_s, sample: Sample = sample, moment: Moment = moment) -> None:
            nonlocal sounds
            for sound in moment.sounds:
                ticks, sounds = sounds * TICKS_PER_SOUND & 0xFFFFFFFF, sounds + 1
                fanout.write(audio, [sound], ticks, True, now_s, now_s=now_s)
            payloads, ticks = packetizer.push(sample), moment.number * TICKS_PER_FRAME
            fanout.write(video, payloads, ticks, moment.is_key, now_s, now_s=now_s)
            for later in range(20):  # what is paced leaves with the next millisecond
                if fanout.step(now_s + later / 1000) > now_s + 0.03:
                    break

        cpu_s += _timed(send)
        packets = fanout.statistics().packets
        other.wait(packets)
    fanout.close()
    return {"packets": packets, "cpu_s": cpu_s}


async def send_by_aiortc(work: list[Moment], other: Other, ports: list[int]) -> dict[str, float]:
    """An RTCRtpSender for each stream of each viewer, fed with encoded packets."""
    from bench.aiortc_senders import AiortcViewer

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=open_socket())
    viewers = [AiortcViewer(transport, port, KEY + SALT) for port in ports]
    for viewer in viewers:
        await viewer.start()
    before, sounds = time.process_time(), 0
    for moment in work:
        for viewer in viewers:
            for number, sound in enumerate(moment.sounds):
                viewer.sound(sound, (sounds + number) * TICKS_PER_SOUND, Fraction(1, 48_000))
            viewer.picture(moment.nal_unit, moment.number * TICKS_PER_FRAME, Fraction(1, 90_000))
        sounds += len(moment.sounds)
        for viewer in viewers:
            await viewer.wait_sent()
    cpu_s = time.process_time() - before
    for viewer in viewers:
        await viewer.stop()
    packets = sum(viewer.packets for viewer in viewers)
    other.wait(packets)
    transport.close()
    return {"packets": packets, "cpu_s": cpu_s}


if __name__ == "__main__":
    main(sys.argv[1:])
