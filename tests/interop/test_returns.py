"""Publishers that are killed and back with something else, through a whole origin."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import pytest

from tests.interop.mpd_watch import MpdWatch
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.test_continuity import Playlist, assert_whole, playlist
from tests.interop.test_sources import CLIPS, headwater_push, running
from tests.segmenter.dash.judges import schema

# A machine that does other things, too, may be late; a fault of ours shows every time.
pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

PATH = "live/a"
COPY = """
[webrtc]
enabled = false
[paths."live/*"]
window_s = 120
ladder = "copy"
"""
LADDER = """
[webrtc]
enabled = false
[paths."live/*"]
window_s = 120
[[paths."live/*".ladder]]
name = "source"
copy = true
[[paths."live/*".ladder]]
name = "90p"
height = 90
preset = "ultrafast"
"""


@dataclass(frozen=True)
class Look:
    """What a publisher sends, as a decoder sees it."""

    source: str
    video: tuple[str, int, int]
    audio: tuple[int, str]


PLAIN = Look(str(CLIPS / "two-second-gop.mp4"), ("h264", 320, 180), (48_000, "stereo"))
OTHERS = (
    Look(str(CLIPS / "hevc.mp4"), ("hevc", 320, 180), (48_000, "stereo")),
    Look(str(CLIPS / "aac-44100-mono.flv"), ("h264", 320, 180), (44_100, "mono")),
    Look("test:?width=640&height=360&fps=25", ("h264", 640, 360), (48_000, "stereo")),
    Look(str(CLIPS / "five-point-one.mp4"), ("h264", 320, 180), (48_000, "5.1")),
)


def latest(origin: OriginProcess, rendition: str, listed: Playlist) -> av.container.InputContainer:
    """The last segment that is listed, with its init section."""
    folder = f"/{PATH}/{rendition}/"
    init = next(tag for tag in reversed(listed.tags) if tag.startswith("#EXT-X-MAP"))
    data = origin.get(folder + init.split('"')[1]) + origin.get(f"{folder}{listed.numbers[-1]}.m4s")
    return av.open(io.BytesIO(data))


def has_three_since(origin: OriginProcess, rendition: str, number: int) -> bool | None:
    """Whether three segments are listed from the first discontinuity after this one on; at first,
    when there has been none, any three."""
    listed = playlist(origin, rendition)
    start = next((each for each in listed.breaks if each > number), None) if number else 0
    return (start is not None and sum(each >= start for each in listed.numbers) >= 3) or None


def look(container: av.container.InputContainer) -> tuple[object, ...]:
    frame = next(container.decode(container.streams[0]))
    if isinstance(frame, av.VideoFrame):
        return container.streams[0].codec.canonical_name, frame.width, frame.height
    return frame.sample_rate, frame.layout.name


@pytest.mark.parametrize(
    ("config", "others", "renditions"),
    [
        pytest.param(COPY, OTHERS, ("source", "audio"), id="copy", marks=pytest.mark.long),
        pytest.param(LADDER, OTHERS[:3], ("source", "90p", "audio"), id="ladder"),
    ],
)
def test_a_publisher_that_is_back_with_something_else_costs_one_discontinuity(
    tmp_path: Path, config: str, others: tuple[Look, ...], renditions: tuple[str, ...]
) -> None:
    schema()  # or skip before anything is started
    publishers = (PLAIN, *others)
    with origin_process(tmp_path, config) as origin, MpdWatch(origin, PATH) as watch:
        last, targets = 0, set()
        looks: dict[str, list[tuple[object, ...]]] = {name: [] for name in renditions}
        breaks: dict[str, set[int]] = {name: set() for name in renditions}
        for publisher in publishers:
            with running(*headwater_push(publisher.source, origin.rtmp_url(PATH), "--loop")):
                for name in renditions:
                    origin.wait_segments(PATH, name, 3)
                    origin.wait(partial(has_three_since, origin, name, last), f"more of {name}")
            origin.wait_path(PATH, "away")
            lists = {name: playlist(origin, name) for name in renditions}
            for name, listed in lists.items():
                looks[name].append(look(latest(origin, name, listed)))
                breaks[name].update(listed.breaks)
                targets.add(listed.target_duration)
            assert_whole(lists)
            last = lists["source"].numbers[-1]
    assert len(targets) == 1
    assert looks["source"] == [publisher.video for publisher in publishers]
    assert looks["audio"] == [publisher.audio for publisher in publishers]
    assert looks.get("90p", []) in ([], [("h264", 160, 90)] * len(publishers))
    for name in renditions:
        assert len(breaks[name]) == len(others), name
        assert breaks[name] == breaks["source"], name
    assert watch.complaints == []
    assert "Traceback" not in origin.log()
