"""(e) From exec to both ports listening, from the first key frame to a playlist, and memory.

Wall time is the matter itself here, so the machine must be otherwise idle. nginx-rtmp is beside
us; its HLS has 2 s segments as well, and a playlist counts as playable once it lists a segment.
"""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import AbstractContextManager

from bench.clips import BASE_S, GOP_S, ClipRequest, clip
from bench.figures import Aim, Figure
from bench.processes import BenchError, python, wait_until
from bench.servers import Server, headwater, nginx_rtmp

VIDEO_KBPS = 5000
PUSH_S = 3
PEER = "nginx-rtmp"
MEGA = 1e6
PLAYLISTS = {"ours": "/live/one/source/index.m3u8", "theirs": "/live/one/index.m3u8"}


def measure(runs: int, seconds: int) -> list[Figure]:
    """`runs` starts of each server, then one push of `seconds` into each for its memory."""
    listen: dict[str, list[float]] = {"ours": [], "theirs": []}
    answer: list[float] = []
    cpu: list[float] = []
    playable: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(runs):
        for name in listen:
            with _server(name) as server:
                listen[name].append(server.ready - server.started)
                if name == "ours":
                    answer.append(_first_answer(server) - server.started)
                    cpu.append(server.tree.cpu_s())
                playable[name].append(_push(server, name, PUSH_S))
    (main, all_ours), (peer, all_theirs) = _memory(seconds)
    return [
        Figure("e", "exec → both ports listen", "s", tuple(listen["ours"]), PEER,
               tuple(listen["theirs"]), Aim(1.0, of="ours")),
        Figure("e", "… → first HTTP answer", "s", tuple(answer)),
        Figure("e", "… CPU until then, all processes", "CPU s", tuple(cpu)),
        Figure("e", "first key frame → playlist with a segment", "s", tuple(playable["ours"]),
               PEER, tuple(playable["theirs"]), Aim(GOP_S + 0.5, of="ours")),
        Figure("e", f"RSS, first process, one 5 Mb/s path for {seconds} s", "MB", (main,), PEER,
               (peer,)),
        Figure("e", "PSS, all processes, a window of 30 s", "MB", (all_ours,), PEER,
               (all_theirs,)),
    ]  # fmt: skip


def _server(name: str) -> AbstractContextManager[Server]:
    return headwater() if name == "ours" else nginx_rtmp()


def _first_answer(server: Server) -> float:
    """When the delivery process was up: until then connections wait in the listening socket."""
    server.get("/healthz")
    return time.monotonic()


def _push(server: Server, name: str, seconds: int) -> float:
    """Pushes for `seconds`; how long after the first key frame the playlist was there."""
    sender = _sender(server, seconds)
    try:
        for _ in wait_until(seconds + 5, "a playlist"):
            text = server.get(PLAYLISTS[name])
            if text and b"#EXTINF" in text:
                break
        playable_at = time.monotonic()
    finally:
        output = sender.communicate()[0]
    if sender.returncode:
        raise BenchError("the sender failed")
    first_key_at: float = json.loads(output.splitlines()[0])["first_key_at"]
    return playable_at - first_key_at


def _memory(seconds: int) -> list[tuple[float, float]]:
    """Of both servers: megabytes of the first process, and of all with what they share once."""
    sizes = []
    with headwater() as ours, nginx_rtmp() as theirs:
        senders = [_sender(server, seconds) for server in (ours, theirs)]
        time.sleep(max(seconds - 1, 1))
        for server in (ours, theirs):
            first = server.tree.rss_bytes()[0]
            sizes.append((first / MEGA, server.tree.pss_bytes() / MEGA))
        for sender in senders:
            sender.communicate()
    return sizes


def _sender(server: Server, seconds: int) -> subprocess.Popen[bytes]:
    file = clip(ClipRequest(VIDEO_KBPS, BASE_S))
    target = f"127.0.0.1:{server.rtmp_port}/live/one"
    command = python("bench.rtmp_sender", str(file), str(seconds), target)
    return subprocess.Popen(command, stdout=subprocess.PIPE)
