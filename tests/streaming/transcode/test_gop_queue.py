from __future__ import annotations

import threading

import pytest

from segmenter.media import Sample
from streaming.transcode.gop_queue import GopQueue

SECOND = 10


def sample(dts: int, is_sync: bool = False, size: int = 1, discontinuity: bool = False) -> Sample:
    return Sample("source", dts, dts, bytes(size), is_sync, discontinuity=discontinuity)


@pytest.fixture
def queue() -> GopQueue[str]:
    return GopQueue(most_s=4.0, most_bytes=1000, timescale=SECOND)


def waiting(queue: GopQueue[str]) -> list[int | str]:
    return [item.dts if isinstance(item, Sample) else item for item in queue.take_all()]


def test_what_is_put_is_taken_in_order(queue: GopQueue[str]) -> None:
    queue.put(sample(0, True))
    queue.put_control("news")
    queue.put(sample(1))
    assert waiting(queue) == [0, "news", 1]


def test_too_much_time_drops_all_before_the_newest_key_frame(queue: GopQueue[str]) -> None:
    for dts in range(42):
        queue.put(sample(dts, is_sync=dts % 20 == 0))
    assert waiting(queue) == [40, 41]
    assert queue.statistics().dropped_samples == 40


def test_one_group_that_is_too_long_is_dropped_until_the_next_key_frame(
    queue: GopQueue[str],
) -> None:
    for dts in range(50):
        queue.put(sample(dts, is_sync=dts == 0))
    assert queue.statistics().skipping
    assert waiting(queue) == []
    for dts in range(50, 55):
        queue.put(sample(dts, is_sync=dts == 52))
    assert waiting(queue) == [52, 53, 54]
    assert queue.statistics().dropped_samples == 52


def test_too_many_bytes_drop_by_the_same_rule(queue: GopQueue[str]) -> None:
    for dts in range(6):
        queue.put(sample(dts, is_sync=dts in (0, 4), size=250))
    assert waiting(queue) == [4, 5]


def test_a_single_sample_above_the_bound_is_dropped(queue: GopQueue[str]) -> None:
    queue.put(sample(0, True, size=2000))
    assert waiting(queue) == []
    assert queue.statistics().skipping


def test_control_items_survive_a_drop(queue: GopQueue[str]) -> None:
    queue.put(sample(0, True))
    queue.put_control("news")
    for dts in range(1, 60):
        queue.put(sample(dts))
    assert waiting(queue) == ["news"]


def test_a_discontinuity_survives_the_loss_of_its_sample(queue: GopQueue[str]) -> None:
    for dts in range(42):
        queue.put(sample(dts, is_sync=dts % 20 == 0, discontinuity=dts == 20))
    kept = queue.take_all()
    assert [s.discontinuity for s in kept if isinstance(s, Sample)] == [True, False]


def test_a_discontinuity_survives_skipping(queue: GopQueue[str]) -> None:
    for dts in range(50):
        queue.put(sample(dts, is_sync=dts == 0, discontinuity=dts == 10))
    queue.put(sample(50, True))
    queue.put(sample(51))
    kept = queue.take_all()
    assert [s.discontinuity for s in kept if isinstance(s, Sample)] == [True, False]


def test_a_publishers_pause_is_no_lag(queue: GopQueue[str]) -> None:
    queue.put(sample(0, True))
    queue.take()
    queue.put(sample(1000, True))
    assert queue.statistics().lag_s <= 1.0
    assert waiting(queue) == [1000]


def test_a_jump_at_a_discontinuity_is_no_lag(queue: GopQueue[str]) -> None:
    queue.put(sample(0, True))
    queue.put(sample(1_000_000, True, discontinuity=True))
    queue.put(sample(500, True, discontinuity=True))
    assert waiting(queue) == [0, 1_000_000, 500]


def test_lag_is_what_came_and_was_not_taken(queue: GopQueue[str]) -> None:
    for dts in range(25):
        queue.put(sample(dts, is_sync=dts == 0))
    assert queue.statistics().lag_s == pytest.approx(2.4)
    for _ in range(5):
        queue.take()
    assert queue.statistics().lag_s == pytest.approx(2.0)
    assert queue.statistics().samples == 20


def test_taking_waits_for_something_to_come(queue: GopQueue[str]) -> None:
    taken: list[Sample | str] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    thread.start()
    queue.put_control("news")
    thread.join(10)
    assert taken == ["news"]
