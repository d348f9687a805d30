"""What a rendition has brought lately, by the parts that became available."""

from __future__ import annotations

from segmenter.segment import Part
from streaming.rendition_meter import METER_S, SILENT_S, RenditionMeter, RenditionRates


def part(size_bytes: int = 25_000, samples: int = 6, captured_utc: float = 0.0) -> Part:
    """0.2 s of media: 1 Mb/s and 30 pictures a second unless told otherwise."""
    return Part(1, 0, 0, 18_000, 90_000, 0, size_bytes, samples, True, captured_utc)


def run(meter: RenditionMeter, first: float, seconds: float, **of_part: float) -> float:
    """Parts one after the other, each 50 ms after its capture; the time of the last one."""
    now = first
    for index in range(round(seconds / 0.2)):
        now = first + 0.2 * index
        meter.add(part(captured_utc=now - 0.05, **of_part), now)  # type: ignore[arg-type]
    return now


def test_rates_are_those_of_the_media_time_that_was_brought() -> None:
    meter = RenditionMeter()
    now = run(meter, 1_000.0, 8.0)
    assert meter.rates(now) == RenditionRates(1_000_000, 30.0, 0.05)


def test_what_was_before_the_last_seconds_is_forgotten() -> None:
    meter = RenditionMeter()
    run(meter, 1_000.0, 20.0)
    now = run(meter, 1_020.0, METER_S + 0.4, size_bytes=50_000, samples=3)
    assert meter.rates(now).bits_per_second == 2_000_000
    assert meter.rates(now).samples_per_second == 15.0


def test_a_rendition_that_has_gone_silent_brings_nothing() -> None:
    meter = RenditionMeter()
    now = run(meter, 1_000.0, 8.0)
    assert meter.rates(now + SILENT_S + 1) == RenditionRates()
    assert RenditionMeter().rates(now) == RenditionRates()


def test_without_capture_times_the_latency_is_unknown() -> None:
    meter = RenditionMeter()
    meter.add(part(), 1_000.0)
    assert meter.rates(1_000.0).latency_s == 0.0
    assert meter.rates(1_000.0).bits_per_second == 1_000_000
