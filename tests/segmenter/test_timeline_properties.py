"""What holds on the timeline whatever publishers do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.audio_clock import DRIFT_LIMIT_MS
from segmenter.codecs.aac import write_audio_specific_config
from segmenter.media import Codec, Sample, Track
from segmenter.timeline import MPEG_TS_CLOCK, RTMP_CLOCK, SourceClock, Timeline

NOW = 1_800_000_000.0
RATES = (44_100, 48_000)


@dataclass(frozen=True)
class Publisher:
    """A script of what one publisher sends."""

    has_video: bool
    has_audio: bool
    clock: SourceClock
    wrap_bits: int
    first_stamp: int
    steps_ms: tuple[int, ...]
    """Frame intervals, over and over."""
    gop: int
    reordered: bool
    sample_rate: int
    frames: int
    audio_late_ms: int
    away_s: float
    """Before it comes."""
    continues: bool
    burst: bool
    """Everything arrives at once."""
    troubles: tuple[tuple[int, str, int], ...] = ()
    """(sample, kind, milliseconds)"""

    @property
    def tracks(self) -> list[Track]:
        """What it announces."""
        config = write_audio_specific_config(self.sample_rate, 2)
        video = Track("source", Codec.H264, 90_000, b"\x01")
        audio = Track("audio", Codec.AAC, self.sample_rate, config)
        return [video] * self.has_video + [audio] * self.has_audio


def publisher_of_both() -> Publisher:
    """An orderly one at 25 fps."""
    return Publisher(
        True, True, MPEG_TS_CLOCK, 33, 0, (40,), 25, False, 48_000, 1, 0, 0.0, False, False
    )


def true_samples(publisher: Publisher) -> list[tuple[Fraction, Fraction, str, bool]]:
    """(dts, pts, track, is_sync) in exact seconds, in the order of sending."""
    times, at = [], 0
    for i in range(publisher.frames + 3):
        times.append(Fraction(at, 1000))
        at += publisher.steps_ms[i % len(publisher.steps_ms)]
    out = []
    if publisher.has_video:
        for i in range(publisher.frames):
            place = i % publisher.gop
            shown = i
            if publisher.reordered and place and i - place + publisher.gop <= publisher.frames:
                # Pairs swapped within the GOP: P1 B0 P3 B2.
                last = publisher.gop - 1
                shown = i + 1 if place % 2 and place < last else i - 1 if place % 2 == 0 else i
            out.append(
                (times[i], times[shown] + times[1] * publisher.reordered, "source", not place)
            )
    if publisher.has_audio:
        frame = Fraction(1024, publisher.sample_rate)
        for n in range(int(times[publisher.frames] / frame)):
            dts = n * frame + Fraction(publisher.audio_late_ms, 1000)
            out.append((dts, dts, "audio", True))
    return sorted(out, key=lambda entry: entry[0])


def sent(publisher: Publisher) -> Iterator[tuple[Sample, float]]:
    """(sample, seconds after the first) as they arrive, troubles included."""
    scale, mask = publisher.clock.timescale, (1 << publisher.wrap_bits) - 1
    troubles = {at: (kind, amount) for at, kind, amount in publisher.troubles}
    moved = pause = 0
    for i, (dts, pts, track, is_sync) in enumerate(true_samples(publisher)):
        kind, amount = troubles.get(i, ("", 0))
        moved += amount if kind == "jump" else 0
        pause += abs(amount) if kind == "pause" else 0
        stray = amount if kind == "stray" else 0
        if kind == "lost":
            continue
        base = publisher.first_stamp + (moved + stray) * scale // 1000
        stamp = base + int(dts * scale)
        sample = Sample(track, stamp & mask, 0, b"x", is_sync)
        shown = sample.dts + int(pts * scale) - int(dts * scale)
        arrival = 0.0 if publisher.burst else float(dts) + pause / 1000
        yield replace(sample, pts=shown & mask if stamp & mask == shown else shown), arrival
        if kind == "repeat":
            yield replace(sample, pts=shown), arrival


@dataclass
class Run:
    """What came out of a timeline, with what had gone in."""

    timeline: Timeline
    placed: list[list[Sample]] = field(default_factory=list)
    """For each publisher."""


def play(publishers: list[Publisher]) -> Run:
    run = Run(Timeline())
    now = NOW
    for publisher in publishers:
        now += publisher.away_s
        run.timeline.start(publisher.tracks, publisher.clock, continues=publisher.continues)
        out: list[Sample] = []
        arrival = 0.0
        for sample, arrival in sent(publisher):
            out += run.timeline.push(sample, now + arrival)
        if not publisher.continues:
            out += run.timeline.flush()
        run.placed.append(out)
        now += arrival
    return run


lean = settings(max_examples=60, deadline=None, derandomize=True)

kinds = st.sampled_from(["jump", "pause", "stray", "lost", "repeat"])
amounts = st.one_of(st.integers(-3_000, 20_000), st.integers(-50_000_000, 50_000_000))
trouble_lists = st.lists(st.tuples(st.integers(0, 150), kinds, amounts), max_size=6).map(tuple)


@st.composite
def publisher_scripts(draw: st.DrawFn, *, orderly: bool = False) -> Publisher:
    clock = draw(st.sampled_from([RTMP_CLOCK, MPEG_TS_CLOCK]))
    bits = draw(st.sampled_from([31, 32])) if clock is RTMP_CLOCK else 33
    near_wrap = (1 << bits) - draw(st.integers(0, 2 * clock.timescale))
    has_video, has_audio = draw(st.sampled_from([(True, True), (True, False), (False, True)]))
    return Publisher(
        has_video=has_video,
        has_audio=has_audio,
        clock=clock,
        wrap_bits=bits,
        first_stamp=draw(st.sampled_from([0, 12_345, near_wrap])),
        steps_ms=draw(
            st.sampled_from([(40,), (33, 33, 34), (16, 17, 17), (20, 200, 45), (700, 40, 40)])
        ),
        gop=draw(st.sampled_from([1, 12, 25])),
        reordered=draw(st.booleans()),
        sample_rate=draw(st.sampled_from(RATES)),
        frames=draw(st.integers(1, 60)),
        audio_late_ms=draw(st.integers(0, 90)),
        away_s=draw(st.floats(0, 30)),
        continues=False if orderly else draw(st.booleans()),
        burst=draw(st.booleans()),
        troubles=() if orderly else draw(trouble_lists),
    )


any_publishers = st.lists(publisher_scripts(), min_size=1, max_size=4)
orderly_publishers = st.lists(publisher_scripts(orderly=True), min_size=1, max_size=3)


def seconds(sample: Sample, publisher: Publisher) -> Fraction:
    scale = 90_000 if sample.track == "source" else publisher.sample_rate
    return Fraction(sample.dts, scale)


@lean
@given(any_publishers)
def test_dts_rises_strictly_on_each_track_over_all_publishers(publishers: list[Publisher]) -> None:
    run = play(publishers)
    last: dict[str, Fraction] = {}
    for publisher, placed in zip(publishers, run.placed, strict=True):
        for sample in placed:
            assert seconds(sample, publisher) > last.get(sample.track, Fraction(0))
            last[sample.track] = seconds(sample, publisher)


@lean
@given(any_publishers)
def test_audio_never_overlaps(publishers: list[Publisher]) -> None:
    run = play(publishers)
    end = Fraction(0)
    for publisher, placed in zip(publishers, run.placed, strict=True):
        for sample in placed:
            if sample.track == "audio":
                assert seconds(sample, publisher) >= end
                end = seconds(sample, publisher) + Fraction(sample.duration, publisher.sample_rate)


@lean
@given(any_publishers)
def test_media_time_is_never_a_float(publishers: list[Publisher]) -> None:
    for placed in play(publishers).placed:
        for sample in placed:
            assert [type(x) for x in (sample.dts, sample.pts, sample.duration)] == [int] * 3


@lean
@given(any_publishers)
def test_a_video_break_is_a_sync_sample_and_tracks_break_equally_often(
    publishers: list[Publisher],
) -> None:
    run = play(publishers)
    for placed in run.placed:
        assert all(s.is_sync for s in placed if s.discontinuity and s.track == "source")
        marks = [sum(s.discontinuity for s in placed if s.track == t) for t in ("source", "audio")]
        assert max(marks) <= run.timeline.statistics().epochs + len(publishers)


@lean
@given(any_publishers)
def test_a_publisher_who_came_anew_starts_after_all_media_before_it(
    publishers: list[Publisher],
) -> None:
    timeline = Timeline()
    now = NOW
    for publisher in publishers:
        end = timeline.end_utc
        timeline.start(publisher.tracks, publisher.clock)
        placed = [s for sample, _ in sent(publisher) for s in timeline.push(sample, now)]
        for sample in placed:
            assert float(seconds(sample, publisher)) >= end - 1e-6


@lean
@given(orderly_publishers)
def test_an_orderly_publisher_is_anchored_once_whatever_wraps(publishers: list[Publisher]) -> None:
    run = play(publishers)
    statistics = run.timeline.statistics()
    assert statistics.epochs == sum(map(bool, run.placed))
    assert statistics.jumps == statistics.stray_stamps == statistics.stray_tracks == 0


@lean
@given(publisher_scripts(orderly=True))
def test_orderly_samples_keep_their_distances(publisher: Publisher) -> None:
    """Video to the tick of the publisher's clock, audio within the drift bound."""
    run = play([publisher])
    placed = run.placed[0]
    video = [s for s in placed if s.track == "source"]
    audio = [s for s in placed if s.track == "audio"]
    truth = true_samples(publisher)
    scale = publisher.clock.timescale
    if publisher.has_video:
        expected = [
            int(pts * scale) * (90_000 // scale) for _, pts, track, _ in truth if track == "source"
        ]
        origins = {s.pts - e for s, e in zip(video, expected, strict=True)}
        assert len(origins) == 1
        assert video[0].is_sync
        assert video[0].dts == video[0].pts
        origin = Fraction(origins.pop(), 90_000)
        heard = [dts for dts, _, track, _ in truth if track == "audio"][-len(audio) or None :]
        for sample, dts in zip(audio, heard, strict=False):
            error = seconds(sample, publisher) - origin - dts
            assert abs(error) <= Fraction(DRIFT_LIMIT_MS, 1000)
    for a, b in itertools.pairwise(audio):
        assert b.dts == a.dts + a.duration == a.dts + 1024


@lean
@given(publisher_scripts(orderly=True))
def test_tracks_of_an_orderly_publisher_start_within_an_audio_frame(publisher: Publisher) -> None:
    placed = play([replace(publisher, has_video=True, has_audio=True, audio_late_ms=0)]).placed[0]
    video = next(s for s in placed if s.track == "source")
    audio = next((s for s in placed if s.track == "audio"), None)
    if audio is not None:
        late = seconds(audio, publisher) - Fraction(video.pts, 90_000)
        assert late + Fraction(1, publisher.sample_rate) >= 0
        assert late < Fraction(1024, publisher.sample_rate) + Fraction(1, 1000)


@lean
@given(st.lists(st.tuples(st.integers(0, 2**33 - 1), st.booleans(), st.booleans()), max_size=400))
def test_stamps_at_random_raise_nothing_and_still_rise(
    stamps: list[tuple[int, bool, bool]],
) -> None:
    timeline = Timeline()
    timeline.start(publisher_of_both().tracks, MPEG_TS_CLOCK)
    placed: list[Sample] = []
    for i, (stamp, is_video, is_sync) in enumerate(stamps):
        sample = Sample("source" if is_video else "audio", stamp, stamp, b"", is_sync)
        placed += timeline.push(sample, NOW + i / 100)
    placed += timeline.flush()
    for track in ("source", "audio"):
        dts = [s.dts for s in placed if s.track == track]
        assert all(a < b for a, b in itertools.pairwise(dts))


@pytest.mark.parametrize("wildness", [0.02, 0.3, 1.0])
def test_a_walk_along_the_bounds_with_publishers_that_come_and_go_still_rises(
    wildness: float,
) -> None:
    """Steps next to every bound, wraps, pauses, a wall clock set back an hour: seeded."""
    steps = (-(2**31), -4_000, -600, -501, 2_999, 3_100, 5_000_000)
    tracks = publisher_of_both().tracks
    for seed in range(14, 44):
        random = Random(seed)
        timeline, last = Timeline(), {"source": 0, "audio": 0}
        timeline.start(tracks, RTMP_CLOCK)
        stamp, now = random.choice([0, 2**31 - 5_000, 2**32 - 9_000]), NOW
        for _ in range(600):
            wild = random.random() < wildness
            stamp += random.choice(steps) if wild else random.randint(0, 40)
            now += random.choices([0.02, 3.0, -3_600.0], [1_000, 10, 1])[0]
            if random.random() < 0.005:
                timeline.start(tracks, RTMP_CLOCK, continues=random.random() < 0.5)
            dts, track = stamp % 2**32, random.choice(["source", "audio"])
            pts = dts + random.choice([0, 0, 40, 80])
            sample = Sample(track, dts, pts, b"", track == "audio" or random.random() < 0.05)
            for placed in timeline.push(sample, now):
                assert placed.dts > last[placed.track]
                last[placed.track] = placed.dts


def test_a_day_with_a_drifting_clock_wraps_and_a_thousand_reconnects_only_rises() -> None:
    """One picture and one packet of audio each second; 200 ppm fast; 24 hours."""
    video = Track("source", Codec.H264, 90_000, b"\x01")
    audio = Track("audio", Codec.AAC, 48_000, write_audio_specific_config(48_000, 2))
    timeline = Timeline()
    last = {"source": 0, "audio": 0}
    breaks = 0
    for second in range(86_400):
        if second % 86 == 85:
            continue
        if second % 86 == 0:
            timeline.start([video, audio], RTMP_CLOCK)
        stamp = (2**32 - 43_200_000 + second * 1000 + second // 5) % 2**32
        for sample in (
            Sample("source", stamp, stamp, b"", True),
            Sample("audio", stamp, stamp, b"", True, duration=48_000),
        ):
            for placed in timeline.push(sample, NOW + second):
                assert placed.dts > last[placed.track]
                last[placed.track] = placed.dts
                breaks += placed.discontinuity
    assert breaks == 2 * (86_400 // 86)
    assert abs(timeline.end_utc - (NOW + 86_400)) < 1.5
    assert timeline.statistics().jumps == 0
