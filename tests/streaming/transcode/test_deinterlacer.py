"""Interlaced sources, as cameras and broadcasters still have them."""

from __future__ import annotations

import pytest
from av.codec.context import Flags

from streaming.config_paths import PathConfig, RungConfig
from streaming.transcode.deinterlacer import Deinterlacer
from streaming.transcode.ladder import plan_ladder
from streaming.transcode.video_decoder import DecodedFrame, VideoDecoder
from tests.streaming.transcode.clips import (
    Clip,
    comb,
    decode,
    picture,
    start_message,
    steady,
    transcode,
    video_clip,
    woven,
)

INTERLACED = Flags.global_header | Flags.interlaced_dct | Flags.interlaced_me


@pytest.fixture(scope="module")
def clip() -> Clip:
    return video_clip(steady(20, 25), gop=10, frame_rate=25, draw=woven, flags=INTERLACED)


def decoded(clip: Clip) -> list[DecodedFrame]:
    decoder = VideoDecoder(clip.track)
    frames = [frame for sample in clip.samples for frame in decoder.push(sample)]
    return frames + decoder.flush()


def test_a_rung_of_an_interlaced_source_has_no_combs(clip: Clip) -> None:
    assert comb(decode(clip.track, clip.samples)[5]) > 20
    ladder = (RungConfig(name="full"), RungConfig(name="low", height=64))
    plan = plan_ladder(PathConfig(ladder=ladder), clip.track, None, None, 8)
    made = transcode(start_message(plan, clip.track), clip.samples)
    for name in ("full", "low"):
        frames = decode(made.track(name), made.samples[name])
        assert [frame.pts for frame in frames] == [sample.pts for sample in clip.samples]
        assert max(comb(frame) for frame in frames[1:-1]) < 3
        assert not any(frame.interlaced_frame for frame in frames)


def test_frames_keep_their_times_and_colours(clip: Clip) -> None:
    deinterlacer = Deinterlacer()
    frames = decoded(clip)
    for number, frame in enumerate(frames):
        frame.frame.colorspace, frame.frame.color_trc = 9, 18
        frames[number] = DecodedFrame(frame.frame, frame.pts, float(number))
    made = [whole for frame in frames for whole in deinterlacer.push(frame)]
    assert len(made) == len(frames) - 1, "one is held until the next is there"
    made += deinterlacer.flush()
    assert [(m.pts, m.captured_utc) for m in made] == [(f.pts, f.captured_utc) for f in frames]
    assert {(m.frame.colorspace, m.frame.color_trc) for m in made} == {(9, 18)}


def test_progressive_frames_are_not_touched() -> None:
    frames = decoded(video_clip(steady(5, 25), gop=5, frame_rate=25))
    deinterlacer = Deinterlacer()
    assert [deinterlacer.push(frame) for frame in frames] == [[frame] for frame in frames]
    assert deinterlacer.flush() == []


def test_a_size_that_changes_loses_no_frame(clip: Clip) -> None:
    small = video_clip(
        steady(5, 25, clip.samples[-1].pts + 3600),
        size=(96, 64),
        gop=5,
        frame_rate=25,
        draw=woven,
        flags=INTERLACED,
    )
    frames = decoded(clip) + decoded(small)
    deinterlacer = Deinterlacer()
    made = [whole for frame in frames for whole in deinterlacer.push(frame)]
    made += deinterlacer.flush()
    assert [m.pts for m in made] == [f.pts for f in frames]
    assert [m.frame.width for m in made] == [160] * 20 + [96] * 5


def test_what_there_is_of_a_moving_bar_is_seen_by_the_measure() -> None:
    assert comb(woven(1, 160, 120)) > 20
    assert comb(picture(1, 160, 120)) < 1
