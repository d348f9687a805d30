"""Buckets of capture to availability, as Prometheus wants them."""

from __future__ import annotations

from streaming.latency_histogram import BOUNDS_S, LatencyHistogram


def test_buckets_are_cumulative_and_a_bound_belongs_to_its_own() -> None:
    histogram = LatencyHistogram()
    for seconds in (0.04, BOUNDS_S[0], 0.12, 99.0):
        histogram.observe(seconds)
    counts = histogram.counts()
    assert counts.cumulative[:3] == (2, 2, 3)
    assert counts.cumulative[-2:] == (3, 4)
    assert len(counts.cumulative) == len(BOUNDS_S) + 1
    assert counts.sum_s == 0.04 + BOUNDS_S[0] + 0.12 + 99.0


def test_a_clock_that_was_set_back_makes_no_negative_latency() -> None:
    histogram = LatencyHistogram()
    histogram.observe(-3600.0)
    assert histogram.counts().sum_s == 0.0
    assert histogram.counts().cumulative[0] == 1
