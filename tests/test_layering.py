"""The arrows of ARCHITECTURE.md, enforced from the imports themselves."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("segmenter", "webrtc", "streaming")

MAY_IMPORT = {
    "segmenter": {"segmenter"},
    "webrtc": {"segmenter", "webrtc"},
    "streaming": {"segmenter", "webrtc", "streaming"},
}

NOT_IN_SANS_IO = {
    "asyncio", "socket", "ssl", "threading", "time", "random", "os", "io", "pathlib",
    "subprocess", "logging",
}  # fmt: skip

SANS_IO = (
    "segmenter",
    "webrtc/address_discovery.py",
    "webrtc/answer.py",
    "webrtc/arrival_recorder.py",
    "webrtc/bitrate.py",
    "webrtc/audience.py",
    "webrtc/bandwidth.py",
    "webrtc/depacketizer.py",
    "webrtc/errors.py",
    "webrtc/events.py",
    "webrtc/flow_table.py",
    "webrtc/fragment.py",
    "webrtc/ice.py",
    "webrtc/ice_checks.py",
    "webrtc/ice_lite.py",
    "webrtc/incoming_stream.py",
    "webrtc/jitter_buffer.py",
    "webrtc/key_frame_grid.py",
    "webrtc/local_side.py",
    "webrtc/media_clock.py",
    "webrtc/negotiation.py",
    "webrtc/offer.py",
    "webrtc/packet_ring.py",
    "webrtc/packetizer.py",
    "webrtc/publication.py",
    "webrtc/publisher.py",
    "webrtc/packet_heads.py",
    "webrtc/publisher_rtcp.py",
    "webrtc/python_viewer.py",
    "webrtc/reception.py",
    "webrtc/rendition.py",
    "webrtc/rendition_choice.py",
    "webrtc/rtcp.py",
    "webrtc/rtp",
    "webrtc/rtp_packet.py",
    "webrtc/srtp.py",
    "webrtc/stun.py",
    "webrtc/subscription.py",
    "webrtc/viewer_reports.py",
    "webrtc/viewer_stream.py",
    "streaming/auth/failure_limit.py",
    "streaming/ingest/flv.py",
    "streaming/ingest/rtmp/amf0.py",
    "streaming/ingest/rtmp/chunk_stream.py",
    "streaming/ingest/rtmp/connection.py",
    "streaming/ingest/rtmp/handshake.py",
    "streaming/ingest/rtmp/outgoing.py",
    "streaming/transcode/automatic_ladder.py",
    "streaming/transcode/ladder.py",
    "streaming/transcode/planned_rung.py",
    "streaming/transcode/written_ladder.py",
    "streaming/broadcast.py",
    "streaming/path.py",
    "streaming/programme.py",
    "streaming/events/event.py",
    "streaming/events/event_filter.py",
    "streaming/events/advice.py",
    "streaming/events/advice_memory.py",
    "streaming/events/av_drift.py",
    "streaming/events/event_log.py",
    "streaming/events/ingest_exam.py",
    "streaming/events/path_observer.py",
    "streaming/events/session_news.py",
    "streaming/events/sse_reader.py",
    "streaming/events/viewer_news.py",
    "streaming/events/follower.py",
    "streaming/events/path_states.py",
    "streaming/path_state.py",
    "streaming/rendition_meter.py",
    "streaming/lifecycle.py",
    "streaming/restart_backoff.py",
    "streaming/reader.py",
    "streaming/byte_rate.py",
    "streaming/gone_memory.py",
    "streaming/media_feed.py",
    "streaming/media_shelf.py",
    "streaming/resource.py",
    "streaming/on_air.py",
    "streaming/publisher_slot.py",
    "streaming/kept_gops.py",
    "streaming/slate/bridge.py",
    "streaming/slate/bridge_outcome.py",
    "streaming/slate/bridged_picture.py",
    "streaming/slate/bridged_sound.py",
    "streaming/slate/loop.py",
    "streaming/slate/way_back.py",
    "streaming/shelf.py",
    "streaming/thumbnail/newest_key_frame.py",
    "streaming/store_ledger.py",
)

OWNERS = {
    "av": (
        "streaming/transcode/",
        "streaming/ingest/",
        "streaming/slate/",
        "streaming/thumbnail/",
        "streaming/push",
        "streaming/probe",
        "streaming/cli_p",
    ),
    "numpy": ("streaming/transcode/frames.py", "streaming/ingest/test_", "streaming/slate/"),
    "m3u8": ("streaming/ingest/hls_", "streaming/inspect"),
    "aiohttp": ("streaming/server/",),
    "aiortc": ("webrtc/", "streaming/play.py", "streaming/push_whip.py"),
    "uvloop": ("streaming/app.py", "streaming/server/delivery.py", "streaming/rtc/process.py"),
    "typer": ("streaming/cli",),
    "rich": ("streaming/cli",),
    "prometheus_client": ("streaming/server/",),
    "argon2": ("streaming/auth/publish_keys.py",),
    "jwt": ("streaming/auth/",),
}

LOOP_PROCESS = ("streaming.app", "streaming.path_registry", "streaming.origin")
"""What the event loop's process imports; FFmpeg and HTTP live in processes of their own."""


def sources(*places: str) -> Iterator[Path]:
    for place in places:
        at = ROOT / place
        yield from sorted(at.rglob("*.py")) if at.is_dir() else [at]


@functools.cache
def imported(file: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append((node.module, node.lineno))
    return found


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_between_packages_point_down_only(package: str) -> None:
    wrong = [
        f"{name(file)}:{line} imports {module}"
        for file in sources(package)
        for module, line in imported(file)
        if module.split(".")[0] in PACKAGES and module.split(".")[0] not in MAY_IMPORT[package]
    ]
    assert not wrong


def test_the_segmenter_imports_the_standard_library_alone() -> None:
    wrong = [
        f"{name(file)}:{line} imports {module}"
        for file in sources("segmenter")
        for module, line in imported(file)
        if module.split(".")[0] not in sys.stdlib_module_names | {"segmenter"}
    ]
    assert not wrong


def test_sans_io_modules_touch_neither_the_world_nor_a_clock() -> None:
    wrong = [
        f"{name(file)}:{line} imports {module}"
        for file in sources(*SANS_IO)
        for module, line in imported(file)
        if module.split(".")[0] in NOT_IN_SANS_IO
    ]
    assert not wrong


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_a_library_stays_in_the_files_that_own_it(library: str) -> None:
    wrong = [
        f"{name(file)}:{line}"
        for file in sources(*PACKAGES)
        for module, line in imported(file)
        if module.split(".")[0] == library and not name(file).startswith(OWNERS[library])
    ]
    assert not wrong


def reachable(module: str) -> dict[str, str]:
    """Modules of ours that importing `module` imports, each with the one that asked for it."""
    found = {module: ""}
    queue = [module]
    while queue:
        current = queue.pop()
        file = ROOT / (current.replace(".", "/") + ".py")
        if not file.exists():
            file = ROOT / current.replace(".", "/") / "__init__.py"
        for target, _ in top_level_imports(file):
            if target not in found:
                found[target] = current
                if target.split(".")[0] in PACKAGES:
                    queue.append(target)
    return found


def top_level_imports(file: Path) -> Iterator[tuple[str, int]]:
    tree = ast.parse(file.read_text("utf-8"))
    runtime = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in runtime:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif node.module:
            yield node.module, node.lineno
            for alias in node.names:
                child = ROOT / node.module.replace(".", "/") / f"{alias.name}.py"
                if child.exists():
                    yield f"{node.module}.{alias.name}", node.lineno


@pytest.mark.parametrize("module", LOOP_PROCESS)
def test_the_event_loops_process_imports_neither_ffmpeg_nor_http_nor_numpy(module: str) -> None:
    modules = reachable(module)
    wrong = {
        target: by
        for target, by in modules.items()
        if target.split(".")[0] in {"av", "numpy", "aiohttp", "m3u8", "typer", "rich"}
    }
    assert not wrong
