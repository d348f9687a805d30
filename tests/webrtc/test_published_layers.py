"""Simulcast layers as a publisher sends them."""

from __future__ import annotations

import dataclasses

from tests.webrtc.publisher_stage import (
    AUDIO,
    LAYERS,
    SOUND,
    VIDEO,
    Stage,
    by_picture,
    pictures,
    sound,
)
from webrtc.events import PublishedTracks
from webrtc.publisher import TRACKS_WAIT_S
from webrtc.rtcp import PictureLoss


def test_simulcast_layers_are_tracks_the_best_of_which_is_the_source() -> None:
    stage = Stage(LAYERS)
    stage.send(pictures(1, b"l"))
    assert stage.tracks == [], "the other layer is awaited"
    stage.send(pictures(2, b"h", width=320))
    stage.send(pictures(3, b"other"))
    assert stage.tracks == ["source", "source_2"]
    assert len(stage.samples("source")) == len(stage.samples("source_2")) == 30


def test_a_layer_that_does_not_come_is_not_awaited_for_ever() -> None:
    stage = Stage(LAYERS)
    stage.send(pictures(1, b"l", 5))
    stage.send(pictures(1, b"l")[len(pictures(1, b"l", 5)) :], TRACKS_WAIT_S)
    assert stage.tracks == ["source_2"]
    stage.send(pictures(2, b"h", width=320), now=3.0)
    assert stage.tracks == ["source", "source_2"]


def test_the_largest_layer_is_the_source_though_the_offer_has_it_last() -> None:
    stage = Stage(dataclasses.replace(VIDEO, rids=("l", "m", "h")))
    small, middle, large = (
        pictures(ssrc, rid, width=width)
        for ssrc, rid, width in ((1, b"l", 96), (2, b"m", 160), (3, b"h", 320))
    )
    stage.send([*small, *middle, *large])
    assert stage.tracks == ["source", "source_2", "source_3"]
    (told,) = [event for event in stage.events if isinstance(event, PublishedTracks)]
    assert [track.width for track in told.tracks] == [320, 160, 96]
    assert [len(stage.samples(name)) for name in stage.tracks] == [30, 30, 30]
    stage.publisher.ask_for_key_frame("source")
    stage.publisher.handle_timer(1.0)
    assert PictureLoss(3) in stage.told()


def test_who_publishes_next_with_other_rids_has_layers_of_the_same_names() -> None:
    names = []
    for rids in (("h", "l"), ("0", "1"), ("mysterious", "odd")):
        stage = Stage(dataclasses.replace(VIDEO, rids=rids))
        stage.send(pictures(1, rids[0].encode(), width=320))
        stage.send(pictures(2, rids[1].encode()))
        names.append(stage.tracks)
    assert names == 3 * [["source", "source_2"]]


def layers_of_one_camera(stage: Stage, until: int, start: int = 0) -> None:
    """Pictures of two layers, the lower one's a little late on the way, then sender reports."""
    large = by_picture(pictures(2, b"h", width=320))
    small = by_picture(pictures(1, b"l", base=70_000))
    for at in range(start, until):
        stage.send(large[at], now=at / 30)
        stage.send(small[at], now=at / 30 + 0.012)


def test_layers_show_each_picture_at_the_same_tick() -> None:
    """Sender reports are off by a millisecond; times must not be, or segments begin elsewhere."""
    stage = Stage(LAYERS, AUDIO)
    stage.send(sound(), now=0.0)
    layers_of_one_camera(stage, 8)
    second = 1 << 32
    stage.report(SOUND, second, 0xFFFFF000, now=0.3)
    stage.report(2, second, 0xFFFFF000, now=0.3)
    stage.report(1, second, (0xFFFFF000 + 70_000 + 100) & 0xFFFFFFFF, now=0.3)
    layers_of_one_camera(stage, 30, start=8)
    large, small = ([s.dts for s in stage.samples(name)] for name in ("source", "source_2"))
    assert large[8:] == small[8:]
    assert small == sorted(set(small))


def test_layers_are_asked_for_key_frames_together() -> None:
    stage = Stage(LAYERS)
    stage.publisher.grid.set_interval(2.0)
    large, small = by_picture(pictures(2, b"h", 10, width=320)), by_picture(pictures(1, b"l", 10))
    for at in range(10):
        stage.send([*large[at], *small[at]], now=at / 30)
    stage.told()
    asked = {}
    for tick in range(1, 26):
        stage.publisher.handle_timer(tick / 10)
        asked[tick / 10] = {m.ssrc for m in stage.told() if isinstance(m, PictureLoss)}
    assert [now for now, ssrcs in asked.items() if ssrcs] == [2.0]
    assert asked[2.0] == {1, 2}


def test_a_layer_that_never_had_a_key_frame_is_the_only_one_that_is_asked() -> None:
    stage = Stage(LAYERS)
    stage.publisher.grid.set_interval(2.0)
    stage.send(by_picture(pictures(1, b"l"))[1], now=0.0)
    large = pictures(2, b"h", width=320)
    for now in (0.0, 1.5, 3.0):
        stage.send(
            [dataclasses.replace(each, sequence=(each.sequence + int(now * 1000)) & 0xFFFF,
                                 timestamp=(each.timestamp + int(now * 90_000)) & 0xFFFFFFFF)
             for each in large], now=now,
        )  # fmt: skip
    stage.told()
    stage.publisher.handle_timer(3.1)
    assert {m.ssrc for m in stage.told() if isinstance(m, PictureLoss)} == {1}


def test_a_layer_that_the_browser_stops_is_no_track_until_its_next_key_frame() -> None:
    stage = Stage(LAYERS)
    large = by_picture(pictures(2, b"h", width=320))
    small = by_picture(pictures(1, b"l"))
    for at in range(30):
        stage.send([*large[at], *small[at]] if at < 2 else small[at], now=at / 20)
        stage.publisher.handle_timer(at / 20)
    assert stage.tracks == ["source_2"]
    before = len(stage.samples("source"))
    stage.told()
    stage.send(large[2], now=1.5)
    assert stage.tracks == ["source_2"], "no key frame"
    assert PictureLoss(2) in stage.told()
    again = pictures(4, b"h", width=320)  # from its key frame on, by an encoder that began anew
    stage.send(again, now=1.6)
    assert stage.tracks == ["source", "source_2"]
    assert len(stage.samples("source")) == before + 30


def test_a_publisher_that_stands_still_has_no_silent_layers() -> None:
    stage = Stage(LAYERS)
    for large, small in zip(
        by_picture(pictures(2, b"h", width=320)), by_picture(pictures(1, b"l")), strict=True
    ):
        stage.send([*large, *small])
    for tick in range(100):
        stage.publisher.handle_timer(tick / 10)
    assert stage.tracks == ["source", "source_2"]
