"""(w2) Whole WebRTC servers: viewers by WHEP, real ICE and DTLS, the same media in real time.

2.6 Mb/s of video at 30 fps and 64 kb/s of sound to each viewer. The server has one core, everything
else the other one. Headwater gets the media by RTMP and makes Opus of the AAC; stock aiortc reads
them, already encoded, from memory. Viewers are counted as a core could have them: those there are,
by what their packets took of it.

Headwater three times, each time with as many viewers as load its core by 70 %: all at one source,
whose pictures are due to all of them at once; the same with senders that are real-time, where the
system allows it; and at three sources whose pictures come one after the other, as those of
strangers do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.clips import BASE_S, ClipRequest, clip
from bench.figures import Aim, Figure
from bench.processes import BenchError, ProcessTree, pinned, python, running, wait_until
from bench.rtmp_sender import GOP_S
from bench.servers import Server, free_port, headwater
from bench.viewers import Viewers, viewing

VIDEO_KBPS = 2600
AIORTC_VIEWERS = 30
"""About 70 % of a core, on the machines that this was made on."""
LOAD = 0.7
"""Of the server's core, which is how many viewers Headwater gets; the rows tell what it was."""
FIRST_VIEWERS = 400
"""By whose load it is known how many more; joins are measured by them, too."""
STEPS, STEP = 3, 0.7
"""So often more join, each time so much of who seems to be missing: what a viewer costs varies."""
LEAST_STEP = 20
SOURCES = 3
"""With a third of the viewers each. Every further one costs some 8 % of the core by itself: it is
received, packaged, and its sound made into Opus, so that six would leave no room for viewers."""
OUT_OF_STEP_S = GOP_S + 1 / 30
"""Over which the sources' starts are spread, so that neither pictures nor key frames meet."""
SERVER_CORE, OTHER_CORE = 0, 1
LEAST_PACKETS = 200
"""Each second to each viewer: 2.6 Mb/s are 270 and more of video, and 50 of sound."""
READY_S = 30.0
SETTLE_S = 3.0
JOIN_LIMIT_S = 180.0
PUNCTUAL = ["nice", "-n", "-15"]
"""The publisher shares a core with all viewers and is not to be late; where that is allowed."""
KINDS = ("picture", "sound")

Buckets = dict[float, float]
"""Of a histogram: upper bound, and how many were at most that."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One server with its viewers."""

    priority: str
    """Of ours, what its senders have."""
    viewers: int
    viewers_per_core: float
    load: float
    """Of its core, 0 to 1."""
    join_cpu_ms: float
    """Of a viewer."""
    rss_kb: float
    """Of a viewer."""
    video_late_ms: float
    audio_late_ms: float
    """As viewers saw it: the publisher's and the encoder's time, too."""
    video_left_ms: float
    audio_left_ms: float
    """As the server says: from the packetizer to the socket."""


def measure(runs: int, seconds: int) -> list[Figure]:
    """Both servers in turn, `runs` times."""
    ours: list[Measured] = []
    real_time: list[Measured] = []
    apart: list[Measured] = []
    theirs: list[Measured] = []
    file = clip(ClipRequest(VIDEO_KBPS, BASE_S))
    for _ in range(runs):
        ours.append(_headwater(file, seconds, 1))
        real_time.append(_headwater(file, seconds, 1, 'priority = "realtime"\n'))
        apart.append(_headwater(file, seconds, SOURCES))
        theirs.append(_aiortc(file, seconds))
    return [
        *_beside(ours, theirs),
        *_apart(f'priority = "{real_time[0].priority}"', real_time),
        *_apart(f"{SOURCES} sources out of step", apart),
    ]


def _values(many: Sequence[Measured], of: str) -> tuple[float, ...]:
    return tuple(float(getattr(one, of)) for one in many)


def _beside(ours: Sequence[Measured], theirs: Sequence[Measured]) -> list[Figure]:
    def figure(name: str, unit: str, of: str, aim: Aim | None = None) -> Figure:
        return Figure("w2", name, unit, _values(ours, of), "aiortc", _values(theirs, of), aim)

    def alone(name: str, unit: str, of: str, aim: Aim) -> Figure:
        return Figure("w2", name, unit, _values(ours, of), aim=aim)

    return [
        figure("viewers at 2.7 Mb/s on a core", "viewers", "viewers_per_core",
               Aim(10, at_least=True)),
        alone("… the aim for ours alone", "viewers", "viewers_per_core",
              Aim(900, "ours", at_least=True)),
        figure("viewers", "viewers", "viewers"),
        figure("load of the core meanwhile", "of a core", "load"),
        figure("a picture's last packet, p99 late", "ms", "video_late_ms", Aim(20, of="ours")),
        figure("a sound's packet, p99 late", "ms", "audio_late_ms"),
        alone("… the sender's share of a picture's", "ms", "video_left_ms", Aim(20, of="ours")),
        alone("… the sender's share of a sound's", "ms", "audio_left_ms", Aim(10, of="ours")),
        figure("CPU of a join", "ms", "join_cpu_ms", Aim(12, of="ours")),
        figure("memory of a viewer", "kB", "rss_kb", Aim(100, of="ours")),
    ]  # fmt: skip


def _apart(how: str, measured: Sequence[Measured]) -> list[Figure]:
    """Lateness in another setting."""

    def figure(name: str, unit: str, of: str, aim: Aim | None = None) -> Figure:
        return Figure("w2", f"{how}: {name}", unit, _values(measured, of), aim=aim)

    return [
        figure("viewers", "viewers", "viewers"),
        figure("load of the core", "of a core", "load"),
        figure("a picture's last packet, p99 late", "ms", "video_late_ms", Aim(20, of="ours")),
        figure("a sound's packet, p99 late", "ms", "audio_late_ms"),
        figure("… the sender's share of a picture's", "ms", "video_left_ms", Aim(20, of="ours")),
        figure("… the sender's share of a sound's", "ms", "audio_left_ms", Aim(10, of="ours")),
    ]


def _headwater(file: Path, seconds: int, sources: int, settings: str = "") -> Measured:
    with headwater(SERVER_CORE, webrtc=settings) as server:
        names = [f"live/{number}" for number in range(sources)]
        targets = [f"127.0.0.1:{server.rtmp_port}/{name}" for name in names]
        length = str(int(JOIN_LIMIT_S) + seconds)
        command = python("bench.rtmp_sender", "--spread", str(OUT_OF_STEP_S), str(file), length,
                         *targets)  # fmt: skip
        with running(pinned(PUNCTUAL + command, OTHER_CORE)):
            for _ in wait_until(READY_S, "a playlist of each", 0.1):
                if all(server.get(f"/{name}/index.m3u8") for name in names):
                    break
            endpoints = [f"http://127.0.0.1:{server.http_port}/{name}/whep" for name in names]
            # Sound is made by workers that start with the first viewer.
            with viewing(endpoints, sources, OTHER_CORE):
                time.sleep(SETTLE_S)
                idle = _load(server.tree)
                return _measured(server.tree, endpoints, FIRST_VIEWERS, seconds, server, idle)


def _aiortc(file: Path, seconds: int) -> Measured:
    port = free_port()
    command = pinned(python("bench.aiortc_server", str(port), str(file)), SERVER_CORE)
    with running(command) as tree:
        time.sleep(SETTLE_S)
        tree.check()
        return _measured(tree, [f"http://127.0.0.1:{port}/whep"], AIORTC_VIEWERS, seconds)


def _measured(
    tree: ProcessTree,
    endpoints: Sequence[str],
    viewers: int,
    seconds: int,
    server: Server | None = None,
    idle: float = 0.0,
) -> Measured:
    """With a server of ours and what it takes without viewers, with more of them up to `LOAD`."""
    memory, cpu_s = tree.pss_bytes(), tree.cpu_s()
    with contextlib.ExitStack() as joined:
        crowds = [joined.enter_context(viewing(endpoints, viewers, OTHER_CORE))]
        joined_s, joined_cpu_s = crowds[0].join_s, tree.cpu_s() - cpu_s
        time.sleep(SETTLE_S)
        grown, load = tree.pss_bytes() - memory, _load(tree)
        # While some join others are sent to: half of them, on average.
        join_cpu_s = joined_cpu_s - joined_s * (load + idle) / 2
        count = viewers
        for _ in range(STEPS if server is not None else 0):
            more = round(STEP * (LOAD - load) * count / max(load - idle, 0.01))
            if more < LEAST_STEP:
                break
            crowds.append(joined.enter_context(viewing(endpoints, more, OTHER_CORE)))
            count += more
            time.sleep(SETTLE_S)
            load = _load(tree)
        watched = _watched(tree, crowds, count, seconds, server)
    return dataclasses.replace(
        watched, join_cpu_ms=1000 * join_cpu_s / viewers, rss_kb=grown / viewers / 1000
    )


def _load(tree: ProcessTree) -> float:
    """Of a core, for a while."""
    cpu_s, at = tree.cpu_s(), time.monotonic()
    time.sleep(SETTLE_S)
    return (tree.cpu_s() - cpu_s) / (time.monotonic() - at)


def _watched(
    tree: ProcessTree, crowds: Sequence[Viewers], viewers: int, seconds: int, server: Server | None
) -> Measured:
    """All figures but those of joins."""
    left = [_left(server, kind) for kind in KINDS]
    before, cpu_s, at = sum(crowd.packets for crowd in crowds), tree.cpu_s(), time.monotonic()
    time.sleep(seconds)
    tree.check()
    packets, took = sum(crowd.packets for crowd in crowds) - before, time.monotonic() - at
    load = (tree.cpu_s() - cpu_s) / took
    lefts = [_left(server, kind) for kind in KINDS]
    seen = [crowd.end() for crowd in crowds]
    if packets < LEAST_PACKETS * viewers * took:
        raise BenchError(f"{viewers} viewers got {packets / took / viewers:.0f} packets/s each")
    opened, sampled = (sum(one[what] for one in seen) for what in ("opened", "sampled"))
    if opened != sampled or not sampled:
        raise BenchError(f"{opened} of {sampled} packets are authentic")
    return Measured(
        priority=_priority(server),
        viewers=viewers,
        viewers_per_core=viewers / load,
        load=load,
        join_cpu_ms=0.0,
        rss_kb=0.0,
        video_late_ms=max(one["video_p99_ms"] for one in seen),
        audio_late_ms=max(one["audio_p99_ms"] for one in seen),
        video_left_ms=_p99_ms(left[0], lefts[0]),
        audio_left_ms=_p99_ms(left[1], lefts[1]),
    )


def _priority(server: Server | None) -> str:
    text = (server.get("/metrics") or b"").decode() if server is not None else ""
    found = re.search(r'^headwater_webrtc_send_threads{priority="(\w+)"}', text, re.M)
    return found[1] if found else ""


def _left(server: Server | None, kind: str) -> Buckets:
    """What /metrics says of how late media of a kind has left."""
    text = (server.get("/metrics") or b"").decode() if server is not None else ""
    name = "headwater_webrtc_send_lateness_seconds_bucket"
    return {
        float(bound): float(count)
        for line in text.splitlines()
        if line.startswith(name) and f'kind="{kind}"' in line
        for bound, count in re.findall(r'le="([^"]+)".*} (\S+)', line)
    }


def _p99_ms(before: Buckets, after: Buckets) -> float:
    """Within the bucket as if it were filled evenly; not a number without buckets."""
    counts = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
    wanted, below, below_bound = 0.99 * max(counts.values(), default=0.0), 0.0, 0.0
    for bound, count in sorted(counts.items()):
        if count >= wanted > 0:
            share = (wanted - below) / (count - below)
            return 1000 * (below_bound + share * (bound - below_bound))
        below, below_bound = count, bound
    return float("nan")
