"""What a path's WebRTC viewers get, and that nobody pays for it while there are none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from segmenter.media import Codec, Sample, Track
from streaming.config_paths import PathConfig
from streaming.rtc.messages import PathEnded, PathMessage, PathSample, PathTracks
from streaming.rtc.recent_gop import KEPT_BYTES
from streaming.rtc.tap import MOST_BUFFERED_BYTES, RtcTap
from streaming.rtc.view_plan import AUDIO_NAME, VIDEO_NAME, ViewPlan
from tests.segmenter.stage import AUDIO, OPUS, SMALL, SOURCE, START


class FakeOutlet:
    """The link to the WebRTC process, which keeps what was sent."""

    def __init__(self) -> None:
        self.messages: list[object] = []
        self.buffered_bytes = 0

    def send(self, message: object) -> None:
        self.messages.append(message)

    @property
    def samples(self) -> list[tuple[str, int]]:
        sent = [m.sample for m in self.messages if isinstance(m, PathSample)]
        return [(m.track, m.pts - START * 90_000) for m in sent]

    @property
    def tracks(self) -> list[list[str]]:
        sent = [m for m in self.messages if isinstance(m, PathTracks)]
        return [[track.name for track in m.tracks] for m in sent]


class FakeMaker:
    """A worker that encodes nothing until the test says so."""

    def __init__(
        self,
        path: str,
        config: PathConfig,
        on_tracks: Callable[[Sequence[Track]], None],
        on_sample: Callable[[Sample], None],
    ) -> None:
        self.on_tracks, self.on_sample = on_tracks, on_sample
        self.plans: list[ViewPlan] = []
        self.written: list[Sample] = []
        self.is_stopped = False
        self.key_frames_asked = 0

    def ask_for_key_frame(self) -> None:
        self.key_frames_asked += 1

    def start(self, plan: ViewPlan, recent: Iterable[Sample]) -> None:
        self.plans.append(plan)
        self.written += recent

    def write(self, sample: Sample) -> None:
        self.written.append(sample)

    def stop(self) -> asyncio.Task[None]:
        self.is_stopped = True
        return asyncio.get_running_loop().create_task(asyncio.sleep(0))


class Scene:
    def __init__(self) -> None:
        self.outlet = FakeOutlet()
        self.makers: list[FakeMaker] = []
        self.tap = RtcTap("live/a", PathConfig(), self.outlet, self._make)

    def _make(self, *arguments: object) -> FakeMaker:
        self.makers.append(FakeMaker(*arguments))  # type: ignore[arg-type]
        return self.makers[-1]

    def frame(self, number: int, *, is_sync: bool = False, delay: int = 0, size: int = 5) -> None:
        at = START * 90_000 + 3000 * number
        sample = Sample("source", at, at + 3000 * delay, b"\0" * size, is_sync)
        self.tap.write([sample], START)


def test_nothing_is_sent_while_nobody_watches() -> None:
    scene = Scene()
    scene.tap.set_tracks([SOURCE, AUDIO], START)
    scene.frame(0, is_sync=True)
    assert scene.tap.is_live
    assert scene.outlet.messages == []
    assert scene.makers == []


def test_the_first_viewer_gets_the_newest_group_of_pictures_at_once() -> None:
    scene = Scene()
    scene.tap.set_tracks([SOURCE], START)
    for number in range(7):
        scene.frame(number, is_sync=number in (0, 4))
    scene.tap.watch()
    scene.frame(7)
    assert scene.outlet.tracks == [["source"]]
    assert scene.outlet.samples == [("source", 3000 * n) for n in (4, 5, 6, 7)]


def test_sound_encoded_for_players_does_not_mix_with_the_publishers_of_the_same_name() -> None:
    scene = Scene()
    opus = replace(OPUS, name="audio")
    scene.tap.set_tracks([SOURCE, opus], START)
    scene.tap.set_encoded([AUDIO])
    scene.tap.watch()
    scene.tap.write([Sample("audio", START * 48_000, START * 48_000, b"opus", True)], START)
    scene.tap.write_encoded(Sample("audio", START * 48_000, START * 48_000, b"aac", True))
    sent = [m.sample.data for m in scene.outlet.messages if isinstance(m, PathSample)]
    assert sent == [b"opus"]


def test_viewers_lose_a_layer_that_stops_and_keep_the_others_pictures() -> None:
    scene = Scene()
    layer = replace(SMALL, name="source_l")
    scene.tap.set_tracks([SOURCE, layer], START)
    scene.frame(0, is_sync=True)
    scene.tap.watch()
    scene.tap.set_layers([layer], START)
    scene.frame(1)
    scene.tap.set_layers([SOURCE, layer], START)
    scene.frame(2, is_sync=True)
    assert scene.outlet.tracks == [["source", "source_l"], ["source_l"], ["source", "source_l"]]
    assert scene.outlet.samples == [("source", 0), ("source", 6000)]


def test_a_group_of_pictures_beyond_all_bounds_is_not_kept() -> None:
    scene = Scene()
    scene.tap.set_tracks([SOURCE], START)
    scene.frame(0, is_sync=True)
    scene.frame(1, size=KEPT_BYTES)
    scene.frame(2)
    scene.tap.watch()
    assert scene.outlet.samples == []
    scene.frame(3, is_sync=True)
    assert scene.outlet.samples == [("source", 9000)]


def test_sound_is_made_only_while_somebody_watches() -> None:
    async def watch() -> None:
        scene = Scene()
        scene.tap.set_tracks([SOURCE, AUDIO], START)
        scene.tap.watch()
        (maker,) = scene.makers
        scene.tap.write([Sample("audio", START * 48_000, START * 48_000, b"aac", True)], START)
        assert [sample.track for sample in maker.written] == ["audio"]
        assert scene.outlet.samples == []  # not the AAC itself
        opus = Track(AUDIO_NAME, Codec.OPUS, 48_000, b"", sample_rate=48_000, channels=2)
        maker.on_tracks([opus])
        maker.on_sample(Sample(AUDIO_NAME, START * 90_000, START * 90_000, b"opus", True))
        assert scene.outlet.samples == [(AUDIO_NAME, 0)]
        scene.tap.unwatch()
        assert maker.is_stopped
        await scene.tap.close()

    asyncio.run(watch())


def test_a_lost_picture_asks_the_encoder_while_it_makes_one() -> None:
    async def watch() -> None:
        scene = Scene()
        scene.tap.set_tracks([SOURCE, AUDIO], START)
        scene.tap.ask_for_key_frame()
        scene.tap.watch()
        scene.tap.ask_for_key_frame()
        assert scene.makers[0].key_frames_asked == 1
        await scene.tap.close()

    asyncio.run(watch())


def test_sound_that_waited_for_its_encoder_to_start_is_left_out() -> None:
    async def watch() -> None:
        scene = Scene()
        scene.tap.set_tracks([SOURCE, AUDIO], START)
        scene.tap.watch()
        (maker,) = scene.makers
        for number in range(4):
            at = START * 48_000 + 1024 * number
            scene.tap.write([Sample("audio", at, at, b"aac", True)], START)
        opus = Track(AUDIO_NAME, Codec.OPUS, 48_000, b"", sample_rate=48_000, channels=2)
        maker.on_tracks([opus])
        for number in range(5):
            at = START * 48_000 + 960 * number
            maker.on_sample(Sample(AUDIO_NAME, at, at, b"opus", True))
            maker.on_tracks([opus])  # told again as something else changed: nothing begins anew
        sent = [m.sample.pts for m in scene.outlet.messages if isinstance(m, PathSample)]
        assert sent == [START * 48_000 + 960 * 4]
        await scene.tap.close()

    asyncio.run(watch())


def test_the_first_b_frame_changes_what_is_offered() -> None:
    scene = Scene()
    scene.tap.set_tracks([SOURCE], START)
    scene.tap.watch()
    scene.frame(0, is_sync=True)
    scene.frame(1, delay=2)
    assert scene.outlet.tracks == [["source"], [VIDEO_NAME]]
    assert scene.outlet.samples == [("source", 0)]
    (maker,) = scene.makers
    assert [sample.is_sync for sample in maker.written] == [True, False]


def test_rungs_of_the_ladder_are_offered_as_they_come() -> None:
    scene = Scene()
    scene.tap.set_tracks([SOURCE], START)
    scene.tap.watch()
    scene.tap.set_encoded([SMALL])
    at = START * 90_000
    scene.tap.write_encoded(Sample("360p", at, at, b"small", True))
    assert scene.outlet.tracks == [["source"], ["source", "360p"]]
    assert scene.outlet.samples == [("360p", 0)]


def test_a_webrtc_process_that_hangs_costs_whole_groups_of_pictures() -> None:
    scene = Scene()
    scene.tap.set_tracks([SOURCE], START)
    scene.tap.watch()
    scene.frame(0, is_sync=True)
    scene.outlet.buffered_bytes = MOST_BUFFERED_BYTES + 1
    scene.frame(1)
    scene.outlet.buffered_bytes = 0
    scene.frame(2)
    scene.frame(3, is_sync=True)
    assert scene.outlet.samples == [("source", 0), ("source", 9000)]
    assert scene.tap.withheld == 2


def test_viewers_wait_for_a_publisher_that_went_and_are_told_of_the_end() -> None:
    scene = Scene()
    scene.tap.set_tracks([SOURCE], START)
    scene.tap.watch()
    scene.tap.pause(START)
    assert scene.tap.is_live
    scene.tap.end(START)
    assert not scene.tap.is_live
    assert scene.outlet.messages[-1] == PathEnded("live/a", "the stream has ended")


def test_a_publisher_who_is_back_is_told_even_with_the_same_tracks() -> None:
    scene = Scene()
    scene.tap.set_tracks([SOURCE], START)
    scene.tap.watch()
    scene.tap.pause(START)
    scene.tap.set_tracks([SOURCE], START + 3)
    assert scene.outlet.tracks == [["source"], ["source"]]


def test_messages_are_passed_on_while_somebody_watches() -> None:
    scene = Scene()
    scene.tap.tell(b"1")
    scene.tap.watch()
    scene.tap.tell(b"2")
    scene.tap.unwatch()
    scene.tap.tell(b"3")
    told = [m for m in scene.outlet.messages if isinstance(m, PathMessage)]
    assert told == [PathMessage("live/a", b"2")]
