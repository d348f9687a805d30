"""(w1) WebRTC senders alone: the fan-out beside the kernel's own limit and beside aiortc.

2.57 Mb/s of video and 64 kb/s of sound to each viewer, as fast as it goes, on one core; the other
core counts every packet (`bench.rtp_sink`), and libsrtp opens a sample. The limit is what sendmmsg
with GSO does with packets of the same sizes in the same order that nobody has to head or encrypt.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from pylibsrtp import Policy, Session

from bench.figures import Aim, Figure
from bench.processes import BenchError, pinned, python
from bench.rtp_load import FRAME_RATE
from bench.rtp_sender import keys_of
from bench.servers import scratch

VIEWERS, AIORTC_VIEWERS = 100, 10
SENDER_CORE, SINK_CORE = 0, 1
SLOW = ("aiortc",)
SENDERS = ("raw", "raw-gso", "gcm", "sha1", *SLOW)
LEAST_OF_LIMIT, LEAST_OF_AIORTC = 0.75, 15.0


def measure(runs: int, seconds: int) -> list[Figure]:
    """Each sender in turn, `runs` times, with media of `seconds`."""
    rates: dict[str, list[float]] = {who: [] for who in SENDERS}
    for _ in range(runs):
        for who in SENDERS:
            rates[who].append(_rate(who, seconds * FRAME_RATE))
    unit = "1,000 packets/s"

    def figure(name: str, ours: str, theirs: str, peer: str, aim: Aim | None) -> Figure:
        values = tuple(rates[ours]), tuple(rates[theirs])
        return Figure("w1", name, unit, values[0], peer, values[1], aim)

    limit, least = "sendmmsg + GSO", Aim(LEAST_OF_LIMIT, at_least=True)
    aiortc = Aim(LEAST_OF_AIORTC, at_least=True)
    return [
        figure("a core's packets, AES-128-GCM", "gcm", "raw-gso", limit, least),
        figure("… AES-128-CM with HMAC-SHA1", "sha1", "raw-gso", limit, None),
        figure("… AES-128-GCM", "gcm", "raw", "sendmmsg", None),
        figure("… AES-128-GCM", "gcm", "aiortc", "aiortc", aiortc),
        figure("… AES-128-CM with HMAC-SHA1", "sha1", "aiortc", "aiortc", None),
    ]


def _rate(who: str, moments: int) -> float:
    """Thousands of packets per second of CPU. Raises BenchError when one was lost or is wrong."""
    with scratch("bench-w1-") as root:
        counter = root / "count"
        counter.write_bytes(bytes(8))
        viewers = AIORTC_VIEWERS if who in SLOW else VIEWERS
        command = pinned(python("bench.rtp_sink", str(counter), str(viewers)), SINK_CORE)
        sink = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert sink.stdin is not None
        assert sink.stdout is not None
        try:
            ports = json.loads(sink.stdout.readline())
            account = _send(who, moments, counter, ports)
        finally:
            sink.stdin.close()
            rest = sink.stdout.read()
            sink.stdout.close()
            sink.wait()
        counted = int.from_bytes(counter.read_bytes(), "little")
        if counted != account["packets"]:
            raise BenchError(f"{who}: {account['packets']} packets sent, {counted} came")
        if not who.startswith("raw"):
            _open_sample(who, [bytes.fromhex(packet) for packet in json.loads(rest)])
        return float(account["packets"] / account["cpu_s"] / 1000)


def _send(who: str, moments: int, counter: Path, ports: list[int]) -> dict[str, Any]:
    command = python("bench.rtp_sender", who, str(moments), str(counter), *map(str, ports))
    done = subprocess.run(pinned(command, SENDER_CORE), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{who}: {done.stderr.strip()[-2000:]}")
    account: dict[str, Any] = json.loads(done.stdout)
    return account


def _open_sample(who: str, sample: list[bytes]) -> None:
    keys = keys_of(who)
    profile = Policy.SRTP_PROFILE_AES128_CM_SHA1_80
    if keys.profile.tag_bytes == 16:
        profile = Policy.SRTP_PROFILE_AEAD_AES_128_GCM
    policy = Policy(keys.key + keys.salt, Policy.SSRC_ANY_INBOUND, srtp_profile=profile)
    session = Session(policy)
    for packet in sample:
        is_rtcp = 192 <= packet[1] <= 223
        session.unprotect_rtcp(packet) if is_rtcp else session.unprotect(packet)
    if not sample:
        raise BenchError(f"{who}: no packet to look at")
