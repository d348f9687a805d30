"""What the main process passes to the WebRTC process, and what happens when that dies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

import streaming.rtc.webrtc_process
from segmenter.media import Sample, Track
from segmenter.timeline import SourceClock
from streaming.command_messages import SendMessage
from streaming.config import WebrtcConfig
from streaming.errors import MessageRefused, PublishRejected
from streaming.ingest.source import Publisher, PublishRequest
from streaming.rtc.messages import (
    KeyFrameAsked,
    PublishAllowed,
    PublishAsked,
    PublishClosed,
    PublishPlaced,
    PublishRefused,
    PublishSample,
    PublishTracks,
    RtcListening,
    RtcReport,
    SaidRefused,
    Unwatch,
    ViewerSaid,
)
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest, Verb
from streaming.rtc.webrtc_process import ANSWER_S, WebrtcProcess
from streaming.transcode.messages import SampleMessage, TrackMessage
from streaming.worker_process import WorkerExit, WorkerStatistics
from tests.segmenter.stage import SOURCE
from tests.streaming.server.conftest import until


class FakeWorker:
    """A WebRTC process that says what the test says."""

    made: list[FakeWorker]

    def __init__(
        self,
        module: str,
        argv: Sequence[str],
        message_type: Any,
        on_message: Callable[[Any], None],
        on_exit: Callable[[WorkerExit], None],
        **settings: Any,
    ) -> None:
        self.say, self.die = on_message, on_exit
        self.heard: list[Any] = []
        self.buffered_bytes = 0
        FakeWorker.made = [self]

    def start(self) -> None: ...

    def send(self, message: Any) -> bool:
        self.heard.append(message)
        return True

    def statistics(self) -> WorkerStatistics:
        return WorkerStatistics(1, 1, 0, None)

    async def close(self) -> None: ...


class FakeTap:
    def __init__(self) -> None:
        self.is_live = True
        self.watched = 0
        self.key_frames_asked = 0

    def ask_for_key_frame(self) -> None:
        self.key_frames_asked += 1

    def watch(self) -> None:
        self.watched += 1

    def unwatch(self) -> None:
        self.watched = 0


class FakePaths:
    """Paths with taps, and a door that lets one key in; it has claims that nobody has taken."""

    def __init__(self) -> None:
        self.taps = {"live/a": FakeTap()}
        self.wanted: list[str] = []
        self.publisher: Publisher | None = None
        self.publication = FakePublication()
        self.claims = 0
        self.roles: list[str | None] = []
        self.refusal = ""
        """Of who was let in and comes too late."""

    def tap(self, name: str) -> Any:
        return self.taps.get(name)

    def segment_duration_s(self, name: str) -> float:
        return 2.0

    def want(self, name: str) -> None:
        self.wanted.append(name)

    async def admit(self, request: PublishRequest) -> FakePaths:
        if request.key != "right":
            raise PublishRejected("NetStream.Publish.BadName", "wrong key", http_status=403)
        self.claims += 1
        self.roles.append(request.query.get("role"))
        return self

    def take(self, publisher: Publisher) -> FakePublication:
        self.claims -= 1
        if self.refusal:
            raise PublishRejected("NetStream.Publish.BadName", self.refusal, http_status=409)
        self.publisher = publisher
        return self.publication

    def drop(self) -> None:
        self.claims -= 1


class FakePublication:
    session = "whip-1"

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self.samples: list[Sample] = []
        self.closed = ""
        self.offset: int | None = None

    def media_time(self, track: str, stamp: int) -> int | None:
        return None if self.offset is None else stamp + self.offset

    def set_tracks(self, tracks: Sequence[Track], clock: SourceClock) -> None:
        self.tracks = list(tracks)

    def write(self, samples: list[Sample]) -> None:
        self.samples += samples

    def close(self, reason: str) -> None:
        self.closed = reason


class Scene:
    def __init__(self) -> None:
        self.said: list[SendMessage] = []
        self.webrtc = WebrtcProcess(
            WebrtcConfig(), "info", lambda: 0.0, send_message=self._take_said
        )
        self.paths = FakePaths()
        self.webrtc.start(self.paths, self.paths, [], [])
        (self.worker,) = FakeWorker.made
        self.answers: list[SignalAnswer] = []

    def _take_said(self, wish: SendMessage) -> None:
        if wish.path != "live/a":
            raise MessageRefused("viewers may not send chat to it", http_status=403)
        self.said.append(wish)

    def ask(self, verb: Verb = "view", path: str = "live/a", number: int = 7) -> None:
        self.webrtc.signal(SignalRequest(number, verb, path, body="v=0"), self.answers.append)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(streaming.rtc.webrtc_process, "WorkerProcess", FakeWorker)
    return Scene()


async def test_an_offer_to_view_starts_the_samples_and_its_answer_finds_the_asker(
    scene: Scene,
) -> None:
    scene.worker.say(RtcListening())
    scene.ask(number=7)
    assert scene.paths.taps["live/a"].watched == 1
    (passed,) = scene.worker.heard
    assert passed.body == "v=0"
    scene.worker.say(SignalAnswer(passed.id, 201, "v=0", session="abc"))
    assert scene.answers == [SignalAnswer(7, 201, "v=0", session="abc")]


async def test_what_is_not_live_is_409_and_wanted(scene: Scene) -> None:
    scene.worker.say(RtcListening())
    scene.ask(path="live/b")
    assert (scene.answers[0].status, scene.answers[0].headers) == (409, {"Retry-After": "2"})
    assert scene.paths.wanted == ["live/b"]
    assert scene.worker.heard == []


async def test_before_the_process_listens_and_after_it_died_the_answer_is_503(
    scene: Scene,
) -> None:
    scene.ask()
    scene.worker.say(RtcListening())
    scene.ask()
    scene.worker.die(WorkerExit(-9, "signal 9", 1.0, 0.1))
    scene.ask()
    assert [answer.status for answer in scene.answers] == [503, 503, 503]
    assert scene.paths.taps["live/a"].watched == 0


async def test_a_request_that_got_lost_is_answered_in_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.worker.say(RtcListening())
    scene.ask()
    scene.webrtc.handle_timer()
    assert scene.answers == []
    monkeypatch.setattr(streaming.rtc.webrtc_process, "ANSWER_S", -ANSWER_S)
    scene.ask(number=8)
    scene.webrtc.handle_timer()
    assert [(answer.id, answer.status) for answer in scene.answers] == [(8, 503)]


async def test_the_process_says_when_nobody_watches(scene: Scene) -> None:
    scene.worker.say(RtcListening())
    scene.ask()
    scene.worker.say(Unwatch("live/a"))
    assert scene.paths.taps["live/a"].watched == 0


async def test_a_key_frame_of_what_is_made_is_asked_of_its_path(scene: Scene) -> None:
    scene.worker.say(KeyFrameAsked("live/a"))
    scene.worker.say(KeyFrameAsked("live/gone"))
    assert scene.paths.taps["live/a"].key_frames_asked == 1


async def test_viewers_are_counted_until_the_process_dies(scene: Scene) -> None:
    scene.worker.say(RtcReport({"live/a": 3}))
    assert scene.webrtc.viewers == {"live/a": 3}
    scene.worker.die(WorkerExit(-9, "signal 9", 1.0, 0.1))
    assert scene.webrtc.viewers == {}


TRACKS = PublishTracks("s1", (TrackMessage.from_track(SOURCE),))


async def let_in(scene: Scene) -> None:
    scene.worker.say(PublishAsked("s1", "live/a", "right", "10.0.0.1"))
    await until(lambda: bool(scene.worker.heard))


def sample(session: str = "s1", *, is_sync: bool = True) -> PublishSample:
    frame = Sample("source", 90_000, 90_000, b"frame", is_sync)
    return PublishSample(session, SampleMessage.from_sample(frame))


async def test_a_whip_publisher_takes_the_path_with_its_first_media_and_writes_to_it(
    scene: Scene,
) -> None:
    await let_in(scene)
    assert scene.worker.heard == [PublishAllowed("s1", 2.0)]
    assert scene.paths.publisher is None, "it displaces nobody before"
    scene.worker.say(TRACKS)
    scene.worker.say(sample())
    assert scene.paths.publisher is not None
    assert scene.paths.publication.tracks == [SOURCE]
    assert [one.data for one in scene.paths.publication.samples] == [b"frame"]
    scene.worker.say(PublishClosed("s1", "it said so"))
    scene.worker.say(sample())
    assert scene.paths.publication.closed == "it said so"
    assert len(scene.paths.publication.samples) == 1


async def test_a_whip_publisher_is_admitted_as_what_it_says_it_is(scene: Scene) -> None:
    scene.worker.say(PublishAsked("s1", "live/a", "right", "10.0.0.1", "backup"))
    scene.worker.say(PublishAsked("s2", "live/a", "right", "10.0.0.1", ""))
    await until(lambda: len(scene.worker.heard) == 2)
    assert scene.paths.roles == ["backup", None]


async def test_a_whip_session_that_never_sends_anything_leaves_nothing(scene: Scene) -> None:
    await let_in(scene)
    assert scene.paths.claims == 1
    scene.worker.say(PublishClosed("s1", "no connectivity check came"))
    scene.worker.say(TRACKS)
    assert (scene.paths.claims, scene.paths.publisher) == (0, None)


async def test_who_comes_too_late_where_nobody_may_take_over_is_told(scene: Scene) -> None:
    await let_in(scene)
    scene.paths.refusal = "live/a has a publisher already"
    scene.worker.say(TRACKS)
    scene.worker.say(sample())
    assert scene.worker.heard[1:] == [PublishClosed("s1", "live/a has a publisher already")]
    assert scene.paths.publication.samples == []


async def test_a_whip_publisher_is_told_where_its_key_frames_are_in_media_time(
    scene: Scene,
) -> None:
    await let_in(scene)
    scene.worker.say(TRACKS)
    scene.worker.say(sample())  # somebody else is on air
    for offset, is_sync in ((500, False), (500, True), (550, True), (700, True)):
        scene.paths.publication.offset = offset
        scene.worker.say(sample(is_sync=is_sync))
    assert scene.worker.heard[1:] == [PublishPlaced("s1", 500), PublishPlaced("s1", 700)]


async def test_the_session_of_a_whip_publisher_is_found_by_what_the_api_calls_it(
    scene: Scene,
) -> None:
    await let_in(scene)
    assert scene.webrtc.full_session("live/a", "whip-1") is None, "it has no path yet"
    scene.worker.say(TRACKS)
    assert scene.webrtc.full_session("live/a", "whip-1") == "s1"
    assert scene.webrtc.full_session("live/b", "whip-1") is None


async def test_a_wrong_key_is_refused_with_the_reason(scene: Scene) -> None:
    scene.worker.say(PublishAsked("s1", "live/a", "wrong", "10.0.0.1"))
    await until(lambda: bool(scene.worker.heard))
    assert scene.worker.heard == [PublishRefused("s1", 403, "wrong key")]


async def test_a_publisher_whose_path_is_taken_over_is_told(scene: Scene) -> None:
    await let_in(scene)
    scene.worker.say(TRACKS)
    assert scene.paths.publisher is not None
    scene.paths.publisher.close("", "taken over")
    assert scene.worker.heard[-1] == PublishClosed("s1", "taken over")


async def test_publications_end_with_the_process(scene: Scene) -> None:
    await let_in(scene)
    scene.worker.say(TRACKS)
    scene.worker.die(WorkerExit(-9, "signal 9", 1.0, 0.1))
    assert scene.paths.publication.closed == "signal 9"


async def test_what_a_viewer_says_is_sent_as_a_viewers_and_a_refusal_comes_back(
    scene: Scene,
) -> None:
    scene.worker.say(ViewerSaid("s1", "live/a", "hi", "Ann"))
    scene.worker.say(ViewerSaid("s1", "live/b", "hi", "Ann"))
    assert scene.said == [SendMessage("live/a", "chat", text="hi", sender="Ann", by_viewer=True)]
    assert scene.worker.heard == [SaidRefused("s1", 403, "viewers may not send chat to it")]
