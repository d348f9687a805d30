"""`make soak`: an origin with a ladder, a publisher that is killed again and again, and clients.

Every `SOAK_KILL_S` (60) the publisher dies by SIGKILL and another one comes, for `SOAK_SECONDS`
(3600). An HLS and a DASH client of each rendition verify all they get; the memory of each process
and the origin's log are watched. With `SOAK_COPY=0` the ladder has encoded rungs alone. Ends with
a table, and with 1 when anything was wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import m3u8
from rich.console import Console

from bench.processes import ProcessTree, need
from bench.servers import free_port
from tests.soak.findings import Findings
from tests.soak.followers import DashFollower, HlsFollower
from tests.soak.memory import MEGA, Memory
from tests.soak.report import Plan, Report, render

PATH = "live/soak"
START_S = 30.0
STOP_S = 15.0
PAUSE_S = 1.0
"""Between the death of a publisher and the next one, as quick as an encoder's own retry."""
_TROUBLE = re.compile(r"\b(ERROR|CRITICAL)\b|Traceback|[Ee]xception|never (awaited|retrieved)")


async def soak(plan: Plan, directory: Path) -> Report:
    """Runs everything; `directory` gets the clip, the configuration and the origin's log."""
    report = Report(plan, Findings())
    clip = make_clip(directory)
    async with _origin(plan, directory, report) as (base, target):
        pusher = asyncio.create_task(_push(clip, target, plan, report))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as http:
            await _wait_for_renditions(http, base, plan)
            for name in sorted(plan.names):
                report.followers.append(HlsFollower(http, base, name, report.found))
                report.followers.append(DashFollower(http, base, name, report.found))
            tasks = [asyncio.create_task(follower.run()) for follower in report.followers]
            await _watch(plan, report, [pusher, *tasks])
            for task in (pusher, *tasks):
                task.cancel()
            await asyncio.gather(pusher, *tasks, return_exceptions=True)
    _judge(report, directory)
    return report


def make_clip(directory: Path) -> Path:
    """Ten seconds of 360 lines with sound; its end does not meet its start's key frame grid."""
    clip = directory / "soak.flv"
    command = [
        need("ffmpeg"), "-hide_banner", "-loglevel", "error", "-y",
        "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30",
        "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "10",
        "-c:v", "libx264", "-preset", "veryfast", "-b:v", "600k", "-g", "60", "-bf", "0",
        "-sc_threshold", "0", "-c:a", "aac", "-ac", "2", str(clip),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return clip


@contextlib.asynccontextmanager
async def _origin(plan: Plan, directory: Path, report: Report) -> AsyncIterator[tuple[str, str]]:
    """Runs the origin; its path's HTTP and RTMP addresses."""
    http, rtmp = free_port(), free_port()
    rungs = [f'{{ name = "{height}p", height = {height} }}' for height in plan.rungs]
    if plan.copies:
        rungs.insert(0, '{ name = "source", copy = true }')
    config = directory / "headwater.toml"
    config.write_text(
        f'[http]\nlisten = "127.0.0.1:{http}"\n[rtmp]\nlisten = "127.0.0.1:{rtmp}"\n'
        '[webrtc]\nlisten = "127.0.0.1:0"\n'
        f'[paths."live/*"]\nwindow_s = {plan.window_s}\nencoder = "software"\n'
        f"ladder = [{', '.join(rungs)}]\n"
    )
    process = _start_origin(config, directory / "origin.log")
    report.memory = Memory(ProcessTree(process))
    try:
        await _wait_for_port(rtmp)
        yield f"http://127.0.0.1:{http}/{PATH}", f"rtmp://127.0.0.1:{rtmp}/{PATH}"
        report.cpu_s = ProcessTree(process).cpu_s()
        if process.poll() is not None:
            report.found.add("origin", f"ended by itself with {process.returncode}")
    finally:
        process.terminate()
        try:
            code = await asyncio.to_thread(process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
            report.found.add("origin", f"did not stop within {STOP_S:g} s")
        if code:
            report.found.add("origin", f"stopped with {code}")


def _start_origin(config: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from streaming.__main__ import main; main()"]
    with open(log, "wb") as output:
        return subprocess.Popen(
            [*command, "serve", "--config", str(config)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=os.environ | {"COLUMNS": "200", "HEADWATER_STATE_DIR": str(log.parent / "state")},
        )  # fmt: skip


async def _wait_for_port(port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)


async def _push(clip: Path, target: str, plan: Plan, report: Report) -> None:
    """Publisher after publisher, each killed in the middle of whatever it does."""
    command = [
        need("ffmpeg"), "-hide_banner", "-loglevel", "error", "-re", "-stream_loop", "-1",
        "-i", str(clip), "-c", "copy", "-f", "flv", target,
    ]  # fmt: skip
    while True:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        report.pushes += 1
        try:
            await asyncio.wait_for(process.wait(), plan.kill_s)
        except TimeoutError:
            pass
        else:
            assert process.stderr is not None
            said = (await process.stderr.read()).decode(errors="replace").strip()
            report.found.add("publisher", f"ended with {process.returncode}: {said[-200:]}")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await asyncio.sleep(PAUSE_S)


async def _wait_for_renditions(http: aiohttp.ClientSession, base: str, plan: Plan) -> None:
    """Until playlist and manifest list them all; TimeoutError when they never do.

    The playlist begins with the first part, the manifest with the first segment.
    """
    async with asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                index = m3u8.loads(await _text(http, f"{base}/index.m3u8"))
                uris = [entry.uri for entry in (*index.playlists, *index.media)]
                manifest = await _text(http, f"{base}/manifest.mpd")
                in_manifest = all(f'Representation id="{name}"' in manifest for name in plan.names)
                if {str(uri).split("/")[0] for uri in uris} >= plan.names and in_manifest:
                    return
            await asyncio.sleep(0.25)


async def _text(http: aiohttp.ClientSession, url: str) -> str:
    """The body; empty while there is none."""
    async with http.get(url) as response:
        return await response.text() if response.status == 200 else ""


async def _watch(plan: Plan, report: Report, tasks: list[asyncio.Task[None]]) -> None:
    """Reads memory until the time is over or a task of ours has a bug."""
    assert report.memory is not None
    step_s = max(1.0, plan.seconds / 720)
    while report.found.age_s < plan.seconds:
        report.memory.sample(report.found.age_s)
        done, _ = await asyncio.wait(tasks, timeout=step_s, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


def _judge(report: Report, directory: Path) -> None:
    """What only the end can tell: memory, processes, log, and that something was followed."""
    found, memory = report.found, report.memory
    assert memory is not None
    for trend in memory.trends(report.plan.seconds / 2):
        if not trend.is_flat:
            growth, bound = trend.growth_bytes / MEGA, trend.bound_bytes / MEGA
            found.add(trend.name, f"grew by {growth:.1f} MB, more than {bound:.1f} MB")
    for name, pids in memory.processes.items():
        if len(pids) > 1:
            found.add(name, f"was started {len(pids)} times")
    report.log = (directory / "origin.log").read_text("utf-8", "replace")
    for line in report.log.splitlines():
        if _TROUBLE.search(line):
            found.add("log", line.strip())
    least = report.plan.seconds / 2 * 0.6
    for follower in report.followers:
        if follower.segments < least - report.pushes * 2 - 5:
            found.add(f"{follower.protocol} {follower.name}", f"only {follower.segments} segments")


def main() -> int:
    """Reads the environment, runs, prints."""
    seconds = float(os.environ.get("SOAK_SECONDS", "3600"))
    kill_s = float(os.environ.get("SOAK_KILL_S", "0"))
    plan = Plan.of(seconds, kill_s, copies=os.environ.get("SOAK_COPY", "1") != "0")
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory(prefix="headwater-soak-") as directory:
        report = asyncio.run(soak(plan, Path(directory)))
    for table in render(report):
        console.print(table)
    for sentence in report.found.sentences:
        console.print(sentence, style="red", highlight=False, markup=False)
    console.print("nothing wrong" if report.is_good else f"{len(report.found.sentences)} findings")
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
