"""What viewers get of a ladder without a copied rung when its encoder dies: of every rendition."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from fractions import Fraction

import pytest

import streaming.pipeline
from segmenter.media import Sample, Track
from streaming.config_paths import RungConfig
from streaming.path_state import PathState
from streaming.pipeline import BRIDGED
from streaming.slate.loop import SlateStrip
from streaming.transcode.messages import RungStatus, StatusMessage
from streaming.transcode.transcode_link import TranscodePhase, TranscodeState
from tests.segmenter.stage import AUDIO, SMALL, SOURCE
from tests.streaming.pipeline_scene import FakeLink, Scene

P = TranscodePhase
LINE = 2 * 90_000
BIG = replace(SMALL, name="480p", width=854, height=480)
LADDER = (RungConfig(name="480p", height=480), RungConfig(name="360p", height=360))
PICTURES = ("480p", "360p")
RENDITIONS = (*PICTURES, "audio")


class Ladder(Scene):
    """A ladder of two rungs, encoders that are two pictures late, and sound that is copied."""

    def __init__(self, **settings: object) -> None:
        super().__init__(ladder=LADDER, segment_duration_s=2, **settings)
        self.taken = 0
        self.runs = False
        self.begins = True

    def begin(self, *tracks: Track) -> None:
        self.publish(SOURCE, AUDIO)
        self.start_worker(*tracks)

    def start_worker(self, *tracks: Track) -> None:
        self.runs = self.begins = True
        self.link.on_tracks(tracks or [BIG, SMALL])
        self.link.enter(P.RUNNING)

    def play(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.04)):
            self.send(0.04, "source", "audio")
            written = [sample for sample in self.link.written if sample.track == "source"]
            fresh = written[self.taken : -2]
            self.taken = max(self.taken, len(written) - 2)
            for sample in fresh if self.runs else ():
                self.encode_one(sample)

    def encode_one(self, sample: Sample) -> None:
        dts, asked = sample.dts, self.link.key_asked
        is_key = self.begins or dts // LINE != (dts - 3600) // LINE
        is_key |= asked is not None and dts - 3600 < asked <= dts
        self.begins = False
        for name in PICTURES:
            self.link.on_sample(Sample(name, dts, dts, b"live", is_key, 3600))

    def kill(self) -> None:
        self.runs, self.link.key_asked = False, None
        self.link.starts += 1
        self.link.enter(P.RESTARTING, "signal 9")

    def lists(self) -> dict[str, str]:
        self.pipeline.handle_timer(self.now)
        return {
            name: put.body.decode()
            for name in RENDITIONS
            for key, put in self.feed._current.items()
            if key == f"/live/a/{name}/index.m3u8"
        }


def strips(*tracks: Track) -> list[SlateStrip]:
    samples = tuple((b"slate", n == 0) for n in range(50))
    return [SlateStrip(track, samples, Fraction(1, 25)) for track in tracks]


def numbers(text: str) -> list[str]:
    return re.findall(r"^(\d+)\.m4s$", text, re.M)


def durations(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"EXTINF:([\d.]+)", text)]


@pytest.fixture(autouse=True)
def fake_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming.pipeline, "TranscodeLink", FakeLink)


def killed_ladder() -> Ladder:
    """With a slate, its worker killed after 6.8 s."""
    scene = Ladder(slate="card")
    scene.begin()
    scene.pipeline.set_strips(strips(BIG, SMALL))
    scene.play(6.8)
    scene.kill()
    return scene


def bridged(*now: Track) -> Ladder:
    scene = killed_ladder()
    scene.play(1.2)
    scene.start_worker(*now)
    scene.play(6)
    return scene


def test_the_slate_bridges_the_crash_of_a_worker_without_a_gap_in_any_rendition() -> None:
    lists = bridged().lists()
    for name, text in lists.items():
        assert "GAP" not in text, name
        assert "#EXT-X-DISCONTINUITY\n" not in text, name
        assert text.count("EXT-X-MAP") == 1, name
        assert numbers(text) == numbers(lists["audio"]), name
    for name in PICTURES:
        assert durations(lists[name]) == [2.0] * len(durations(lists[name]))


def test_parts_go_on_while_the_worker_is_away() -> None:
    scene = killed_ladder()
    for _ in range(10):
        before = {name: text.count("#EXT-X-PART:") for name, text in scene.lists().items()}
        heads = {name: numbers(text)[-1] for name, text in scene.lists().items()}
        scene.play(0.4)
        for name, text in scene.lists().items():
            is_further = text.count("#EXT-X-PART:") > before[name]
            assert is_further or numbers(text)[-1] > heads[name], name


def test_without_a_slate_it_is_as_it_was() -> None:
    scene = Ladder()
    scene.begin()
    scene.play(6.8)
    scene.kill()
    scene.play(4)
    scene.start_worker()
    scene.play(6)
    lists = scene.lists()
    for name in PICTURES:
        assert "GAP" in lists[name]
        assert numbers(lists[name]) == numbers(lists["audio"])
    assert scene.pipeline.statistics().bridge is None
    assert scene.pipeline.ladder_to_cover is None


def test_with_wait_everything_is_held_and_no_slate_is_seen() -> None:
    scene = Ladder(slate="card", on_worker_crash="wait")
    scene.begin()
    scene.pipeline.set_strips(strips(BIG, SMALL))
    scene.play(6.8)
    before = scene.lists()
    scene.kill()
    scene.play(1.5)
    assert {name: numbers(text) for name, text in scene.lists().items()} == {
        name: numbers(text) for name, text in before.items()
    }
    assert scene.pipeline.statistics().bridge is None


def test_a_worker_that_comes_back_with_another_format_is_one_discontinuity_of_all() -> None:
    software = [replace(track, codec_config=SOURCE.codec_config) for track in (BIG, SMALL)]
    lists = bridged(*software).lists()
    for name, text in lists.items():
        assert text.count("#EXT-X-DISCONTINUITY\n") == 1, name
        assert "#EXT-X-GAP" not in text, name
        assert numbers(text) == numbers(lists["audio"]), name
    for name in PICTURES:
        assert lists[name].count("EXT-X-MAP") == 2


def test_a_slate_of_another_format_is_two_discontinuities_of_all() -> None:
    scene = Ladder(slate="card")
    scene.begin()
    other = [replace(track, codec_config=SOURCE.codec_config) for track in (BIG, SMALL)]
    scene.pipeline.set_strips(strips(*other))
    scene.play(6.8)
    scene.kill()
    scene.play(1.2)
    scene.start_worker()
    scene.play(6)
    lists = scene.lists()
    for name, text in lists.items():
        assert text.count("#EXT-X-DISCONTINUITY\n") == 2, name
        assert "#EXT-X-GAP" not in text, name
        assert numbers(text) == numbers(lists["audio"]), name


def test_the_path_is_degraded_and_says_why_until_the_live_picture_is_back() -> None:
    scene = Ladder(slate="card")
    scene.begin()
    scene.pipeline.set_strips(strips(BIG, SMALL))
    scene.play(4)
    scene.kill()
    scene.play(0.4)
    assert scene.path.state is PathState.DEGRADED
    assert scene.pipeline.trouble == f"signal 9; {BRIDGED}"
    scene.link.enter(P.STARTING)
    scene.play(0.4)
    assert scene.path.state is PathState.DEGRADED
    assert scene.pipeline.trouble == BRIDGED
    scene.start_worker()
    scene.play(1)
    assert scene.path.state is PathState.LIVE
    seen = scene.pipeline.statistics().bridge
    assert seen is not None
    assert (seen.is_ready, seen.is_active, seen.bridged) == (True, False, 1)
    assert 0.8 < seen.bridged_s < 1.6


def test_a_publisher_that_leaves_while_the_slate_bridges_ends_all_renditions_together() -> None:
    scene = killed_ladder()
    scene.play(0.8)
    assert scene.slot is not None
    scene.path.leave(scene.slot, "gone", scene.now)
    scene.pipeline.handle_timer(scene.now)
    lists = scene.lists()
    for name, text in lists.items():
        assert "#EXT-X-GAP" not in text, name
        assert numbers(text) == numbers(lists["audio"]), name
        assert sum(durations(text)) == pytest.approx(7.6, abs=0.1), name


def test_the_next_publisher_is_seen_as_the_slate_until_the_worker_is_back() -> None:
    scene = killed_ladder()
    scene.play(0.8)
    assert scene.slot is not None
    scene.path.leave(scene.slot, "gone", scene.now)
    scene.publish(SOURCE, AUDIO)
    scene.link.enter(P.RESTARTING, "signal 9")
    scene.sent_ms, scene.taken = 0, len(scene.link.written)
    scene.play(4.2)
    for name, text in scene.lists().items():
        assert "GAP" not in text, name
        assert text.count("#EXT-X-DISCONTINUITY\n") == 1, name
    scene.start_worker()
    scene.play(4.2)
    lists = scene.lists()
    for name, text in lists.items():
        assert "GAP" not in text, name
        assert numbers(text) == numbers(lists["audio"]), name


def test_what_is_to_be_covered_is_known_once_the_encoders_are() -> None:
    scene = Ladder(slate="card")
    scene.publish(SOURCE, AUDIO)
    assert scene.pipeline.ladder_to_cover is None
    scene.start_worker()
    assert scene.pipeline.ladder_to_cover is None, "nobody has said by which encoders"
    scene.link.status = StatusMessage(
        rungs=tuple(RungStatus(name, "libx264", "", 25.0, 0, False) for name in PICTURES)
    )
    found = scene.pipeline.ladder_to_cover
    assert found is not None
    assert found.tracks == (BIG, SMALL)
    assert [(rung.planned.name, rung.encoder) for rung in found.rungs] == [
        ("480p", "libx264"),
        ("360p", "libx264"),
    ]
    scene.link.enter(P.DEGRADED, "240p cannot be encoded")
    assert scene.pipeline.ladder_to_cover == found
    scene.link.state = TranscodeState(P.DEGRADED, "the machine is too slow", ("480p",))
    assert scene.pipeline.ladder_to_cover is None, "what little CPU there is encodes live media"


@pytest.mark.parametrize("seed", range(6))
def test_whenever_workers_die_and_come_back_no_rendition_has_a_gap(seed: int) -> None:
    chance = random.Random(seed)
    scene = Ladder(slate="card", window_s=60)
    scene.begin()
    scene.pipeline.set_strips(strips(BIG, SMALL))
    scene.play(1 + 2 * chance.random())
    for _ in range(8):
        scene.kill()
        scene.play(3 * chance.random())
        scene.start_worker()
        scene.play(3 * chance.random() ** 2)
    scene.play(3)
    lists = scene.lists()
    for name, text in lists.items():
        assert "GAP" not in text, name
        assert "#EXT-X-DISCONTINUITY\n" not in text, name
        assert numbers(text) == numbers(lists["audio"]), name
    for name in PICTURES:
        assert set(durations(lists[name])) == {2.0}
    assert not scene.pipeline.trouble


def test_a_worker_that_hung_before_it_was_killed_has_gaps_until_then_and_the_slate_after() -> None:
    scene = Ladder(slate="card", window_s=60)
    scene.begin()
    scene.pipeline.set_strips(strips(BIG, SMALL))
    scene.play(6.8)
    scene.runs = False
    scene.play(10)
    scene.kill()
    scene.play(4)
    listed = scene.lists()
    for name in PICTURES:
        *_, last = listed[name].split("#EXT-X-GAP")
        assert last.count("#EXTINF") >= 2, "of which one is the last gap"
        assert numbers(listed[name]) == numbers(listed["audio"])
    scene.start_worker()
    scene.play(4)
    lists = scene.lists()
    for name in PICTURES:
        assert lists[name].count("#EXT-X-GAP") == listed[name].count("#EXT-X-GAP")
        assert numbers(lists[name]) == numbers(lists["audio"])
