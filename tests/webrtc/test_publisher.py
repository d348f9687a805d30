from __future__ import annotations

import dataclasses
import itertools
import struct
from collections.abc import Iterable

import pytest

from segmenter.media import Codec, MediaType, Sample
from tests.webrtc.clips import audio_clip, video_clip
from tests.webrtc.packets import packet, packets_of, render
from webrtc.backlog import LOOK_S
from webrtc.dtls import NegotiatedKeys
from webrtc.events import PublishedSamples, PublishedTracks, SignallingEvent
from webrtc.ice import Flow
from webrtc.negotiation import REPAIRED_RID, RID, TRANSPORT_CC
from webrtc.packetizer import packetizer_of
from webrtc.publication import ReceivePlan
from webrtc.publisher import TRACKS_WAIT_S, Publisher
from webrtc.rtcp import Arrivals, Nack, PictureLoss, RtcpMessage, parse_rtcp, render_sender_report
from webrtc.rtp_packet import RtpPacket
from webrtc.srtp import SrtpReceiver, SrtpSender
from webrtc.viewer_settings import SrtpKeys, SrtpProfile

HOME, AWAY = Flow(0, "192.0.2.7", 4711), Flow(0, "198.51.100.7", 4712)
OURS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, b"o" * 16, b"o" * 12)
THEIRS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, b"t" * 16, b"t" * 12)
EXTENSIONS = {TRANSPORT_CC: 3, RID: 10, REPAIRED_RID: 11}
VIDEO = ReceivePlan(MediaType.VIDEO, Codec.H264, 90_000, 96, 97, "1", (), True, EXTENSIONS)
AUDIO = ReceivePlan(MediaType.AUDIO, Codec.OPUS, 48_000, 111, None, "0", (), False, {})
LAYERS = dataclasses.replace(VIDEO, rids=("h", "l"))
SOUND = 9
MASK = 0xFFFFFFFF


class Stage:
    """A publisher of ours, and the browser that sends to it."""

    def __init__(self, *plans: ReceivePlan, look_s: float = 0.0) -> None:
        self.events: list[SignallingEvent] = []
        self.sent: list[bytes] = []
        self.flows: list[Flow] = []
        """Where each went."""
        self._last: dict[int, int] = {}
        self.publisher = Publisher(
            "id", "live", plans, 4, self._take_sent, self.events.append, look_s=look_s
        )
        self.publisher.connect(NegotiatedKeys(OURS, THEIRS), HOME, 0.0)
        self._protect = SrtpSender(THEIRS)
        self.open = SrtpReceiver(OURS).unprotect_rtcp

    def _take_sent(self, flow: Flow, data: bytes) -> None:
        self.flows.append(flow)
        self.sent.append(data)

    def send(self, packets: Iterable[RtpPacket], now: float = 0.0) -> None:
        for each in packets:
            raw = render(each)
            size = len(raw) - len(each.payload)
            index = self._index(each)
            self.publisher.receive_media(self._protect.protect(raw[:size], raw[size:], index), now)

    def _index(self, packet: RtpPacket) -> int:
        """With the rollover counter (RFC 3711 3.3.1)."""
        last = self._last.get(packet.ssrc, packet.sequence)
        step = (packet.sequence - last) & 0xFFFF
        self._last[packet.ssrc] = last + step
        return last + step

    def report(self, *arguments: int, now: float = 0.0) -> None:
        ssrc, ntp, timestamp = arguments
        report = render_sender_report(ssrc, "c", ntp, timestamp, 1, 1)
        self.publisher.receive_media(self._protect.protect_rtcp(report), now)

    def answer(self, *items: int, now: float) -> None:
        """To a reference time: DLRR (RFC 3611 4.5)."""
        words = len(items)
        body = struct.pack(f"!IBxH{words}I", 1, 5, words, *items)
        compound = render_sender_report(1, "c", 0, 0, 1, 1)
        compound += struct.pack("!BBH", 0x80, 207, len(body) // 4) + body
        self.publisher.receive_media(self._protect.protect_rtcp(compound), now)

    def told(self) -> list[RtcpMessage]:
        """What the browser was told since it last looked."""
        sent, self.sent = self.sent, []
        return [message for data in sent for message in parse_rtcp(self.open(data))]

    @property
    def tracks(self) -> list[str]:
        lists = [event.tracks for event in self.events if isinstance(event, PublishedTracks)]
        return [track.name for track in lists[-1]] if lists else []

    def samples(self, name: str) -> list[Sample]:
        batches = [event.samples for event in self.events if isinstance(event, PublishedSamples)]
        return [sample for batch in batches for sample in batch if sample.track == name]


def pictures(
    ssrc: int = 1, rid: bytes = b"", count: int = 30, *, width: int = 160, base: int = 0
) -> list[RtpPacket]:
    """Timestamps of a layer count from ``base``."""
    clip = video_clip(width=width)
    packetizer = packetizer_of(clip.track)
    units = [packetizer.push(sample) for sample in clip.samples[:count]]
    extensions = {10: rid} if rid else {}
    return [
        dataclasses.replace(
            each,
            ssrc=ssrc,
            extensions=extensions,
            timestamp=(each.timestamp + base) & 0xFFFFFFFF,
        )
        for each in packets_of(units)
    ]


def by_picture(packets: Iterable[RtpPacket]) -> list[list[RtpPacket]]:
    return [list(group) for _, group in itertools.groupby(packets, lambda each: each.timestamp)]


def sound() -> list[RtpPacket]:
    units = [[sample.data] for sample in audio_clip().samples]
    made = packets_of(units, first_sequence=100, ticks=960)
    return [dataclasses.replace(each, ssrc=SOUND, payload_type=111) for each in made]


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
