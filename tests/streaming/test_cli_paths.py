"""`headwater paths`, `sessions` and `kick`."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.streaming.commanded import CommandedOrigin

SESSION: Final[dict[str, Any]] = {
    "path": "live/a", "session": "rtmp-3", "protocol": "rtmp", "role": "publisher",
    "rank": "primary", "is_on_air": True, "remote": "10.0.0.1:5", "since_utc": 1.7e9,
    "received_bytes": 9,
}  # fmt: skip


def test_sessions_are_listed_page_by_page(commanded: CommandedOrigin) -> None:
    other = {**SESSION, "session": "01234567", "protocol": "whep", "role": "viewer", "rank": ""}
    commanded.answers = {
        "GET /sessions?limit=500&after=": {"sessions": [SESSION], "next": "live/a/rtmp-3"},
        "GET /sessions?limit=500&after=live/a/rtmp-3": {"sessions": [other]},
        "GET /sessions": {"sessions": [], "http_viewers": {"live/a": {"hls": 40, "dash": 2}}},
    }
    told = commanded.json("sessions")
    assert [one["session"] for one in told["sessions"]] == ["rtmp-3", "01234567"]
    assert told["http_viewers"] == {"live/a": {"hls": 40, "dash": 2}}
    shown = commanded.run("sessions").stdout
    for text in ("rtmp-3", "primary publisher, on air", "10.0.0.1:5", "40 by HLS, 2 by DASH"):
        assert text in shown


def test_brackets_of_an_address_are_shown(commanded: CommandedOrigin) -> None:
    session = {**SESSION, "remote": "[fd00::1]:5"}
    commanded.answers["GET /sessions"] = {"sessions": [session]}
    assert "[fd00::1]:5" in commanded.run("sessions").stdout


def test_sessions_are_asked_for_as_wanted(commanded: CommandedOrigin) -> None:
    commanded.answers["GET /sessions"] = {"sessions": [SESSION]}
    commanded.json("sessions", "--path", "live/a", "--protocol", "rtmp")
    query = "path=live%2Fa&protocol=rtmp&limit=500&after="
    assert commanded.asked == [("GET", f"/sessions?{query}", None)]


def test_a_viewing_token_is_made_by_a_running_origin(commanded: CommandedOrigin) -> None:
    commanded.answers["POST /tokens"] = {"token": "a.b.c", "expires_utc": 9, "prefix": "/t/a.b.c"}
    wish = ["token", "mint", "--path", "live/*", "--expires", "15m", "--ip", "10.0.0.0/8"]
    told = commanded.json(*wish)
    assert (told["token"], told["expires_utc"]) == ("a.b.c", 9)
    assert commanded.asked == [("POST", "/tokens", {
        "path": ["live/*"], "expires_s": 900, "ip": "10.0.0.0/8", "max_sessions": 0, "key": "",
    })]  # fmt: skip


def test_one_session_or_all_publishers_are_kicked(commanded: CommandedOrigin) -> None:
    commanded.answers = {
        "DELETE /sessions/live/a/rtmp-3": {"path": "live/a", "session": "rtmp-3"},
        "DELETE /publishers/live/a": {"path": "live/a", "state_version": 4},
    }
    assert commanded.json("kick", "live/a", "--session", "rtmp-3")["session"] == "rtmp-3"
    assert (
        "closed rtmp-3 of live/a" in commanded.run("kick", "live/a", "--session", "rtmp-3").stdout
    )
    assert commanded.json("kick", "live/a")["state_version"] == 4


PATH: Final[dict[str, Any]] = {
    "path": "live/a", "state": "live", "publisher": "rtmp", "ingest_bps": 4_200_000, "viewers": 7,
    "renditions": [{"name": "source"}, {"name": "360p"}], "details": {"state_version": 12},
}  # fmt: skip


def test_paths_are_listed_page_by_page_as_a_table_or_json(commanded: CommandedOrigin) -> None:
    later = {**PATH, "path": "live/[b]", "publisher": "", "renditions": [], "details": {}}
    commanded.answers = {
        "GET /paths?limit=500&after=": {"paths": [PATH], "next": "live/a"},
        "GET /paths?limit=500&after=live/a": {"paths": [later]},
    }
    assert commanded.json("paths") == {"paths": [PATH, later]}
    shown = commanded.run("paths").stdout
    for text in ("live/a", "rtmp", "4200", "7", "source, 360p", "12", "live/[b]"):
        assert text in shown


@pytest.mark.parametrize("by", ["option", "environment"])
@pytest.mark.parametrize(
    "words",
    [
        ["paths"], ["sessions"], ["kick", "a"], ["send", "a", "--chat", "x"], ["sources", "list"],
        ["settings", "show", "a"], ["config", "effective"], ["config", "reload"], ["events"],
        ["webhooks", "list"], ["token", "mint", "--path", "a"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_command_that_asks_an_origin_shows_its_token(
    commanded: CommandedOrigin, monkeypatch: pytest.MonkeyPatch, words: list[str], by: str
) -> None:
    monkeypatch.setenv("HEADWATER_TOKEN", "hw_x" if by == "environment" else "")
    commanded.run(*words, *(["--token", "hw_x"] if by == "option" else []))
    assert set(commanded.credentials) == {"Bearer hw_x"}
