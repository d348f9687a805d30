"""How the live picture comes back after a slate has bridged its encoders' death."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streaming.slate.way_back import HOLD
from tests.segmenter.stage import SMALL, SOURCE
from tests.streaming.slate.bridge_scene import (
    BIG,
    FRAME,
    Scene,
    assert_contiguous,
    bridged,
    strip,
)


def test_the_live_picture_is_back_at_the_same_tick_in_all_rungs() -> None:
    scene = bridged(lag_480p=5, lag_360p=1)
    assert_contiguous(scene)
    assert scene.slate_to_live("480p") == scene.slate_to_live("360p")
    assert len(scene.asked) == 1


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


@pytest.mark.parametrize("behind", range(2, 9))
def test_nobody_stands_for_longer_than_players_hold_back(behind: int) -> None:
    """Also when encoders that are nearly there stall just when their key frame is due."""
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(27)
    scene.lags = {"480p": behind, "360p": behind}
    scene.restart(frames_ago=behind)
    stands = longest = 0
    for _ in range(120):
        if scene.asked:
            scene.lags = dict.fromkeys(scene.lags, 60 if len(scene.asked) == 1 else 2)
        before = len(scene.out["480p"])
        scene.run(1)
        stands = stands + 1 if len(scene.out["480p"]) == before else 0
        longest = max(longest, stands)
    assert len(scene.asked) == 2
    assert scene.kinds("480p") == "LSL"
    assert_contiguous(scene)
    assert longest * FRAME <= HOLD
