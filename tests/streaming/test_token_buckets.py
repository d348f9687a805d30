"""How often each of many may do something."""

from __future__ import annotations

from streaming.token_buckets import MOST_REMEMBERED, TokenBuckets


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    buckets = TokenBuckets(rate=0.5, burst=3)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert not buckets.take("a", 1.9)
    assert buckets.take("a", 2.0)
    assert not buckets.take("a", 2.0)
    assert [buckets.take("a", 1000.0) for _ in range(4)] == [True, True, True, False]


def test_each_has_a_bucket_of_its_own_and_a_clock_set_back_costs_nothing() -> None:
    buckets = TokenBuckets(rate=1, burst=1)
    assert buckets.take("a", 5.0)
    assert buckets.take("b", 5.0)
    assert not buckets.take("a", 4.0)
    assert buckets.take("a", 5.0)


def test_so_many_are_remembered() -> None:
    buckets = TokenBuckets(rate=0.001, burst=1)
    for number in range(MOST_REMEMBERED + 1):
        assert buckets.take(str(number), 0.0)
    assert buckets.take("0", 0.0)
    assert not buckets.take(str(MOST_REMEMBERED), 0.0)
