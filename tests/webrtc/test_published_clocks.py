"""Picture and sound of one publisher on one time line: reports, clocks that stood, what waited."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pytest

from tests.webrtc.clips import audio_clip
from tests.webrtc.packets import packets_of
from tests.webrtc.publisher_stage import AUDIO, SOUND, VIDEO, Stage, by_picture, pictures, sound
from webrtc.backlog import LOOK_S
from webrtc.rtcp import PictureLoss
from webrtc.rtp_packet import RtpPacket


def test_sender_reports_bring_picture_and_sound_together() -> None:
    stage = Stage(VIDEO, AUDIO)
    stage.send(sound())
    stage.send(pictures()[:8], now=0.1)  # which were captured with the sound, 0.1 s ago
    stage.report(SOUND, 1 << 32, 0xFFFFF000, now=0.2)
    stage.report(1, 1 << 32, 0xFFFFF000, now=0.2)
    stage.send(pictures()[8:], now=0.2)
    late = [s.dts - n * 3_000 for n, s in enumerate(stage.samples("source"))]
    assert late[0] == 9_000
    assert late[-1] < 6_000
    assert late == sorted(late, reverse=True)


def spoken(first: int, count: int) -> list[RtpPacket]:
    """Packets of 20 ms whose numbers and timestamps go on from one call to the next."""
    data = audio_clip().samples[0].data
    made = packets_of([[data]] * count, first_sequence=100 + first, ticks=960)
    return [
        dataclasses.replace(each, ssrc=SOUND, payload_type=111, timestamp=(first + n) * 960)
        for n, each in enumerate(made)
    ]


def watched(first: int, count: int, number: int | None = None) -> list[list[RtpPacket]]:
    """So many key frames, 20 ms apart, after `first` others; packets count from `number`."""
    made = by_picture(pictures(count=1))[0]
    number = first * len(made) if number is None else number
    return [
        [
            dataclasses.replace(
                each, sequence=(number + n * len(made) + k) & 0xFFFF, timestamp=(first + n) * 1_800
            )
            for k, each in enumerate(made)
        ]
        for n in range(count)
    ]


def together(stage: Stage, first: int, count: int, heard: Iterable[RtpPacket]) -> None:
    """Pictures from the moment `first` on, in time; beside each of them a packet of sound."""
    for n, (picture, word) in enumerate(zip(watched(first, count), heard, strict=True)):
        stage.send([word, *picture], now=(first + n) * 0.02)
        stage.publisher.handle_timer((first + n) * 0.02)


@pytest.mark.parametrize("is_seen", [True, False])
def test_sound_that_was_away_is_beside_its_picture_though_its_clock_stood_still(
    is_seen: bool,
) -> None:
    stage = Stage(VIDEO, AUDIO)
    together(stage, 0, 50, spoken(0, 50))
    if is_seen:  # the camera goes on, or is away as well
        for n, picture in enumerate(watched(50, 150)):
            stage.send(picture, now=1.0 + n * 0.02)
    together(stage, 200, 50, spoken(50, 50))
    seen, heard = stage.samples("source"), stage.samples("audio")
    assert seen[-1].dts == 249 * 1_800
    assert [sound.dts for sound in heard[-49:]] == [picture.dts for picture in seen[-49:]]


def test_what_waited_on_the_way_is_not_moved() -> None:
    """Three seconds without a packet, then all of them within half a second."""
    stage = Stage(VIDEO, AUDIO)
    together(stage, 0, 50, spoken(0, 50))
    for n, (picture, word) in enumerate(zip(watched(50, 175), spoken(50, 175), strict=True)):
        stage.send([word, *picture], now=4.0 + n * 0.003)
    assert [s.dts for s in stage.samples("source")] == [n * 1_800 for n in range(225)]
    assert [s.dts for s in stage.samples("audio")] == [n * 1_800 for n in range(225)]


def test_what_was_gathered_before_the_connection_is_dropped_for_a_key_frame() -> None:
    """Seven seconds within a second, as GStreamer sends them; only then comes what is live."""
    stage = Stage(VIDEO, AUDIO, look_s=LOOK_S)
    for n, (picture, word) in enumerate(zip(watched(0, 350), spoken(0, 350), strict=True)):
        stage.send([word, *picture], now=n * 0.002)
    stage.told()
    number = watched(350, 1)[0][0].sequence
    for n, (_, delta) in enumerate(zip(range(20), by_picture(pictures())[1:], strict=False)):
        at, sequence = (350 + n) * 1_800, number + n
        picture = dataclasses.replace(delta[0], sequence=sequence, timestamp=at, is_marked=True)
        stage.send([spoken(350 + n, 1)[0], picture], now=0.7 + n * 0.02)
        stage.publisher.handle_timer(0.7 + n * 0.02)
    assert stage.events == []
    assert any(isinstance(message, PictureLoss) for message in stage.told())
    for n, picture in enumerate(watched(370, 10, number + 20)):
        stage.send([*spoken(370 + n, 1), *picture], now=1.1 + n * 0.02)
    assert stage.tracks == ["source", "audio"]
    assert stage.samples("source")[0].is_sync
    assert min(s.dts for s in stage.samples("source")) >= 370 * 1_800
    assert min(s.dts for s in stage.samples("audio")) >= 349 * 1_800


def test_media_that_come_as_they_are_made_are_published_from_the_first_on() -> None:
    stage = Stage(VIDEO, AUDIO, look_s=LOOK_S)
    together(stage, 0, 12, spoken(0, 12))
    assert [s.dts for s in stage.samples("source")] == [n * 1_800 for n in range(12)]
    assert [s.dts for s in stage.samples("audio")] == [n * 1_800 for n in range(12)]


def test_reports_of_a_clock_that_stood_still_do_not_take_the_picture_back() -> None:
    stage = Stage(VIDEO, AUDIO)
    together(stage, 0, 50, spoken(0, 50))
    stage.report(SOUND, 1 << 32, 50 * 960, now=1.0)
    stage.report(1, 1 << 32, 50 * 1_800, now=1.0)
    for n, picture in enumerate(watched(50, 150)):
        stage.send(picture, now=1.0 + n * 0.02)
    together(stage, 200, 3, spoken(50, 3))
    stage.report(SOUND, 4 << 32 | 1 << 30, 53 * 960, now=4.06)
    together(stage, 203, 47, spoken(53, 47))
    stage.report(1, 5 << 32, 250 * 1_800, now=5.0)
    together(stage, 250, 50, spoken(100, 50))
    assert abs(stage.samples("source")[-1].dts - 299 * 1_800) <= 0.25 * 90_000
