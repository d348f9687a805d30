"""Real time for recordings, and endless time for those that loop."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

from segmenter.media import Codec, Sample, Track
from streaming.ingest.pacing import Interleaver, LoopClock, Pacer
from tests.streaming.ingest.test_demux import CLIPS, demux

VIDEO = Track("source", Codec.H264, 90_000, b"", 320, 180, Fraction(30))
AUDIO = Track("audio", Codec.AAC, 48_000, b"", sample_rate=48_000, channels=2)


def picture(dts: int, offset: int = 0) -> Sample:
    return Sample("source", dts, dts + offset, b"", False, 3_000)


def sound(dts: int) -> Sample:
    return Sample("audio", dts, dts, b"", True, 1_024)


def test_samples_are_due_by_their_dts_from_the_first_on() -> None:
    pacer = Pacer()
    assert pacer.due(900_000, now=50.0) == 50.0
    assert pacer.due(945_000, now=50.0) == 50.5


def test_what_is_late_is_due_in_the_past_so_that_latency_cannot_grow() -> None:
    pacer = Pacer()
    pacer.due(0, now=50.0)
    assert pacer.due(90_000, now=55.0) == 51.0


def test_a_jump_of_the_source_is_not_waited_for() -> None:
    pacer = Pacer()
    pacer.due(0, now=50.0)
    assert pacer.due(90_000 * 3_600, now=50.1) == 50.1
    assert pacer.due(90_000 * 3_601, now=50.1) == 51.1


def test_tracks_are_brought_into_the_order_of_their_dts() -> None:
    order = Interleaver(["source", "audio"])
    given = [sound(0), sound(1_920), sound(3_840), picture(0), picture(3_000), picture(6_000)]
    out = [s for sample in given for s in order.push(sample)] + order.flush()
    assert [s.dts for s in out] == sorted(s.dts for s in given)


def test_a_track_that_fell_silent_is_not_waited_for_longer_than_the_spread() -> None:
    order = Interleaver(["source", "audio"])
    out = [s for index in range(60) for s in order.push(picture(index * 3_000))]
    assert out[-1].dts == 59 * 3_000 - 135_000


def test_a_loop_goes_on_where_the_last_pass_ended() -> None:
    clock = LoopClock([VIDEO])
    first = [clock.place(picture(dts)) for dts in (0, 3_000, 6_000)]
    assert clock.end_pass()
    second = [clock.place(picture(dts)) for dts in (0, 3_000, 6_000)]
    assert [s.dts for s in [*first, *second] if s] == [0, 3_000, 6_000, 9_000, 12_000, 15_000]


def test_video_keeps_its_grid_over_the_seam_and_audio_does_not_overlap() -> None:
    (tracks,), samples = demux(CLIPS / "two-second-gop.mp4")
    clock = LoopClock(tracks)
    placed: list[Sample] = []
    for _ in range(3):
        placed += [s for s in map(clock.place, samples) if s]
        assert clock.end_pass()
    pictures = [s.dts for s in placed if s.track == "source"]
    assert {b - a for a, b in itertools.pairwise(pictures)} == {3_000}
    steps = [s.dts for s in placed if s.track == "audio"]
    assert all(960 <= b - a <= 2 * 1_920 for a, b in itertools.pairwise(steps))


def test_b_frames_keep_their_offsets_over_the_seam(tmp_path: Path) -> None:
    (tracks,), samples = demux(CLIPS / "b-frames.mp4")
    clock = LoopClock(tracks)
    for sample in samples:
        clock.place(sample)
    clock.end_pass()
    for sample in samples:
        placed = clock.place(sample)
        assert placed is None or placed.pts - placed.dts == sample.pts - sample.dts


def test_a_pass_without_length_is_refused() -> None:
    clock = LoopClock([VIDEO])
    assert not clock.end_pass()
    clock.place(Sample("source", 0, 0, b"", True))
    assert not clock.end_pass()
