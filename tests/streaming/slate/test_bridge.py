"""The slate in the place of encoders that have died: at whose ticks, until when, told how."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.segmenter.stage import SMALL, SOURCE
from tests.streaming.slate.bridge_scene import (
    BIG,
    FRAME,
    LINE,
    PLAN,
    RUNGS,
    Scene,
    assert_contiguous,
    bridged,
    strip,
)


def test_without_strips_everything_passes_and_nothing_stands_in() -> None:
    scene = Scene()
    scene.run(69)
    scene.kill()
    scene.run(27)
    scene.restart()
    scene.run(30)
    assert scene.kinds("480p") == scene.kinds("360p") == "L"
    assert scene.told == [(BIG, SMALL), (BIG, SMALL)]
    assert not scene.bridge.is_active


def test_every_rung_goes_on_at_the_very_ticks_that_it_would_have_had() -> None:
    scene = bridged()
    assert_contiguous(scene)
    assert scene.kinds("480p") == scene.kinds("360p") == "LSL"
    assert scene.told == [(BIG, SMALL)], "nothing has changed for players"
    assert not any(sample.discontinuity for name in scene.out for sample in scene.out[name])


@pytest.mark.parametrize("at", [0, 10, 25, 50])
def test_key_frames_are_told_where_segments_begin_and_nowhere_else(at: int) -> None:
    scene = bridged(at=at)
    lines = [dts for dts in scene.dts("480p") if dts // LINE != (dts - FRAME) // LINE]
    first = [] if at == 0 else [scene.dts("480p")[0]]
    assert scene.keys("480p") == scene.keys("360p") == first + lines


def test_the_slate_begins_with_its_key_frame_and_again_at_each_line() -> None:
    scene = bridged()
    shown = [sample for sample in scene.out["360p"] if sample.data != b"live"]
    assert shown[0].data == b"slate 0"
    line = next((n for n, sample in enumerate(shown) if sample.dts % LINE == 0), None)
    numbers = [int(sample.data.split()[1]) for sample in shown]
    end = len(shown) if line is None else line
    assert numbers[:end] == list(range(end))


def test_the_slate_is_as_late_as_the_encoders_were() -> None:
    scene = Scene(lag=20)  # that of a look-ahead
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    before = scene.dts("360p")[-1]
    scene.kill()
    scene.run(1)
    assert scene.dts("360p")[-1] - before <= 2 * FRAME
    scene.run(29)
    assert scene.frame * FRAME - scene.dts("360p")[-1] == pytest.approx(20 * FRAME, abs=2 * FRAME)
    scene.restart(frames_ago=15)
    scene.run(90)
    assert_contiguous(scene)
    assert scene.kinds("360p") == "LSL"


def test_strips_that_come_late_end_the_hole_with_a_key_frame_that_is_told() -> None:
    scene = Scene()
    scene.run(69)
    scene.kill()
    scene.run(60)
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(1)
    first = next(sample for sample in scene.out["360p"] if sample.data != b"live")
    assert first.is_sync
    scene.restart()
    scene.run(60)
    assert scene.kinds("360p") == "LSL"


def test_strips_that_come_while_others_are_on_wait_for_the_next_time() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(10)
    other = [replace(track, codec_config=SOURCE.codec_config) for track in (BIG, SMALL)]
    scene.bridge.set_strips([strip(track) for track in other])
    scene.run(10)
    assert scene.told == [(BIG, SMALL)]
    scene.restart()
    scene.run(60)
    assert scene.kinds("360p") == "LSL"
    scene.kill()
    scene.run(10)
    assert scene.told == [(BIG, SMALL), tuple(other)]


def test_no_strips_are_no_slate() -> None:
    scene = Scene()
    scene.run(69)
    scene.kill()
    scene.bridge.set_strips([])
    scene.run(10)
    assert scene.bridge.statistics().bridged == 0
    assert not scene.bridge.is_active


def test_a_slate_of_another_format_is_a_discontinuity_at_one_tick_in_all_rungs() -> None:
    other = [replace(track, codec_config=SOURCE.codec_config) for track in (BIG, SMALL)]
    scene = Scene(lag_480p=5, lag_360p=1)
    scene.bridge.set_strips([strip(track) for track in other])
    scene.run(69)
    scene.kill()
    scene.run(27)
    scene.restart(frames_ago=15)
    scene.run(60)
    assert scene.told == [(BIG, SMALL), tuple(other), (BIG, SMALL)]
    for name in ("480p", "360p"):
        breaks = [sample for sample in scene.out[name] if sample.discontinuity]
        assert [sample.is_sync for sample in breaks] == [True, True]
    starts = {
        name: [sample.dts for sample in scene.out[name] if sample.discontinuity]
        for name in ("480p", "360p")
    }
    assert starts["480p"] == starts["360p"]


def test_a_break_of_the_publishers_time_breaks_the_slate_with_a_key_frame() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(7)
    scene.frame += 10
    scene.run(20, discontinuity=True)
    for name in ("480p", "360p"):
        [broken] = [sample for sample in scene.out[name] if sample.discontinuity]
        assert (broken.is_sync, broken.data) == (True, b"slate 0")


def test_the_slate_lasts_as_long_as_a_publisher_that_leaves() -> None:
    scene = Scene(lag=10)
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    scene.obey(scene.bridge.flush())
    assert scene.dts("360p")[-1] == scene.dts("480p")[-1] == (scene.frame - 1) * FRAME


def test_the_next_publisher_is_bridged_as_well_while_the_worker_is_away() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    scene.obey(scene.bridge.flush())
    only = replace(PLAN, rungs=RUNGS[1:])
    scene.bridge.follow(only, (SOURCE,), is_away=True)
    assert scene.bridge.tracks == (SMALL,)
    scene.frame += 60
    scene.lags = {"360p": 2}
    scene.run(10, discontinuity=True)
    assert scene.told[-1] == (SMALL,)
    assert scene.kinds("360p") == "LS"
    scene.restart(0, (SMALL,))
    scene.run(60)
    assert scene.kinds("360p") == "LSL"
    assert scene.bridge.statistics().bridged == 1
    assert scene.bridge.statistics().bridged_s < 2, "nor is counted how long nobody published"


def test_a_publisher_for_whom_a_worker_runs_begins_as_always() -> None:
    scene = Scene()
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    scene.bridge.follow(PLAN, (SOURCE,), is_away=False)
    assert not scene.bridge.is_active
    assert scene.bridge.tracks == ()
    scene.run(20, discontinuity=True)
    assert scene.kinds("360p") == "LS"


def test_beside_a_copied_picture_no_slate_stands_in() -> None:
    scene = Scene(replace(PLAN, copies_video=True))
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(69)
    scene.kill()
    scene.run(20)
    assert scene.kinds("360p") == "L"
    assert not scene.bridge.has_renditions


def test_a_rung_of_half_the_rate_has_half_of_the_pictures() -> None:
    halved = (RUNGS[0], replace(RUNGS[1], fps_divisor=2))
    scene = Scene(replace(PLAN, rungs=halved))
    scene.bridge.set_strips([strip(BIG), strip(SMALL)])
    scene.run(60)
    scene.kill()
    scene.run(60)
    shown = [s.dts for s in scene.out["360p"] if s.data != b"live"]
    assert {b - a for a, b in pairwise(shown)} <= {FRAME, 2 * FRAME}
    assert len(shown) <= 31
