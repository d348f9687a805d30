"""`headwater send`."""

from __future__ import annotations

import pytest

from tests.streaming.commanded import CommandedOrigin

SENT = {"id": "1-2", "ts": 1.0, "media_time_ms": 1_800_000_000_500}


def test_metadata_and_chat_are_sent_and_when_they_are_is_told(commanded: CommandedOrigin) -> None:
    commanded.answers["POST /paths/live/a/metadata"] = SENT
    commanded.answers["POST /paths/live/a/chat"] = {**SENT, "media_time_ms": None}
    assert commanded.json("send", "live/a", "--metadata", '{"score": 3}') == SENT
    shown = commanded.run("send", "live/a", "--metadata", "{}").stdout
    assert shown == "sent 1-2 at 1800000000.500\n"
    shown = commanded.run("send", "live/a", "--chat", "hi", "--sender", "desk").stdout
    assert "nobody is on air" in shown
    assert commanded.asked[0] == ("POST", "/paths/live/a/metadata", {"data": {"score": 3}})
    assert commanded.asked[2] == ("POST", "/paths/live/a/chat", {"text": "hi", "sender": "desk"})


@pytest.mark.parametrize(
    "arguments", [[], ["--chat", "a", "--metadata", "{}"], ["--metadata", "{"], ["--metadata", "3"]]
)
def test_what_is_no_message_is_not_sent(commanded: CommandedOrigin, arguments: list[str]) -> None:
    assert commanded.run("send", "live/a", *arguments).exit_code == 2
    assert commanded.asked == []
