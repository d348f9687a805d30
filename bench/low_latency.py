"""(g) Requests that wait: a crowd released at once, a crowd that follows, and one real stream.

5,000 clients wait for the same version of a playlist; 500 follow a segment that gets a part every
200 ms (`bench.crowd`, in a tight loop on the other core). The delivery process is the real one,
beside aiohttp handlers that wait for a future (`bench.bare_aiohttp`). Last, a publisher over RTMP
and one client that asks for each part as it is hinted.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.clips import BASE_S, FRAME_RATE, ClipRequest, clip
from bench.figures import Aim, Figure
from bench.processes import BenchError, ProcessTree, pinned, python, running, wait_until
from bench.servers import Server, free_port, headwater, scratch
from segmenter.fmp4.reader import read_fragments, read_init_tracks

WAITING, FOLLOWING = 5_000, 500
QUICK_WAITING, QUICK_FOLLOWING = 200, 20
QUICK_S = 5
"""Runs shorter than this are for trying the benchmark: with few clients."""
SERVER_CORE, CLIENT_CORE = 0, 1
START_S = 20.0
VIDEO_KBPS = 4000
PEER = "bare aiohttp"
FOLDER = "/live/one/source/"
HINT = re.compile(rb'EXT-X-PRELOAD-HINT:TYPE=PART,URI="((\d+)\.(\d+)\.m4s)"')
INIT = re.compile(rb'EXT-X-MAP:URI="([^"]+)"')
MS = 1e3


def measure(runs: int, seconds: int) -> list[Figure]:
    """`runs` releases and segments of each crowd, then a stream of `seconds`."""
    quick = seconds < QUICK_S
    counts = (QUICK_WAITING, QUICK_FOLLOWING) if quick else (WAITING, FOLLOWING)
    ours = _crowds("bench.live_shelf", counts, runs)
    theirs = _crowds("bench.bare_aiohttp", counts, runs)
    streams = [_watch_stream(seconds) for _ in range(runs)]
    return [*_crowd_figures(counts, ours, theirs), *_stream_figures(streams)]


# -- crowds ----------------------------------------------------------------------------------


def _crowds(module: str, counts: tuple[int, int], runs: int) -> tuple[dict[str, Any], ...]:
    port, control = free_port(), free_port()
    with scratch("bench-g-") as root:
        command = python(module, str(port), str(control))
        with running(command, SERVER_CORE, root / "log") as tree:
            try:
                wait_answer(tree, port)
                pids = list(map(str, tree.pids()))
                return tuple(
                    _crowd(kind, (str(port), str(control), str(count), str(runs), *pids))
                    for kind, count in zip(("waiting", "following"), counts, strict=True)
                )
            except BenchError as error:
                log = (root / "log").read_text(errors="replace")[-2000:]
                raise BenchError(f"{error} {log}") from error


def wait_answer(tree: ProcessTree, port: int) -> None:
    """Any answer will do: it comes from the process that serves."""
    for _ in wait_until(START_S, "serving"):
        tree.check()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            continue
        finally:
            connection.close()
        return


def _crowd(kind: str, arguments: Sequence[str]) -> dict[str, Any]:
    command = pinned(python("bench.crowd", kind, *arguments), CLIENT_CORE)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"the {kind} crowd: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _crowd_figures(
    counts: tuple[int, int], ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]
) -> list[Figure]:
    (our_wait, our_follow), (their_wait, their_follow) = ours, theirs

    def figure(name: str, unit: str, ours: Any, theirs: Any, aim: Aim | None = None) -> Figure:
        return Figure("g", name, unit, tuple(ours), PEER, tuple(theirs), aim)

    waiting, following = counts
    per_client = our_wait["bytes_per_client"], their_wait["bytes_per_client"]
    lags = tuple(lag * MS for lag in our_wait["lags_s"])
    return [
        figure(f"{waiting:,} waiting clients released, p50", "ms",
               _ms(our_wait, 0.50), _ms(their_wait, 0.50)),
        figure("… p99", "ms", _ms(our_wait, 0.99), _ms(their_wait, 0.99), Aim(80, of="ours")),
        figure("… CPU for each", "µs", (1e6 * x for x in our_wait["cpu_s"]),
               (1e6 * x for x in their_wait["cpu_s"])),
        Figure("g", "… timers of the origin process, at worst late", "ms", lags, PEER,
               tuple(lag * MS for lag in their_wait["lags_s"]), Aim(10, of="ours")),
        figure("RSS for each waiting client", "kB", [per_client[0] / 1e3], [per_client[1] / 1e3],
               Aim(6, of="ours")),
        figure(f"a growing segment, {following} clients: part p50", "ms",
               _ms(our_follow, 0.50), _ms(their_follow, 0.50)),
        figure("… part p99", "ms", _ms(our_follow, 0.99), _ms(their_follow, 0.99)),
        figure("… CPU", "% of a core", (100 * x for x in our_follow["cpu_shares"]),
               (100 * x for x in their_follow["cpu_shares"])),
    ]  # fmt: skip


def _ms(report: dict[str, Any], share: float) -> list[float]:
    return [MS * _percentile(delays, share) for delays in report["delays_s"]]


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


# -- a stream ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stream:
    """What a client saw of a publisher's first seconds."""

    playable_s: float
    """From the first key frame's departure to playlists that can be played."""
    part_delays_s: list[float]
    """From each part's last frame's departure to the last byte of the part."""
    sender_late_s: float
    """How late the sender's latest message was: that much of a delay may be its own."""


def _watch_stream(seconds: int) -> _Stream:
    file = clip(ClipRequest(VIDEO_KBPS, BASE_S))
    with headwater(SERVER_CORE) as server:
        server.get("/healthz")
        target = f"127.0.0.1:{server.rtmp_port}/live/one"
        command = python("bench.rtmp_sender", str(file), str(seconds + 3), target)
        sender = subprocess.Popen(pinned(command, CLIENT_CORE), stdout=subprocess.PIPE)
        try:
            playable_at = _wait_playable(server)
            parts = _follow_hints(server, time.monotonic() + seconds)
        finally:
            output = sender.communicate()[0]
    if sender.returncode:
        raise BenchError("the sender failed")
    publisher, whole = map(json.loads, output.splitlines())
    first_key_at: float = publisher["first_key_at"]
    # The sender keeps to the timestamps: a frame left as long after the first as its dts says.
    delays = [
        part.received_at - first_key_at - part.last_s
        for part in parts
        if part.asked_at < first_key_at + part.last_s  # else it did not wait for the publisher
    ]
    if not delays:
        raise BenchError("no part was waited for")
    return _Stream(playable_at - first_key_at, delays, whole["latest_s"])


def _wait_playable(server: Server) -> float:
    for _ in wait_until(START_S, "a playlist", 0.005):
        if server.get("/live/one/index.m3u8"):
            text = server.get(f"{FOLDER}index.m3u8")
            if text and b"#EXT-X-PART:" in text:
                return time.monotonic()
    raise AssertionError


@dataclass(frozen=True, slots=True)
class _Part:
    """One hinted part; moments of CLOCK_MONOTONIC."""

    asked_at: float
    received_at: float
    last_s: float
    """Its last frame's decoding time, from the stream's first frame on."""


def _follow_hints(server: Server, until: float) -> list[_Part]:
    """Asks for each part as it is hinted, as players do."""
    base = f"http://127.0.0.1:{server.http_port}{FOLDER}"
    text = _fetch(f"{base}index.m3u8")
    first_name = re.search(rb'URI="(\d+\.0\.m4s)"', text)
    init, hint = INIT.search(text), HINT.search(text)
    if init is None or first_name is None:
        raise BenchError("the playlist does not begin with the first part")
    track = read_init_tracks(_fetch(base + init[1].decode()))[0]
    first = read_fragments(_fetch(base + first_name[1].decode()), track)[0].dts
    seen = []
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=START_S)
    while hint is not None and time.monotonic() < until:
        name, msn, part = (group.decode() for group in hint.groups())
        asked_at = time.monotonic()
        connection.request("GET", f"{FOLDER}{name}")
        answer = connection.getresponse()
        data, at = answer.read(), time.monotonic()
        if answer.status == http.HTTPStatus.OK:
            last = read_fragments(data, track)[-1]
            seen.append(_Part(asked_at, at, (last.dts - first) / track.track.timescale))
        connection.request("GET", f"{FOLDER}index.m3u8?_HLS_msn={msn}&_HLS_part={part}")
        hint = HINT.search(connection.getresponse().read())
    connection.close()
    return seen


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=START_S) as response:
        return bytes(response.read())


def _stream_figures(streams: Sequence[_Stream]) -> list[Figure]:
    def percentiles(share: float) -> tuple[float, ...]:
        return tuple(MS * _percentile(stream.part_delays_s, share) for stream in streams)

    return [
        Figure("g", "first key frame → playable low-latency playlist", "s",
               tuple(stream.playable_s for stream in streams), aim=Aim(0.8, of="ours")),
        Figure("g", f"a part's last frame sent (+ {MS / FRAME_RATE:.0f}: it ends with the next) →"
               " client, p50", "ms", percentiles(0.50)),
        Figure("g", "… p99", "ms", percentiles(0.99)),
        Figure("g", "… the sender itself, at worst late", "ms",
               tuple(MS * stream.sender_late_s for stream in streams)),
    ]  # fmt: skip
