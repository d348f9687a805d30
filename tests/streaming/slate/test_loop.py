"""A slate's loop: paced by counts, seamless, all tracks ending together."""

from __future__ import annotations

from fractions import Fraction

import pytest

from segmenter.errors import UsageError
from segmenter.media import Sample
from streaming.slate.loop import SlateLoop, SlateStrip
from tests.segmenter.stage import AUDIO, SOURCE

NOW = 1_800_000_000.0
AAC_S = Fraction(1024, 48_000)


def loop(rate: Fraction = Fraction(30)) -> SlateLoop:
    video = tuple((b"v%d" % n, n == 0) for n in range(int(2 * rate)))
    sound = tuple((b"a%d" % n, True) for n in range(93))
    return SlateLoop([SlateStrip(SOURCE, video, 1 / rate), SlateStrip(AUDIO, sound, AAC_S)])


def of(samples: list[tuple[Sample, float]], name: str) -> list[Sample]:
    return [sample for sample, _ in samples if sample.track == name]


def test_nothing_comes_before_it_is_due() -> None:
    slate = loop()
    slate.start(NOW)
    assert {sample.track for sample, _ in slate.take_due(NOW)} == {"source", "audio"}
    assert slate.take_due(NOW + 0.02) == []
    assert [s.track for s, _ in slate.take_due(NOW + 0.022)] == ["audio"]
    assert slate.next_due_utc == pytest.approx(NOW + 1 / 30)


def test_samples_are_due_at_their_own_time_however_late_they_are_taken() -> None:
    slate = loop()
    slate.start(NOW)
    taken = slate.take_due(NOW + 1.0)
    dues = [due_utc for _, due_utc in taken]
    assert dues == sorted(dues)
    for sample, due_utc in taken:
        assert due_utc == pytest.approx(NOW + sample.dts / 90_000, abs=1e-5)


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30_000, 1001), Fraction(25)])
def test_stamps_count_on_over_hours_without_drift_between_tracks(rate: Fraction) -> None:
    slate = loop(rate)
    slate.start(NOW)
    slate._counts = [int(7200 * rate), int(7200 / AAC_S)]
    [video, *_], sound = (of(slate.take_due(NOW + 7200.1), name) for name in ("source", "audio"))
    assert sound == [] or abs(video.dts - sound[0].dts) < 90_000 / 20
    assert abs(video.dts - 7200 * 90_000) <= 90_000 / 20


def test_the_loop_begins_again_with_its_key_frame() -> None:
    slate = loop()
    slate.start(NOW)
    keys = [s.dts for s in of(slate.take_due(NOW + 4.01), "source") if s.is_sync]
    assert keys == [0, 180_000, 360_000]


def test_all_tracks_end_with_the_first_one() -> None:
    slate = loop()
    slate.start(NOW)
    slate.take_due(NOW + 1.0)
    slate.take_last()
    video, sound = slate._dues()
    assert sound >= video
    assert sound - video < AAC_S


def test_it_starts_anew_with_its_first_samples() -> None:
    slate = loop()
    slate.start(NOW)
    slate.take_due(NOW + 1.3)
    slate.start(NOW + 60)
    (first, due_utc), *_ = slate.take_due(NOW + 60)
    assert (first.dts, first.is_sync, due_utc) == (0, True, NOW + 60)


def test_a_slate_has_samples() -> None:
    with pytest.raises(UsageError):
        SlateLoop([])
    with pytest.raises(UsageError):
        SlateLoop([SlateStrip(SOURCE, (), Fraction(1, 30))])
