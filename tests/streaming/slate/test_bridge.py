"""The slate in the place of encoders that have died: at whose ticks, until when, told how."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from segmenter.media import Codec, Sample, Track
from streaming.slate.bridge import LadderBridge
from streaming.slate.bridge_outcome import KeyFrameWanted, Outcome, TracksNow
from streaming.slate.loop import SlateStrip
from streaming.transcode.ladder import LadderPlan, PlannedAudio
from streaming.transcode.planned_rung import PlannedRung
from tests.segmenter.stage import OPUS, SMALL, SOURCE, START

FRAME = 3_000
SEGMENT_S = 2
LINE = SEGMENT_S * 90_000
BIG = replace(SMALL, name="480p", width=854, height=480)
SOUND = Track("audio_aac", Codec.AAC, 48_000, bytes.fromhex("1190"), sample_rate=48_000, channels=2)
RUNGS = (
    PlannedRung("480p", Codec.H264, 854, 480, 1, 900, 990, 990),
    PlannedRung("360p", Codec.H264, 640, 360, 1, 600, 660, 660),
)
PLAN = LadderPlan(RUNGS, False, True, None, 0.1, ())
LOUD = replace(PLAN, copies_audio=False, encode_audio=PlannedAudio("audio_aac", 48_000, 2, 128))


def strip(track: Track, frames: int = 60) -> SlateStrip:
    samples = tuple((b"slate %d" % n, n == 0) for n in range(frames))
    return SlateStrip(track, samples, Fraction(1, 30))


def sound_strip() -> SlateStrip:
    return SlateStrip(SOUND, ((b"hush", True),), Fraction(1024, 48_000))


class Scene:
    """A publisher of 30 frames each second, encoders that are late by some of them, a bridge."""

    def __init__(self, plan: LadderPlan = PLAN, at: int = 0, lag: int = 2, **lags: int) -> None:
        self.bridge = LadderBridge(SEGMENT_S)
        self.plan = plan
        self.frame = START * 30 + at
        self.lags = {name: lags.get(f"lag_{name}", lag) for name in ("480p", "360p")}
        self.out: dict[str, list[Sample]] = defaultdict(list)
        self.told: list[tuple[Track, ...]] = []
        self.asked: list[int] = []
        self.worker_from: int | None = self.frame
        """The first frame that the worker has, of all."""
        self.key_asked: int | None = None
        self.next_encoded = {"480p": self.frame, "360p": self.frame}
        self.tracks = (BIG, SMALL)
        self.bridge.follow(plan, (SOURCE, OPUS), is_away=False)
        self.obey(self.bridge.set_encoded(self.tracks))

    def obey(self, outcome: Outcome) -> None:
        for one in outcome:
            if isinstance(one, TracksNow):
                self.told.append(one.tracks)
            elif isinstance(one, KeyFrameWanted):
                self.asked.append(one.from_pts)
                self.key_asked = one.from_pts
            else:
                self.out[one.track].append(one)

    def run(self, frames: int, *, discontinuity: bool = False) -> None:
        for _ in range(frames):
            dts = self.frame * FRAME
            source = Sample("source", dts, dts, b"s", False, FRAME, discontinuity, dts / 90_000)
            discontinuity = False
            self.obey(self.bridge.push_source(source))
            self.frame += 1
            self.encode()

    def encode(self) -> None:
        if self.worker_from is None:
            return
        for name, lag in self.lags.items():
            while self.next_encoded[name] < self.frame - lag:
                self.encode_one(name, self.next_encoded[name])
                self.next_encoded[name] += 1

    def encode_one(self, name: str, frame: int) -> None:
        dts = frame * FRAME
        is_key = frame == self.worker_from or dts // LINE != (dts - FRAME) // LINE
        is_key |= self.key_asked is not None and dts - FRAME < self.key_asked <= dts
        sample = Sample(name, dts, dts, b"live", is_key, FRAME, False, 1.0)
        self.obey(self.bridge.push_encoded(sample))

    def kill(self) -> None:
        self.worker_from = self.key_asked = None
        self.bridge.worker_lost()

    def restart(self, frames_ago: int = 0, tracks: tuple[Track, ...] | None = None) -> None:
        """Another worker begins with the key frame of so many frames ago."""
        self.tracks = tracks or self.tracks
        self.worker_from = self.frame - frames_ago
        self.next_encoded = dict.fromkeys(self.lags, self.worker_from)
        self.obey(self.bridge.set_encoded(self.tracks))
        self.encode()

    def dts(self, name: str) -> list[int]:
        return [sample.dts for sample in self.out[name]]

    def keys(self, name: str) -> list[int]:
        return [sample.dts for sample in self.out[name] if sample.is_sync]

    def kinds(self, name: str) -> str:
        """L for live, S for slate, each run once."""
        kinds = ["L" if sample.data == b"live" else "S" for sample in self.out[name]]
        return "".join(kind for n, kind in enumerate(kinds) if n == 0 or kinds[n - 1] != kind)

    def slate_to_live(self, name: str) -> int:
        """dts of the first live picture after the slate."""
        pairs = zip(self.out[name], self.out[name][1:], strict=False)
        return next(b.dts for a, b in pairs if a.data != b"live" and b.data == b"live")


def assert_contiguous(scene: Scene) -> None:
    for name in ("480p", "360p"):
        dts = scene.dts(name)
        assert dts == list(range(dts[0], dts[0] + FRAME * len(dts), FRAME)), name


def bridged(**settings: int) -> Scene:
    """Killed after 2.3 s and back 0.9 s later, from a key frame half a second ago."""
    scene = Scene(**settings)
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(27)
    scene.restart(frames_ago=15)
    scene.run(90)
    return scene


def test_without_strips_everything_passes_and_nothing_stands_in() -> None:
    scene = Scene()
    scene.run(69)
    scene.kill()
    scene.run(27)
    scene.restart()
    scene.run(30)
    assert scene.kinds("480p") == scene.kinds("360p") == "L"
    assert scene.told == [(BIG, SMALL), (BIG, SMALL)]
    assert not scene.bridge.is_active


def test_every_rung_goes_on_at_the_very_ticks_that_it_would_have_had() -> None:
    scene = bridged()
    assert_contiguous(scene)
    assert scene.kinds("480p") == scene.kinds("360p") == "LSL"
    assert scene.told == [(BIG, SMALL)], "nothing has changed for players"
    assert not any(sample.discontinuity for name in scene.out for sample in scene.out[name])


def test_the_live_picture_is_back_at_the_same_tick_in_all_rungs() -> None:
    scene = bridged(lag_480p=5, lag_360p=1)
    assert_contiguous(scene)
    assert scene.slate_to_live("480p") == scene.slate_to_live("360p")
    assert len(scene.asked) == 1


@pytest.mark.parametrize("at", [0, 10, 25, 50])
def test_key_frames_are_told_where_segments_begin_and_nowhere_else(at: int) -> None:
    scene = bridged(at=at)
    lines = [dts for dts in scene.dts("480p") if dts // LINE != (dts - FRAME) // LINE]
    first = [] if at == 0 else [scene.dts("480p")[0]]
    assert scene.keys("480p") == scene.keys("360p") == first + lines


def test_the_slate_begins_with_its_key_frame_and_again_at_each_line() -> None:
    scene = bridged()
    shown = [sample for sample in scene.out["360p"] if sample.data != b"live"]
    assert shown[0].data == b"slate 0"
    line = next((n for n, sample in enumerate(shown) if sample.dts % LINE == 0), None)
    numbers = [int(sample.data.split()[1]) for sample in shown]
    end = len(shown) if line is None else line
    assert numbers[:end] == list(range(end))


def test_the_slate_is_as_late_as_the_encoders_were() -> None:
    scene = Scene(lag=20)  # that of a look-ahead
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    before = scene.dts("360p")[-1]
    scene.kill()
    scene.run(1)
    assert scene.dts("360p")[-1] - before <= 2 * FRAME
    scene.run(29)
    assert scene.frame * FRAME - scene.dts("360p")[-1] == pytest.approx(20 * FRAME, abs=2 * FRAME)
    scene.restart(frames_ago=15)
    scene.run(90)
    assert_contiguous(scene)
    assert scene.kinds("360p") == "LSL"


def test_a_worker_that_dies_while_it_catches_up_costs_nothing_either() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    scene.restart()
    scene.run(4)
    scene.kill()
    scene.run(40)
    scene.restart(frames_ago=10)
    scene.run(60)
    assert_contiguous(scene)
    assert scene.kinds("480p") == "LSL"
    assert scene.bridge.statistics().bridged == 1


def test_one_that_dies_as_soon_as_it_is_back_is_bridged_again() -> None:
    scene = bridged()
    scene.kill()
    scene.run(40)
    scene.restart()
    scene.run(60)
    assert_contiguous(scene)
    assert scene.kinds("480p") == scene.kinds("360p") == "LSLSL"
    assert scene.bridge.statistics().bridged == 2
    assert scene.bridge.statistics().bridged_s > 2


def test_strips_that_come_late_end_the_hole_with_a_key_frame_that_is_told() -> None:
    scene = Scene()
    scene.run(69)
    scene.kill()
    scene.run(60)
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(1)
    first = next(sample for sample in scene.out["360p"] if sample.data != b"live")
    assert first.is_sync
    scene.restart()
    scene.run(60)
    assert scene.kinds("360p") == "LSL"


def test_strips_that_come_while_others_are_on_wait_for_the_next_time() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(10)
    other = [replace(track, codec_config=SOURCE.codec_config) for track in (BIG, SMALL)]
    scene.bridge.set_strips([strip(track) for track in other])
    scene.run(10)
    assert scene.told == [(BIG, SMALL)]
    scene.restart()
    scene.run(60)
    assert scene.kinds("360p") == "LSL"
    scene.kill()
    scene.run(10)
    assert scene.told == [(BIG, SMALL), tuple(other)]


def test_no_strips_are_no_slate() -> None:
    scene = Scene()
    scene.run(69)
    scene.kill()
    scene.bridge.set_strips([])
    scene.run(10)
    assert scene.bridge.statistics().bridged == 0
    assert not scene.bridge.is_active


def test_a_slate_of_another_format_is_a_discontinuity_at_one_tick_in_all_rungs() -> None:
    other = [replace(track, codec_config=SOURCE.codec_config) for track in (BIG, SMALL)]
    scene = Scene(lag_480p=5, lag_360p=1)
    scene.bridge.set_strips([strip(track) for track in other])
    scene.run(69)
    scene.kill()
    scene.run(27)
    scene.restart(frames_ago=15)
    scene.run(60)
    assert scene.told == [(BIG, SMALL), tuple(other), (BIG, SMALL)]
    for name in ("480p", "360p"):
        breaks = [sample for sample in scene.out[name] if sample.discontinuity]
        assert [sample.is_sync for sample in breaks] == [True, True]
    starts = {
        name: [sample.dts for sample in scene.out[name] if sample.discontinuity]
        for name in ("480p", "360p")
    }
    assert starts["480p"] == starts["360p"]


def test_encoders_that_come_back_with_another_format_break_where_they_come_back() -> None:
    software = tuple(replace(track, codec_config=SOURCE.codec_config) for track in (BIG, SMALL))
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(27)
    scene.restart(15, software)
    scene.run(60)
    assert_contiguous(scene)
    assert scene.told == [(BIG, SMALL), software]
    for name in ("480p", "360p"):
        [broken] = [sample for sample in scene.out[name] if sample.discontinuity]
        assert broken.is_sync
        assert broken.dts == scene.slate_to_live(name)


def test_a_break_of_the_publishers_time_breaks_the_slate_with_a_key_frame() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(7)
    scene.frame += 10
    scene.run(20, discontinuity=True)
    for name in ("480p", "360p"):
        [broken] = [sample for sample in scene.out[name] if sample.discontinuity]
        assert (broken.is_sync, broken.data) == (True, b"slate 0")


def test_an_encoder_that_never_catches_up_is_taken_as_it_is_after_two_seconds() -> None:
    scene = Scene(lag=1)
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    scene.lags = {"480p": 30, "360p": 30}
    scene.restart(frames_ago=40)
    scene.run(150)
    assert scene.kinds("360p") == scene.kinds("480p") == "LSL"
    assert_contiguous(scene)


def test_a_rung_that_its_encoder_lets_stand_is_not_waited_for() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(27)
    scene.bridge.shed = ("480p",)
    scene.lags["480p"] = 10_000
    scene.restart()
    scene.run(30)
    assert scene.kinds("360p") == "LSL"
    assert not scene.bridge.is_active
    assert scene.kinds("480p") == "LS", "nor does it show the slate beside a live picture"
    scene.lags["480p"] = 2
    scene.next_encoded["480p"] = scene.frame
    scene.run(120)
    assert scene.kinds("480p") == "LSL"
    first = next(s for s in scene.out["480p"] if s.dts == scene.slate_to_live("480p"))
    assert first.is_sync


def test_whoever_does_not_come_in_time_is_asked_again_and_the_slate_goes_on() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(27)
    scene.restart()
    scene.run(5)
    assert len(scene.asked) == 1
    scene.lags = {"480p": 30, "360p": 30}  # it stalls just then
    scene.run(25)
    scene.lags = {"480p": 2, "360p": 2}
    scene.run(60)
    assert len(scene.asked) >= 2
    assert_contiguous(scene)
    assert scene.kinds("360p") == scene.kinds("480p") == "LSL"


def test_the_slate_lasts_as_long_as_a_publisher_that_leaves() -> None:
    scene = Scene(lag=10)
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    scene.obey(scene.bridge.flush())
    assert scene.dts("360p")[-1] == scene.dts("480p")[-1] == (scene.frame - 1) * FRAME


def test_the_next_publisher_is_bridged_as_well_while_the_worker_is_away() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    scene.obey(scene.bridge.flush())
    only = replace(PLAN, rungs=RUNGS[1:])
    scene.bridge.follow(only, (SOURCE,), is_away=True)
    assert scene.bridge.tracks == (SMALL,)
    scene.frame += 60
    scene.lags = {"360p": 2}
    scene.run(10, discontinuity=True)
    assert scene.told[-1] == (SMALL,)
    assert scene.kinds("360p") == "LS"
    scene.restart(0, (SMALL,))
    scene.run(60)
    assert scene.kinds("360p") == "LSL"
    assert scene.bridge.statistics().bridged == 1
    assert scene.bridge.statistics().bridged_s < 2, "nor is counted how long nobody published"


def test_a_publisher_for_whom_a_worker_runs_begins_as_always() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    scene.bridge.follow(PLAN, (SOURCE,), is_away=False)
    assert not scene.bridge.is_active
    assert scene.bridge.tracks == ()
    scene.run(20, discontinuity=True)
    assert scene.kinds("360p") == "LS"


def test_beside_a_copied_picture_no_slate_stands_in() -> None:
    scene = Scene(replace(PLAN, copies_video=True))
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    assert scene.kinds("360p") == "L"
    assert not scene.bridge.has_renditions


def test_a_rung_of_half_the_rate_has_half_of_the_pictures() -> None:
    halved = (RUNGS[0], replace(RUNGS[1], fps_divisor=2))
    scene = Scene(replace(PLAN, rungs=halved))
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(60)
    scene.kill()
    scene.run(60)
    shown = [s.dts for s in scene.out["360p"] if s.data != b"live"]
    assert {b - a for a, b in pairwise(shown)} <= {FRAME, 2 * FRAME}
    assert len(shown) <= 31


AAC = 1024


class SoundScene:
    """The same for encoded sound alone: Opus in, AAC out, later by `lag` samples."""

    def __init__(self) -> None:
        self.bridge = LadderBridge(SEGMENT_S)
        self.bridge.follow(replace(LOUD, rungs=()), (OPUS,), is_away=False)
        self.out: list[Sample] = []
        self.at = START * 48_000
        self.next = self.at
        self.runs = True
        self.lag = 1920
        self.obey(self.bridge.set_encoded((SOUND,)))
        self.bridge.set_strips([sound_strip()])

    def obey(self, outcome: Outcome) -> None:
        self.out += [one for one in outcome if isinstance(one, Sample)]

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * 50)):
            source = Sample(OPUS.name, self.at, self.at, b"opus", True, 960)
            self.obey(self.bridge.push_source(source))
            self.at += 960
            while self.runs and self.next + AAC <= self.at - self.lag:
                sample = Sample("audio_aac", self.next, self.next, b"live", True, AAC)
                self.next += AAC
                self.obey(self.bridge.push_encoded(sample))


@pytest.mark.parametrize("lag", [960, 1920, 4800])
def test_sound_that_is_encoded_is_bridged_and_back_within_half_a_frame(lag: int) -> None:
    scene = SoundScene()
    scene.run(2)
    scene.runs = False
    scene.bridge.worker_lost()
    scene.run(1)
    scene.runs, scene.next, scene.lag = True, scene.at - 10_000, lag
    scene.obey(scene.bridge.set_encoded((SOUND,)))
    scene.run(1)
    assert not scene.bridge.is_active
    steps = [b.dts - a.dts for a, b in pairwise(scene.out)]
    assert all(abs(step - AAC) <= AAC // 2 for step in steps)
    assert sum(step != AAC for step in steps) <= 1
    assert len({sample.data for sample in scene.out}) == 2
