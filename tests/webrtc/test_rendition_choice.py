from __future__ import annotations

from collections.abc import Callable

from tests.webrtc.reports import summary
from webrtc.bandwidth import BandwidthEstimate
from webrtc.rendition_choice import RenditionChoice

RUNGS = (400_000, 1_200_000, 3_000_000)


def watch(
    seconds: range,
    capacity: Callable[[int], int],
    choice: RenditionChoice,
    current: int,
) -> list[int]:
    """What a viewer is sent each second whose REMB is its capacity, held at 1.5 times what is
    sent, as libwebrtc does."""
    sent = []
    for now in seconds:
        estimate = min(capacity(now), RUNGS[current] * 3 // 2)
        loss = 0.2 if RUNGS[current] > capacity(now) * 1.2 else 0.0
        current = choice.choose(RUNGS, current, estimate, loss, float(now))
        sent.append(current)
    return sent


def test_a_viewer_begins_with_the_best_that_most_can_receive() -> None:
    choice = RenditionChoice()
    assert choice.first(RUNGS) == 2
    assert choice.first((1_000_000, 8_000_000)) == 0
    assert choice.first((8_000_000,)) == 0


def test_a_cut_from_5_to_1_megabits_is_followed_within_3_seconds_and_made_good() -> None:
    choice = RenditionChoice()
    assert set(watch(range(10), lambda _: 5_000_000, choice, 2)) == {2}
    cut = watch(range(10, 30), lambda _: 1_000_000, choice, 2)
    assert cut[2] == 0
    back = watch(range(30, 60), lambda _: 5_000_000, choice, cut[-1])
    assert back[-1] == 2
    assert back.index(2) <= 20


def test_a_viewer_of_1_megabit_is_tried_ever_less_often() -> None:
    choice = RenditionChoice()
    sent = watch(range(300), lambda _: 1_000_000, choice, 0)
    tries = [now for now in range(1, 300) if sent[now] > sent[now - 1]]
    assert 2 <= len(tries) <= 8
    assert tries[-1] - tries[-2] > 30
    assert sum(sent) < 30, "seconds with more than it can receive"


def test_loss_alone_leads_down_by_one() -> None:
    choice = RenditionChoice()
    assert choice.choose(RUNGS, 2, 0, 0.2, 10.0) == 1
    assert choice.choose(RUNGS, 1, 0, 0.2, 11.0) == 1, "the reports are still of before"
    assert choice.choose(RUNGS, 1, 0, 0.2, 13.0) == 0
    assert choice.choose(RUNGS, 0, 0, 0.2, 20.0) == 0


def test_nothing_known_changes_nothing() -> None:
    choice = RenditionChoice()
    assert [choice.choose(RUNGS, 1, 0, 0.0, float(now)) for now in range(100)] == [1] * 100


def test_an_estimate_is_the_viewers_own_where_it_sends_one() -> None:
    assert BandwidthEstimate().update(summary(remb_bitrate=777, received_bitrate=5)) == 777


def test_an_estimate_from_reports_rises_slowly_and_falls_at_once() -> None:
    estimate = BandwidthEstimate()
    good = summary(reported_s=1.0, reported_packets=300, received_bitrate=1_000_000)
    risen = [estimate.update(good) for _ in range(10)]
    assert risen == sorted(risen)
    assert risen[0] == 1_080_000
    assert risen[-1] == 1_500_000
    queueing = summary(reported_s=1.0, queue_delay_s=0.2, received_bitrate=900_000)
    assert estimate.update(queueing) == 765_000
    losing = summary(reported_s=1.0, reported_loss=0.3, received_bitrate=600_000)
    assert estimate.update(losing) == 510_000


def test_without_reports_the_estimate_stays() -> None:
    estimate = BandwidthEstimate()
    estimate.update(summary(remb_bitrate=1_000))
    assert estimate.update(summary()) == 1_000
