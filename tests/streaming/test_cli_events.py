"""`headwater events`: how events are printed."""

from __future__ import annotations

import pytest

from streaming.cli_events import print_event


def test_nobody_who_chats_commands_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    text = "hi\x1b]0;owned\x07 \x9b2J\r\nfake line [red]"
    event = {"ts": 1.7e9, "type": "chat", "path": "live/a", "data": {"text": text}}
    print_event(event, as_json=False)
    (line,) = capsys.readouterr().out.splitlines()
    assert r"text=hi\x1b]0;owned\x07 \x9b2J\x0d\x0afake line [red]" in line
