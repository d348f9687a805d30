"""Publishers that are killed and back with something else, through a whole origin."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from tests.interop.mpd_watch import MpdWatch
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.test_continuity import assert_whole, playlist
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


def seen(origin: OriginProcess, rendition: str) -> list[av.container.InputContainer]:
    """The last segment before each discontinuity and before the end, each with its init section."""
    folder = f"/{PATH}/{rendition}/"
    found, init, segment = [], "", ""

    def keep() -> None:
        data = origin.get(folder + init) + origin.get(folder + segment)
        found.append(av.open(io.BytesIO(data)))

    for tag in playlist(origin, rendition).tags:
        if tag == "#EXT-X-DISCONTINUITY":
            keep()
        elif tag.startswith("#EXT-X-MAP"):
            init = tag.split('"')[1]
        elif tag.endswith(".m4s"):
            segment = tag
    keep()
    return found


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
        listed = 0
        targets = set()
        for publisher in publishers:
            with running(*headwater_push(publisher.source, origin.rtmp_url(PATH), "--loop")):
                for name in renditions:
                    origin.wait_segments(PATH, name, listed + 3)
            origin.wait_path(PATH, "away")
            listed = len(playlist(origin, renditions[0]).numbers)
            targets |= {playlist(origin, name).target_duration for name in renditions}
        lists = {name: playlist(origin, name) for name in renditions}
        pictures = [look(each) for each in seen(origin, "source")]
        sounds = [look(each) for each in seen(origin, "audio")]
        if "90p" in renditions:
            encoded = [look(each) for each in seen(origin, "90p")]
            assert encoded == [("h264", 160, 90)] * len(publishers)
    assert_whole(lists)
    assert len(targets) == 1
    assert pictures == [publisher.video for publisher in publishers]
    assert sounds == [publisher.audio for publisher in publishers]
    for name in renditions:
        assert len(lists[name].breaks) == len(others), name
        assert lists[name].breaks == lists["source"].breaks, name
    assert watch.complaints == []
    assert "Traceback" not in origin.log()
