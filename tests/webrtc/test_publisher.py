from __future__ import annotations

import dataclasses

import pytest

from tests.webrtc.clips import video_clip
from tests.webrtc.packets import packet
from tests.webrtc.publisher_stage import (
    AUDIO,
    AWAY,
    HOME,
    MASK,
    VIDEO,
    Stage,
    by_picture,
    pictures,
    sound,
)
from webrtc.publisher import TRACKS_WAIT_S
from webrtc.rtcp import Arrivals, Nack, PictureLoss


def test_picture_and_sound_become_tracks_and_samples_of_one_clock() -> None:
    stage = Stage(VIDEO, AUDIO)
    stage.send(pictures())
    assert stage.events == [], "the sound is awaited"
    stage.send(sound())
    assert stage.tracks == ["source", "audio"]
    assert [s.data for s in stage.samples("source")] == [s.data for s in video_clip().samples]
    assert [s.dts for s in stage.samples("source")] == [n * 3_000 for n in range(30)]
    assert [s.dts for s in stage.samples("audio")] == [n * 1_800 for n in range(11)]


def test_a_kind_that_does_not_come_is_not_awaited_for_ever() -> None:
    stage = Stage(VIDEO, AUDIO)
    stage.send(pictures(count=5))
    assert stage.tracks == []
    stage.send(pictures()[len(pictures(count=5)) :], now=TRACKS_WAIT_S)
    assert stage.tracks == ["source"]
    assert len(stage.samples("source")) == 30
    stage.send(sound(), now=5.0)
    assert stage.tracks == ["source", "audio"]


def test_a_lost_packet_is_asked_for_and_taken_when_it_is_sent_again() -> None:
    stage = Stage(VIDEO)
    packets = pictures()
    lost = packets[5]
    stage.send([*packets[:5], *packets[6:10]])
    assert Nack(1, (lost.sequence,)) in stage.told()
    again = packet(
        1, lost.sequence.to_bytes(2, "big") + lost.payload,
        payload_type=97, ssrc=2, timestamp=lost.timestamp, is_marked=lost.is_marked,
    )  # fmt: skip
    stage.send([again, *packets[10:]], now=0.05)
    assert len(stage.samples("source")) == 30
    (told,) = stage.publisher.statistics().sources
    assert (told.received, told.recovered, told.lost) == (len(packets) - 1, 1, 0)
    assert (told.key_frames, told.broken, told.requests) == (1, 0, 0)


def test_a_loss_that_lasts_costs_pictures_up_to_a_key_frame_which_is_asked_for() -> None:
    stage = Stage(VIDEO)
    packets = pictures()
    stage.send([*packets[:10], *packets[11:]])
    before = len(stage.samples("source"))
    stage.told()
    stage.publisher.handle_timer(0.5)
    assert PictureLoss(1) in stage.told()
    assert len(stage.samples("source")) == before
    stage.publisher.handle_timer(0.9)
    assert PictureLoss(1) not in stage.told(), "not so soon again"
    stage.publisher.handle_timer(1.1)
    assert PictureLoss(1) in stage.told(), "it may have been lost"


def test_key_frames_are_asked_for_at_the_lines_of_the_grid() -> None:
    stage = Stage(VIDEO)
    stage.publisher.grid.set_interval(2.0)
    stage.publisher.grid.set_offset(90_000)
    for at, picture in enumerate(by_picture(pictures())):
        stage.send(picture, now=at / 30)
    assert PictureLoss(1) not in stage.told()
    stage.publisher.handle_timer(1.01)
    assert PictureLoss(1) in stage.told(), "a second after the beginning there is a line"
    stage.publisher.handle_timer(1.5)
    assert PictureLoss(1) not in stage.told()


def test_a_key_frame_that_came_is_not_asked_for_again() -> None:
    stage = Stage(VIDEO)
    begun = pictures(count=2)
    stage.send(begun)
    stage.publisher.ask_for_key_frame()
    following = begun[-1].sequence + 1
    again = [
        dataclasses.replace(
            each, sequence=following + at, timestamp=(each.timestamp + 9_000) & MASK
        )
        for at, each in enumerate(pictures(count=1))
    ]
    stage.send(again, now=0.1)
    stage.told()
    stage.publisher.handle_timer(1.0)
    assert PictureLoss(1) not in stage.told()


def test_a_key_frame_is_asked_for_once_for_many() -> None:
    stage = Stage(VIDEO)
    stage.send(pictures())
    stage.told()
    for _ in range(10):
        stage.publisher.ask_for_key_frame("source")
    stage.publisher.handle_timer(1.0)
    stage.publisher.handle_timer(2.0)
    assert stage.told().count(PictureLoss(1)) == 1


def test_an_encoder_that_begins_anew_goes_on_as_the_same_track() -> None:
    stage = Stage(VIDEO)
    stage.send(pictures(1))
    stage.send(pictures(77), now=1.0)
    times = [sample.dts for sample in stage.samples("source")]
    assert len(times) == 60
    assert times == sorted(set(times))


def test_an_encoder_that_begins_anew_again_and_again_is_heard_and_repaired() -> None:
    stage = Stage(VIDEO)
    packets = pictures()
    for turn in range(40):
        media, repairs, now = 1000 + turn, 2000 + turn, turn * 1.0
        whole = [dataclasses.replace(each, ssrc=media) for each in packets]
        lost = whole.pop(5)
        again = packet(
            1, lost.sequence.to_bytes(2, "big") + lost.payload,
            payload_type=97, ssrc=repairs, timestamp=lost.timestamp, is_marked=lost.is_marked,
        )  # fmt: skip
        stage.send([*whole[:9], again, *whole[9:]], now=now)
    assert len(stage.samples("source")) == 40 * 30
    assert stage.publisher.rejected == 0


def test_what_repairs_a_source_that_was_given_up_is_no_part_of_the_next() -> None:
    stage = Stage(VIDEO)
    packets = pictures(1)
    stage.send([*packets[:5], *packets[6:]])
    again = packet(
        1, packets[5].sequence.to_bytes(2, "big") + packets[5].payload, payload_type=97, ssrc=2,
        timestamp=packets[5].timestamp, is_marked=packets[5].is_marked,
    )  # fmt: skip
    probe = dataclasses.replace(again, payload=b"", sequence=0)
    stage.send([probe, *pictures(77)], now=0.01)
    before = len(stage.samples("source"))
    stage.send([again], now=0.02)
    assert len(stage.samples("source")) == before


def test_arrivals_are_told_for_the_publishers_congestion_control() -> None:
    stage = Stage(VIDEO)
    numbered = [
        dataclasses.replace(each, extensions={3: (7 + n).to_bytes(2, "big")})
        for n, each in enumerate(pictures(count=4))
    ]
    stage.send(numbered, now=0.02)
    stage.publisher.handle_timer(0.1)
    (told,) = [message for message in stage.told() if isinstance(message, Arrivals)]
    assert told.first_sequence == 7
    assert len(told.times) == len(numbered)


def test_a_publisher_that_answers_reference_times_tells_the_round_trip() -> None:
    stage = Stage(VIDEO)
    stage.send(pictures(count=2), 4.5)
    stage.publisher.handle_timer(5.0)
    compounds = [stage.open(data) for data in stage.sent]
    (asked,) = [data[-8:] for data in compounds if data[-19:-18] == b"\xcf"]
    middle = int.from_bytes(asked[2:6], "big")
    stage.answer(9, middle, 0, 4, middle, 1 << 15, now=5.75)
    assert stage.publisher.rtt_s == pytest.approx(0.25, abs=0.001)
    stage.answer(4, 0, 0, now=6.0)
    stage.answer(4, middle, now=6.0)
    stage.answer(4, middle + (100 << 16), 0, now=6.0)
    assert stage.publisher.rtt_s == pytest.approx(0.25, abs=0.001), "these are nonsense"


def test_forged_and_broken_packets_are_counted_and_nothing_else() -> None:
    stage = Stage(VIDEO)
    stage.send(pictures(count=2))
    before = len(stage.samples("source"))
    for datagram in (b"\x80\x60" + bytes(40), b"\x80\xc9" + bytes(40), b"\x80", bytes(12)):
        stage.publisher.receive_media(datagram, 0.0)
    assert stage.publisher.rejected == 4
    assert len(stage.samples("source")) == before


def test_who_has_moved_is_told_things_where_it_is_now() -> None:
    stage = Stage(VIDEO)
    stage.send(pictures(count=2), 0.1)
    stage.publisher.handle_timer(0.2)
    stage.publisher.move(AWAY)
    stage.publisher.handle_timer(1.3)
    assert set(stage.flows) == {HOME, AWAY}
    assert stage.flows[-1] == AWAY


def test_after_its_end_nothing_is_taken_or_sent() -> None:
    stage = Stage(VIDEO)
    stage.publisher.close()
    stage.send(pictures(count=2))
    stage.publisher.handle_timer(1.0)
    assert stage.events == stage.sent == []
