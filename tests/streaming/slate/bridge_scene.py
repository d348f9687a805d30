"""A ladder whose encoders die and come back, bridged by a slate."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction

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
