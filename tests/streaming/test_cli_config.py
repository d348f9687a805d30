"""`headwater config`, `sources` and `settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from streaming.cli import app
from tests.streaming.commanded import CommandedOrigin

CHANGES: Final = {"changed": ["live/a"], "deferred": ["live/b"], "needs_restart": ["rtmp.listen"]}


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["config", "reload"], ("POST", "/config/reload", None)),
        (["sources", "remove", "live/a"], ("DELETE", "/sources/live/a", None)),
        (["settings", "forget", "live/a"], ("DELETE", "/settings/live/a", None)),
        (
            ["sources", "set", "live/a", "test:", "--on-demand", "--no-loop"],
            ("PUT", "/sources/live/a", {
                "source": "test:", "source_on_demand": True, "source_loop": False,
                "source_idle_s": 30.0,
            }),
        ),
        (
            ["settings", "set", "live/a", "ladder=copy", "window_s=20", "slate=", "view=token"],
            ("PATCH", "/settings/live/a", {
                "ladder": "copy", "window_s": 20, "slate": None, "view": "token",
            }),
        ),
        (
            ["settings", "set", "a", 'ladder=[{name = "720p", height = 720}]'],
            ("PATCH", "/settings/a", {"ladder": [{"name": "720p", "height": 720}]}),
        ),
    ],
)  # fmt: skip
def test_a_change_is_asked_for_and_what_came_of_it_is_told(
    commanded: CommandedOrigin,
    arguments: list[str],
    asked: tuple[str, str, Any],
) -> None:
    commanded.answers[f"{asked[0]} {asked[1]}"] = CHANGES
    assert commanded.json(*arguments) == CHANGES
    assert commanded.asked == [asked]
    shown = commanded.run(*arguments).stdout
    for what in ("live/a", "live/b", "rtmp.listen", "waits for a restart"):
        assert what in shown


def test_nothing_changed_is_said_so(commanded: CommandedOrigin) -> None:
    commanded.answers["POST /config/reload"] = {"changed": [], "deferred": [], "needs_restart": []}
    assert "nothing has changed" in commanded.run("config", "reload").stdout


def test_the_effective_configuration_is_a_table_or_json(commanded: CommandedOrigin) -> None:
    told = {"http": {"listen": "127.0.0.1:1"}, "paths": {"live/*": {"ladder": "copy"}}}
    commanded.answers["GET /config"] = told
    assert commanded.json("config", "effective") == told
    shown = commanded.run("config", "effective").stdout
    assert "http.listen" in shown
    assert 'paths."live/*".ladder' in shown


def test_a_file_is_validated_by_the_origin(commanded: CommandedOrigin, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text('name = "x"')
    commanded.answers["POST /config/validate"] = {"valid": True, "reason": ""}
    assert commanded.run("config", "validate", str(file)).exit_code == 0
    assert commanded.asked == [("POST", "/config/validate", {"toml": 'name = "x"'})]
    commanded.answers["POST /config/validate"] = {"valid": False, "reason": "no such key"}
    refused = commanded.run("config", "validate", str(file))
    assert refused.exit_code == 2
    assert "no such key" in refused.stderr
    assert commanded.run("config", "validate", str(tmp_path / "absent")).exit_code == 2


def test_sources_are_listed_with_who_set_them(commanded: CommandedOrigin) -> None:
    one = {"path": "cam", "source": "rtsp://***@h/x", "source_on_demand": True, "set_by_api": True}
    commanded.answers["GET /sources"] = {"sources": [one]}
    assert commanded.json("sources", "list") == {"sources": [one]}
    shown = commanded.run("sources", "list").stdout
    assert "while watched" in shown
    assert "API" in shown


def test_settings_of_a_path_are_shown(commanded: CommandedOrigin) -> None:
    told = {
        "path": "a", "table": "live/*", "set_by_api": {"window_s": 20},
        "effective": {"window_s": 20, "ladder": "copy"},
    }  # fmt: skip
    commanded.answers["GET /settings/a"] = told
    assert commanded.json("settings", "show", "a") == told
    assert "live/*" in commanded.run("settings", "show", "a").stdout


def test_a_refusal_is_told_with_its_reason(commanded: CommandedOrigin) -> None:
    done = commanded.run("sources", "remove", "other")
    assert done.exit_code == 3
    assert "not here" in done.stderr
    assert commanded.run("settings", "set", "a", "nonsense").exit_code == 2
    commanded.url = "http://127.0.0.1:9"
    assert commanded.run("config", "reload").exit_code == 1


def test_check_goes_by_both_names(tmp_path: Path) -> None:
    file = tmp_path / "headwater.toml"
    file.write_text("nme = 1")
    told = [
        CliRunner().invoke(app, [*words, str(file)])
        for words in (["check", "-c"], ["config", "check", "-c"], ["check"])
    ]
    assert [one.exit_code for one in told] == [2, 2, 2]
    assert told[0].stderr == told[1].stderr == told[2].stderr
