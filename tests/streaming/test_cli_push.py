"""What `headwater push` makes of its arguments."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from streaming import push
from streaming.cli import app
from streaming.push_progress import PushProgress

WHIP = "http://127.0.0.1:8080/live/foo/whip"
RTMP = "rtmp://127.0.0.1:1935/live/foo"


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Sources and targets, of which nothing is sent."""
    seen: list[tuple[str, str]] = []

    def take(source: str, target: str, **_: Any) -> PushProgress:
        seen.append((source, target))
        return PushProgress(0.0, 0, 0, 0, 0.0, 0)

    monkeypatch.setattr(push, "push", take)
    return seen


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["movie.mp4", RTMP], RTMP),
        (["movie.mp4", WHIP], WHIP),
        (["--whip", WHIP, "movie.mp4"], WHIP),
    ],
)
def test_a_whip_endpoint_is_a_target_or_an_option(
    pushed: list[tuple[str, str]], arguments: list[str], target: str
) -> None:
    assert CliRunner().invoke(app, ["push", "--json", *arguments]).exit_code == 0
    assert pushed == [("movie.mp4", target)]


@pytest.mark.parametrize(
    "arguments", [["movie.mp4"], ["movie.mp4", RTMP, "--whip", WHIP], ["movie.mp4", "--whip", RTMP]]
)
def test_one_target_is_needed(pushed: list[tuple[str, str]], arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["push", *arguments]).exit_code == 2
    assert pushed == []
