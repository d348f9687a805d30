"""Who publishes and views, listed and ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from streaming.command_messages import (
    CommandAnswer,
    EndSession,
    GetSession,
    ListSessions,
    SessionRecord,
)
from streaming.rtc.session_figures import StreamFigures, WebrtcFigures
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from streaming.session_commands import NoViewers, SessionCommands
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import Scene, request, scene  # noqa: F401

FIGURES = WebrtcFigures(
    0.02, 500_000, None, None, 1,
    [StreamFigures("video", "source", 500_000, 100, 3, 2, None, 0.01, 0.002)],
)  # fmt: skip


def record(path: str, session: str, protocol: str = "rtmp") -> SessionRecord:
    role: Any = "viewer" if protocol == "whep" else "publisher"
    return SessionRecord(path, session, protocol, role, "", True, "10.0.0.1:5", 5.0, 0)


class House:
    """Publishers and viewers as a test wants them."""

    def __init__(self) -> None:
        self.publishers = [
            record("b", "rtmp-1"),
            record("a", "rtmp-2"),
            record("a", "whip-10", "whip"),
        ]
        self.viewers = [record("a", "01234567", "whep"), record("c", "89abcdef", "whep")]
        self.ended: list[tuple[str, str]] = []
        self.signalled: list[SignalRequest] = []
        self.status = 200
        self.figures: dict[str, WebrtcFigures] = {}
        self.commands = SessionCommands(self, self, self._signal)

    def publisher_sessions(self) -> list[SessionRecord]:
        return self.publishers

    def viewer_sessions(self) -> list[SessionRecord]:
        return self.viewers

    def end_publisher(self, name: str, session: str) -> bool:
        self.ended.append((name, session))
        return any((one.path, one.session) == (name, session) for one in self.publishers)

    def full_session(self, path: str, shown: str) -> str | None:
        protocol = "whip" if shown.startswith("whip") else "whep"
        known = (*self.publishers, *self.viewers)
        return shown + "-secret" if record(path, shown, protocol) in known else None

    def _signal(self, asked: SignalRequest, answer: Callable[[SignalAnswer], None]) -> None:
        self.signalled.append(asked)
        text = "there is no such session"
        if asked.verb == "figures":
            text = msgspec.json.encode(self.figures).decode()
        answer(SignalAnswer(0, self.status, text))

    def list(self, command: ListSessions) -> tuple[list[str], str]:
        answers: list[CommandAnswer] = []
        self.commands.list(1, command, answers.append)
        (result,) = (one.result for one in answers)
        return [f"{one['path']}/{one['session']}" for one in result["sessions"]], result.get(
            "next", ""
        )

    def get(self, path: str, session: str) -> CommandAnswer:
        answers: list[CommandAnswer] = []
        self.commands.get(1, GetSession(path, session), answers.append)
        (answer,) = answers
        return answer

    def end(self, path: str, session: str) -> CommandAnswer:
        answers: list[CommandAnswer] = []
        self.commands.end(1, EndSession(path, session), answers.append)
        (answer,) = answers
        return answer


ALL = ["a/01234567", "a/rtmp-2", "a/whip-10", "b/rtmp-1", "c/89abcdef"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 99])
def test_sessions_come_in_order_a_page_at_a_time_and_each_once(limit: int) -> None:
    house, found, after = House(), list[str](), ""
    while True:
        page, after = house.list(ListSessions(limit, after))
        found += page
        assert len(page) <= limit
        if not after:
            break
    assert found == ALL


def test_sessions_of_a_path_or_a_protocol_are_found() -> None:
    house = House()
    assert house.list(ListSessions(9, path="a"))[0] == ALL[:3]
    assert house.list(ListSessions(9, protocol="whep"))[0] == [ALL[0], ALL[4]]
    assert house.list(ListSessions(9, path="a", protocol="rtmp"))[0] == [ALL[1]]


def test_webrtc_sessions_have_the_figures_of_their_peers() -> None:
    house = House()
    house.figures = {"whip-10-secret": FIGURES}
    answers: list[CommandAnswer] = []
    house.commands.list(1, ListSessions(9), answers.append)
    seen = {one["session"]: one["webrtc"] for one in answers[0].result["sessions"]}
    assert seen.pop("whip-10") == msgspec.to_builtins(FIGURES)
    assert seen == {"rtmp-1": None, "rtmp-2": None, "01234567": None, "89abcdef": None}
    (asked,) = house.signalled
    assert (asked.verb, "rtmp" in asked.body) == ("figures", False)
    assert "secret" not in str(answers)


def test_sessions_are_listed_without_figures_where_webrtc_does_not_answer() -> None:
    house = House()
    house.figures, house.status = {"whip-10-secret": FIGURES}, 503
    assert house.list(ListSessions(99))[0] == ALL
    assert house.get("a", "whip-10").result["webrtc"] is None


def test_one_session_is_told_as_it_is_listed() -> None:
    house = House()
    house.figures = {"01234567-secret": FIGURES}
    answer = house.get("a", "01234567")
    assert (answer.result["session"], answer.result["webrtc"]["rtt_s"]) == ("01234567", 0.02)
    assert house.get("a", "rtmp-2").result["protocol"] == "rtmp"
    assert house.get("b", "rtmp-2").status == 404


def test_a_publisher_is_closed_by_its_name_in_the_list() -> None:
    house = House()
    assert house.end("a", "rtmp-2").result == {"path": "a", "session": "rtmp-2"}
    assert house.signalled == []


def test_a_viewer_is_ended_by_what_is_shown_of_it_and_its_secret_is_not_told() -> None:
    house = House()
    answer = house.end("a", "01234567")
    assert house.signalled == [SignalRequest(0, "kick", "a", "01234567-secret")]
    assert (answer.status, "secret" in str(answer)) == (200, False)


def test_who_knows_the_whole_name_may_use_it() -> None:
    house = House()
    house.end("a", "01234567-secret")
    assert house.signalled[-1].session == "01234567-secret"


def test_what_is_not_there_cannot_be_ended() -> None:
    house = House()
    house.status = 404
    answer = house.end("a", "rtmp-9")
    assert (answer.status, answer.detail) == (404, "there is no such session")
    assert NoViewers().full_session("a", "x") is None


async def test_publishers_of_a_path_are_told_apart(scene: Scene) -> None:  # noqa: F811
    primary, backup = FakePublisher(), FakePublisher()
    await scene.registry.publish(request(), primary)
    await scene.registry.publish(request(role="backup"), backup)
    found = {one.rank: one for one in scene.registry.publisher_sessions()}
    assert {rank: one.session for rank, one in found.items()} == {
        "primary": "rtmp-1", "backup": "rtmp-2",
    }  # fmt: skip
    assert (found["primary"].is_on_air, found["backup"].is_on_air) == (True, False)
    assert found["backup"].remote == "10.0.0.1:5"
    assert scene.registry.end_publisher("live/a", "rtmp-2")
    assert (len(primary.closed), len(backup.closed)) == (0, 1)
    assert not scene.registry.end_publisher("live/a", "rtmp-2")
    assert not scene.registry.end_publisher("live/b", "rtmp-1")
    assert [one.session for one in scene.registry.publisher_sessions()] == ["rtmp-1"]
