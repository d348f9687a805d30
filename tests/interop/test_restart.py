"""An origin that is killed with SIGKILL under a publisher, and started again."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.origin_process import OriginPlace, OriginProcess, origin_process
from tests.interop.test_continuity import assert_whole, playlist, push

# A machine that does other things, too, may be late; a fault of ours shows every time.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=2),
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is absent"),
]

CONFIG = """
[webrtc]
enabled = false
[paths."live/*"]
segment_duration_s = 1.0
ladder = "copy"
"""
RENDITIONS = ("source", "audio")
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
"""For a shell with mounts of its own: runs a program with a directory that takes no writes."""

SMALL_DISK = 'mount -t tmpfs -o size=256k headwater "$0" && exec "$@"'
"""The same with a disk that is full after a second of media."""


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[OriginProcess]:
    with origin_process(tmp_path, CONFIG) as running:
        yield running


def stopped(publisher: subprocess.Popen[bytes]) -> None:
    publisher.kill()
    publisher.wait()


def fetched(origin: OriginProcess, url: str) -> tuple[bytes, str]:
    with urllib.request.urlopen(origin.url(url), timeout=10) as response:
        return response.read(), response.headers["ETag"]


def test_a_killed_origin_goes_on_with_the_same_media_and_the_next_numbers(
    origin: OriginProcess,
) -> None:
    publisher = push(origin)
    for name in RENDITIONS:
        origin.wait_segments("live/a", name, 4)
    before = {name: playlist(origin, name) for name in RENDITIONS}
    media = {}
    for name in RENDITIONS:
        for number in before[name].numbers:
            for suffix in ("", ".0"):
                url = f"/live/a/{name}/{number}{suffix}.m4s"
                media[url] = fetched(origin, url)
    version = origin.wait_path("live/a", "live")["details"]["state_version"]
    origin.kill_main()
    stopped(publisher)
    origin.restart()
    away = origin.wait_path("live/a", "away")
    assert away["details"]["state_version"] > version
    assert away["details"]["state_reason"] == "restored"
    assert {url: fetched(origin, url) for url in media} == media
    again = {name: playlist(origin, name) for name in RENDITIONS}
    for name in RENDITIONS:
        assert again[name].numbers[: len(before[name].numbers)] == before[name].numbers
        assert again[name].target_duration == before[name].target_duration
    assert origin.fetch("/live/a/manifest.mpd")[0] == 200
    publisher = push(origin)
    origin.wait_path("live/a", "live")
    for name in RENDITIONS:
        origin.wait_segments("live/a", name, len(again[name].numbers) + 4)
    after = {name: playlist(origin, name) for name in RENDITIONS}
    stopped(publisher)
    assert_whole(after)
    for name in RENDITIONS:
        listed = again[name].numbers
        assert after[name].numbers[: len(listed)] == listed
        assert after[name].target_duration == before[name].target_duration
    assert len(after["source"].breaks) == 1
    assert after["source"].breaks == after["audio"].breaks
    assert "Traceback" not in origin.log()


def test_an_origin_that_is_stopped_and_started_goes_on_as_well(origin: OriginProcess) -> None:
    publisher = push(origin)
    origin.wait_segments("live/a", "source", 3)
    before = playlist(origin, "source")
    assert origin.stop() == 0
    stopped(publisher)
    origin.restart()
    origin.wait_path("live/a", "away")
    assert playlist(origin, "source").numbers[: len(before.numbers)] == before.numbers


@pytest.mark.long
def test_two_kills_in_a_row_lose_nothing_more_than_one(origin: OriginProcess) -> None:
    publisher = push(origin)
    origin.wait_segments("live/a", "source", 4)
    origin.kill_main()
    stopped(publisher)
    origin.restart()
    origin.wait_path("live/a", "away")
    first = playlist(origin, "source").tags
    origin.kill_main()
    origin.restart()
    origin.wait_path("live/a", "away")
    assert playlist(origin, "source").tags == first


def test_with_state_in_memory_numbers_still_rise(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG, environment={"HEADWATER_STATE_DIR": "memory"}) as origin:
        publisher = push(origin)
        origin.wait_segments("live/a", "source", 3)
        before = playlist(origin, "source")
        origin.kill_main()
        stopped(publisher)
        origin.restart()
        assert origin.fetch("/live/a/source/index.m3u8")[0] == 404
        publisher = push(origin)
        origin.wait_segments("live/a", "source", 2)
        assert playlist(origin, "source").first > before.numbers[-1]
        stopped(publisher)


def test_a_directory_that_cannot_be_written_to_costs_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with origin_process(
        tmp_path, CONFIG, environment={"HEADWATER_STATE_DIR": str(tmp_path / "file" / "state")}
    ) as origin:
        assert origin.log().count("live windows are kept in memory alone") == 1


def own_mounts(script: str, state: Path) -> tuple[str, ...]:
    """What runs a program with `state` mounted by `script`; skips where that is not allowed."""
    prefix = ("unshare", "--mount", "sh", "-c", script, str(state))
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounts of one's own take root")
    return prefix


def test_a_disk_that_is_full_costs_the_history_and_takes_no_number_back(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    place = OriginPlace(command_prefix=own_mounts(SMALL_DISK, tmp_path / "state"))
    with origin_process(tmp_path, CONFIG, place=place) as origin:
        publisher = push(origin)
        origin.wait_log("live window is not kept on disk: No space left on device")
        listed = len(playlist(origin, "source").numbers)
        origin.wait_segments("live/a", "source", listed + 3)
        before = playlist(origin, "source")
        assert "#EXT-X-GAP" not in before.tags
        assert "Traceback" not in origin.log()
        origin.kill_main()
        stopped(publisher)
        origin.restart()
        publisher = push(origin)
        origin.wait_segments("live/a", "source", 2)
        stopped(publisher)
        assert playlist(origin, "source").first > before.numbers[-1]
        assert "Traceback" not in origin.log()


def test_a_directory_that_has_become_read_only_costs_the_history_and_takes_no_number_back(
    origin: OriginProcess,
) -> None:
    read_only = own_mounts(READ_ONLY, origin.log_file.parent / "state")
    publisher = push(origin)
    origin.wait_segments("live/a", "source", 3)
    before = playlist(origin, "source")
    origin.kill_main()
    stopped(publisher)
    origin.place = OriginPlace(command_prefix=read_only)
    origin.restart()
    assert origin.log().count("live windows are kept in memory alone") == 1
    publisher = push(origin)
    origin.wait_segments("live/a", "source", 2)
    stopped(publisher)
    assert playlist(origin, "source").first > before.numbers[-1]
    assert "Traceback" not in origin.log()
