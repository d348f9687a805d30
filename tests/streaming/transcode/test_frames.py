from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame

from segmenter.media import VIDEO_TIMESCALE
from streaming.config_paths import PathConfig, RungConfig
from streaming.errors import ConfigError
from streaming.transcode.frames import MOST_ERRORS_IN_A_ROW, WINDOW, FrameHook, load_hook
from streaming.transcode.ladder import plan_ladder
from tests.streaming.transcode.clips import (
    EPOCH,
    EPOCH_S,
    decode,
    picture,
    psnr,
    start_message,
    steady,
    transcode,
    video_clip,
)

SCOREBOARD = Path(__file__).parents[3] / "docs" / "examples" / "scoreboard.py"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def mean_luma(frame: VideoFrame) -> float:
    return float(frame.to_ndarray(format="yuv420p")[: frame.height].mean())


def invert(image: Any, pts_s: float) -> Any:
    return 255 - image


def test_a_hook_gets_rgb_and_the_media_time_and_gives_the_frame_to_encode() -> None:
    seen = []

    def hook(image: Any, pts_s: float) -> Any:
        seen.append((image.shape, image.dtype, pts_s))
        return invert(image, pts_s)

    frame = picture(0, 160, 120)
    made = FrameHook(hook, 10).apply(frame, EPOCH)
    assert seen == [((120, 160, 3), np.uint8, float(EPOCH_S))]
    assert abs(mean_luma(made) + mean_luma(frame) - 251) < 3  # 16 + 235: black became white


def test_a_hook_that_returns_none_leaves_the_frame_as_it_was() -> None:
    def hook(image: Any, pts_s: float) -> None:
        image[:] = 0

    frame = picture(3, 160, 120)
    assert FrameHook(hook, 10).apply(frame, EPOCH) is frame
    assert psnr(frame, picture(3, 160, 120)) > 90


def test_a_hook_can_ask_for_yuv() -> None:
    def hook(image: Any, pts_s: float) -> Any:
        assert image.shape == (180, 160)
        image[:120] = 77
        return image

    hook.frame_format = "yuv420p"  # type: ignore[attr-defined]
    made = FrameHook(hook, 10).apply(picture(0, 160, 120), EPOCH)
    assert set(made.to_ndarray()[:120].reshape(-1)) == {77}


@pytest.mark.parametrize("tags", [(1, 1), (1, 2), (6, 1), (2, 0)])
def test_colours_survive_the_way_through_rgb(tags: tuple[int, int]) -> None:
    frame = picture(0, 160, 120)
    frame.colorspace, frame.color_range = tags
    made = FrameHook(lambda image, pts_s: image, 10).apply(frame, EPOCH)
    assert made.colorspace == tags[0]
    assert made.color_range == 1
    if tags[1] != 2:
        before, after = (f.to_ndarray().astype(int) for f in (frame, made))
        assert abs(before - after)[:120].mean() < 1.5
        assert abs(before - after)[120:].mean() < 1.5


def test_what_a_hook_makes_of_rgb_is_no_longer_said_to_be_rgb() -> None:
    frame = picture(0, 160, 120).reformat(format="gbrp")
    frame.colorspace = 0
    made = FrameHook(lambda image, pts_s: image, 10).apply(frame, EPOCH)
    assert (made.format.name, made.colorspace) == ("yuv420p", 6)


def test_a_hook_that_changes_the_size_is_refused_and_counted() -> None:
    hook = FrameHook(lambda image, pts_s: image[::2], 10)
    frame = picture(0, 160, 120)
    assert hook.apply(frame, EPOCH) is frame
    assert hook.errors == 1
    assert not hook.bypassed


def test_a_hook_that_only_fails_is_bypassed_and_the_last_error_told() -> None:
    calls = []

    def broken(image: Any, pts_s: float) -> None:
        calls.append(pts_s)
        raise KeyError("score")

    hook = FrameHook(broken, 10)
    frame = picture(0, 160, 120)
    for _ in range(MOST_ERRORS_IN_A_ROW + 5):
        assert hook.apply(frame, EPOCH) is frame
    assert len(calls) == MOST_ERRORS_IN_A_ROW
    assert hook.bypassed == "10 errors in a row, the last: KeyError: 'score'"


def test_a_hook_that_exits_costs_no_worker_and_its_words_stay_on_one_line() -> None:
    """One that is a script calls sys.exit(); the log and the events have a line for each error."""

    def script(image: Any, pts_s: float) -> None:
        raise SystemExit("no scores:\n  file not found")

    hook = FrameHook(script, 10)
    frame = picture(0, 160, 120)
    for _ in range(MOST_ERRORS_IN_A_ROW):
        assert hook.apply(frame, EPOCH) is frame
    said = "SystemExit: no scores: file not found"
    assert hook.bypassed == f"10 errors in a row, the last: {said}"


def test_an_error_now_and_then_does_not_bypass_a_hook() -> None:
    calls = iter(range(1000))

    def moody(image: Any, pts_s: float) -> None:
        if next(calls) % 3:
            raise ValueError

    hook = FrameHook(moody, 10)
    for _ in range(40):
        hook.apply(picture(0, 32, 32), EPOCH)
    assert hook.errors > MOST_ERRORS_IN_A_ROW
    assert not hook.bypassed


def test_a_hook_over_its_budget_on_average_is_bypassed() -> None:
    clock = Clock()

    def slow(image: Any, pts_s: float) -> None:
        clock.now += 0.012

    hook = FrameHook(slow, 10, clock)
    told = []
    for _ in range(WINDOW):
        hook.apply(picture(0, 32, 32), EPOCH)
        told.append(hook.bypassed)
    assert set(told[:-1]) == {""}
    assert told[-1] == "it takes 12.0 ms per frame, the budget is 10"


def test_one_slow_call_is_forgiven() -> None:
    clock = Clock()
    durations = iter([0.5] + [0.001] * 200)

    def hook(image: Any, pts_s: float) -> None:
        clock.now += next(durations)

    judged = FrameHook(hook, 10, clock)
    for _ in range(150):
        judged.apply(picture(0, 32, 32), EPOCH)
    assert not judged.bypassed


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_colon", "module:function"),
        ("no.such.module:draw", "ModuleNotFoundError"),
        ("json:no_such_function", "AttributeError"),
        ("json:__name__", "not a function"),
    ],
)
def test_a_hook_that_cannot_be_loaded_is_a_configuration_error(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_hook(name)


def test_a_stream_goes_on_without_a_hook_that_cannot_be_loaded() -> None:
    clip = video_clip(steady(5, 30), gop=5, frame_rate=30)
    plan = plan_ladder(
        PathConfig(ladder=(RungConfig(name="low", height=64),)), clip.track, None, None, 8
    )
    made = transcode(start_message(plan, clip.track, frame_hook="nowhere:draw"), clip.samples)
    assert len(made.samples["low"]) == 5


def test_a_hooks_picture_reaches_the_encoder() -> None:
    clip = video_clip(steady(5, 30), gop=5, frame_rate=30)
    rung = RungConfig(name="low", height=120, bitrate_kbps=2000)
    plan = plan_ladder(PathConfig(ladder=(rung,)), clip.track, None, None, 8)
    hook = f"{__name__}:invert"
    made = transcode(start_message(plan, clip.track, frame_hook=hook), clip.samples)
    (first, *_) = decode(made.track("low"), made.samples["low"])
    assert abs(mean_luma(first) + mean_luma(picture(0, 160, 120)) - 251) < 4


@pytest.fixture
def scoreboard() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scoreboard", SCOREBOARD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_score_board_shows_the_score_of_its_file(
    scoreboard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = tmp_path / "score"
    score.write_text("1:1\n")
    monkeypatch.setenv("SCOREBOARD_FILE", str(score))
    hook = FrameHook(scoreboard.draw, 50)
    drawn = [hook.apply(picture(0, 640, 360), EPOCH).to_ndarray()]
    score.write_text("8:1\n")
    drawn.append(hook.apply(picture(0, 640, 360), EPOCH + VIDEO_TIMESCALE).to_ndarray())
    assert hook.errors == 0
    plain = picture(0, 640, 360).to_ndarray()
    board = np.argwhere(drawn[0][:360] != plain[:360])
    assert board.min(0).tolist() == [30, 26]
    assert (drawn[0] == 235).sum() > (plain == 235).sum()
    home = (slice(30, 52), slice(26 + 12, 26 + 24))
    assert (drawn[1][home] == 235).sum() > (drawn[0][home] == 235).sum()


def test_the_score_board_leaves_a_frame_too_small_for_it_alone(scoreboard: ModuleType) -> None:
    frame = picture(0, 64, 48)
    made = FrameHook(scoreboard.draw, 50).apply(frame, EPOCH)
    assert psnr(made, picture(0, 64, 48)) > 90
