"""Metadata and chat on data channels, before fakes."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from streaming.message_limits import MOST_CHAT_CHARS, VIEWER_BURST
from streaming.rtc.messages import PathMessage, SaidRefused, ViewerSaid
from streaming.rtc.talk import GATHER_S, MOST_TOLD_BYTES, Talk
from webrtc.errors import SessionNotFound
from webrtc.events import TextReceived


class FakeSession:
    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)


class FakeSignalling:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.sessions = {"s1": FakeSession()}

    def tell(self, stream: str, text: str) -> None:
        self.told.append((stream, text))

    def session(self, session_id: str) -> FakeSession:
        if session_id not in self.sessions:
            raise SessionNotFound("no such session")
        return self.sessions[session_id]


class Scene:
    def __init__(self) -> None:
        self.signalling = FakeSignalling()
        self.sent: list[Any] = []
        self.talk = Talk(cast(Any, self.signalling), self.sent.append)

    def hear(self, text: str, now: float = 100.0, session: str = "s1") -> None:
        self.talk.hear(TextReceived(session, "live/a", text), now)

    @property
    def answers(self) -> list[Any]:
        return [json.loads(text) for text in self.signalling.sessions["s1"].told]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_comes_together_is_told_together_and_each_path_its_own(scene: Scene) -> None:
    scene.talk.gather(PathMessage("live/a", b'{"n":1}'))
    scene.talk.gather(PathMessage("live/b", b'{"n":2}'))
    scene.talk.gather(PathMessage("live/a", b'{"n":3}'))
    scene.talk.handle_timer(100.0)
    assert scene.signalling.told == [("live/a", '[{"n":1},{"n":3}]'), ("live/b", '[{"n":2}]')]
    scene.talk.gather(PathMessage("live/a", b'{"n":4}'))
    scene.talk.handle_timer(100.0 + GATHER_S / 2)
    assert len(scene.signalling.told) == 2
    scene.talk.handle_timer(100.0 + GATHER_S)
    assert scene.signalling.told[2:] == [("live/a", '[{"n":4}]')]
    scene.talk.handle_timer(101.0)
    assert len(scene.signalling.told) == 3


def test_a_burst_is_told_in_messages_that_every_peer_takes(scene: Scene) -> None:
    bodies = [b'{"n":%d,"data":"%s"}' % (n, "ä".encode() * 2_000) for n in range(100)]
    for body in bodies:
        scene.talk.gather(PathMessage("live/a", body))
    for turn in range(9):
        scene.talk.handle_timer(100.0 + turn * GATHER_S)
        assert len(scene.signalling.told) == min(7, turn + 1)
    texts = [text for _, text in scene.signalling.told]
    assert max(len(text.encode()) for text in texts) <= MOST_TOLD_BYTES
    assert [event["n"] for text in texts for event in json.loads(text)] == list(range(100))


def test_a_line_of_chat_is_passed_on(scene: Scene) -> None:
    scene.hear('{"type":"chat","text":"hi","sender":"Ann"}')
    scene.hear('{"type":"chat","text":"again"}')
    assert scene.sent == [
        ViewerSaid("s1", "live/a", "hi", "Ann"),
        ViewerSaid("s1", "live/a", "again", ""),
    ]
    assert scene.answers == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hi",
        "[]",
        '{"type":"metadata","data":{}}',
        '{"type":"chat"}',
        '{"type":"chat","text":""}',
        '{"type":"chat","text":"hi","by":"control"}',
        json.dumps({"type": "chat", "text": "x" * (MOST_CHAT_CHARS + 1)}),
        "[" * 10_000,
        "\ud800",
    ],
    ids=["empty", "bare", "array", "metadata", "no text", "no letter", "more", "long", "deep",
         "surrogate"],
)  # fmt: skip
def test_what_is_no_line_of_chat_is_answered_and_goes_nowhere(scene: Scene, text: str) -> None:
    scene.hear(text)
    assert scene.sent == []
    assert [(one["type"], one["status"]) for one in scene.answers] == [("error", 400)]


def test_a_viewer_that_says_too_much_is_told_so_and_others_may_go_on(scene: Scene) -> None:
    for _ in range(int(VIEWER_BURST) + 1):
        scene.hear('{"type":"chat","text":"hi"}')
    assert len(scene.sent) == VIEWER_BURST
    assert scene.answers[0]["status"] == 429
    scene.hear('{"type":"chat","text":"hi"}', session="s2")
    assert len(scene.sent) == VIEWER_BURST + 1
    scene.hear('{"type":"chat","text":"hi"}', now=200.0)
    assert len(scene.sent) == VIEWER_BURST + 2


def test_who_is_not_understood_uses_up_what_it_may_say(scene: Scene) -> None:
    for _ in range(int(VIEWER_BURST)):
        scene.hear("hi")
    scene.hear('{"type":"chat","text":"hi"}')
    assert [one["status"] for one in scene.answers] == [400] * int(VIEWER_BURST) + [429]
    assert scene.sent == []


def test_a_refusal_of_the_path_reaches_the_viewer_if_it_is_still_there(scene: Scene) -> None:
    scene.talk.refuse(SaidRefused("s1", 403, "viewers may not send chat to live/a"))
    scene.talk.refuse(SaidRefused("s9", 403, "gone"))
    assert scene.answers == [
        {"type": "error", "status": 403, "detail": "viewers may not send chat to live/a"}
    ]
