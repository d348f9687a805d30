"""`headwater webhooks`."""

from __future__ import annotations

from typing import Any, Final

from tests.streaming.commanded import CommandedOrigin

WEBHOOK: Final[dict[str, Any]] = {
    "name": "mine", "url": "https://example.org/…", "disabled": True, "pending": 3,
    "delivered": 40, "failed_attempts": 5, "given_up": 1, "last_status": 410, "last_error": "",
}  # fmt: skip
ATTEMPT: Final[dict[str, Any]] = {
    "number": 9, "event": "5-1", "at_utc": 1_700_000_000.0, "attempt": 2, "status": 0,
    "error": "no answer within 20 s", "took_s": 20.0, "outcome": "retry",
}  # fmt: skip


def test_webhooks_are_listed_with_how_they_fare(commanded: CommandedOrigin) -> None:
    commanded.answers["GET /webhooks"] = {"webhooks": [WEBHOOK]}
    assert commanded.json("webhooks", "list") == {"webhooks": [WEBHOOK]}
    shown = commanded.run("webhooks", "list").stdout
    for text in ("mine", "disabled (410)", "40"):
        assert text in shown


def test_the_delivery_log_is_asked_for_as_wanted(commanded: CommandedOrigin) -> None:
    commanded.answers["GET /webhooks/mine/deliveries"] = {"deliveries": [ATTEMPT], "next": "9"}
    wanted = ["--limit", "1", "--event", "5-1", "--outcome", "given up", "--after", "12"]
    told = commanded.json("webhooks", "deliveries", "mine", *wanted)
    assert told["deliveries"] == [ATTEMPT]
    query = "limit=1&event=5-1&outcome=given+up&after=12"
    assert commanded.asked == [("GET", f"/webhooks/mine/deliveries?{query}", None)]
    shown = commanded.run("webhooks", "deliveries", "mine").stdout
    for text in ("5-1", "no answer within 20 s", "--after 9"):
        assert text in shown


def test_events_are_replayed_by_id(commanded: CommandedOrigin) -> None:
    commanded.answers["POST /webhooks/mine/replay"] = {"replayed": 2, "next": ""}
    told = commanded.json("webhooks", "replay", "mine", "--event", "5-1", "--event", "5-3")
    assert told == {"name": "mine", "replayed": 2}
    assert commanded.asked == [("POST", "/webhooks/mine/replay", {"events": ["5-1", "5-3"]})]


def test_a_long_range_is_replayed_piece_by_piece(commanded: CommandedOrigin) -> None:
    class Pieces(dict[str, Any]):
        """Another answer each time."""

        def get(self, key: str, default: Any = None) -> Any:
            return {"replayed": 1_000, "next": "5-1000" if len(commanded.asked) == 1 else ""}

    commanded.answers = Pieces()
    done = commanded.run("webhooks", "replay", "mine", "--after", "0", "--until", "5-2000")
    assert "2000 events" in done.stdout
    assert [body["after"] for _, _, body in commanded.asked] == ["0", "5-1000"]


def test_what_to_replay_is_said_in_one_way(commanded: CommandedOrigin) -> None:
    for words in ([], ["--event", "5-1", "--after", "0"]):
        assert commanded.run("webhooks", "replay", "mine", *words).exit_code == 2
    assert commanded.asked == []


def test_a_webhook_is_set_enabled_and_removed(commanded: CommandedOrigin) -> None:
    changes = {"changed": [], "deferred": [], "needs_restart": [], "webhooks": ["mine"]}
    commanded.answers = {
        "PUT /webhooks/mine": {"name": "mine", "secret": "whsec_new", "changes": changes},
        "POST /webhooks/mine/enable": {"name": "mine", "disabled": False},
        "DELETE /webhooks/mine": changes,
    }
    put = ["webhooks", "set", "mine", "https://example.org/x", "--type", "path.*", "--path", "a"]
    assert "whsec_new" in commanded.run(*put).stdout
    assert commanded.json("webhooks", "enable", "mine")["disabled"] is False
    assert "told again" in commanded.run("webhooks", "enable", "mine").stdout
    assert "mine" in commanded.run("webhooks", "remove", "mine").stdout
    assert commanded.asked[0] == ("PUT", "/webhooks/mine", {
        "url": "https://example.org/x", "types": ["path.*"], "paths": ["a"], "max_in_flight": 4,
        "allow_private": False,
    })  # fmt: skip
