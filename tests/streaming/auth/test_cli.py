"""`headwater key` and `headwater token`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streaming.auth.api_tokens import ApiToken, find_token
from streaming.auth.publish_keys import matching_hash
from streaming.auth.view_keys import access_rules
from streaming.auth.view_tokens import ViewTokens
from streaming.cli import app
from streaming.config_file import load_config
from streaming.duration import parse_duration_s
from tests.streaming.auth.tokens import EDDSA, public_pem

run = CliRunner().invoke


@pytest.fixture
def config(tmp_path: Path) -> Path:
    pem = tmp_path / "view.pem"
    pem.write_text(EDDSA.material)
    file = tmp_path / "headwater.toml"
    file.write_text(
        f'[view]\nissuer = "us"\nkeys = [{{ id = "ed", file = "{pem}" }}]\n'
        '[paths."live/*"]\nview = "token"\n'
    )
    return file


def test_a_new_key_fits_its_hash_and_no_two_are_the_same() -> None:
    made = [json.loads(run(app, ["key", "new", "--json"]).stdout) for _ in range(2)]
    assert made[0]["key"] != made[1]["key"]
    for one in made:
        assert matching_hash(one["key"], (one["hash"],)) == one["hash"]


def test_a_key_of_ones_own_is_read_from_standard_input() -> None:
    made = json.loads(run(app, ["key", "new", "--own", "--json"], input="my own\n").stdout)
    assert made["key"] == "my own"
    assert run(app, ["key", "new", "--own"], input="\n").exit_code == 1


def test_a_new_token_of_the_api_fits_its_line_of_the_configuration(tmp_path: Path) -> None:
    made = json.loads(run(app, ["token", "new", "--scope", "control", "--json"]).stdout)
    assert find_token((ApiToken("me", made["hash"], made["scope"]),), made["token"]) is not None
    new = ["token", "new", "--scope", "admin", "--name", "ops"]
    shown, line = run(app, new).stdout.splitlines()
    file = tmp_path / "headwater.toml"
    file.write_text(f"[api]\n{line}\n")
    (kept,) = access_rules(load_config(file, {})).api_tokens
    assert (kept.name, kept.scope) == ("ops", "admin")
    assert find_token((kept,), shown.removeprefix("token  ")) == kept
    assert shown.removeprefix("token  ") not in line
    assert run(app, ["token", "new", "--scope", "all"]).exit_code == 2


def test_a_minted_token_is_good_for_what_was_asked(config: Path) -> None:
    arguments = ["token", "mint", "-c", str(config), "--path", "live/*", "--path", "x", "--json"]
    made = json.loads(run(app, [*arguments, "--expires", "15m", "--ip", "10.0.0.0/8"]).stdout)
    now = time.time()
    judge = ViewTokens(access_rules(load_config(config, {})))
    grant = judge.verify(made["token"], now)
    assert grant.covers("live/foo")
    assert grant.covers("x")
    assert abs(grant.expires_utc - now - 900) < 60
    assert str(grant.network) == "10.0.0.0/8"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--path", "a", "--expires", "soon"], "no duration"),
        (["--path", "a", "--ip", "here"], "neither an address"),
        (["--path", "a", "--key", "other"], "no key 'other'"),
        (["--path", ""], "1 to 32 patterns"),
    ],
)
def test_what_cannot_be_minted_is_said(config: Path, options: list[str], told: str) -> None:
    result = run(app, ["token", "mint", "-c", str(config), *options])
    assert result.exit_code == 2
    assert told in result.output


def test_a_public_key_cannot_mint_and_check_takes_it(config: Path, tmp_path: Path) -> None:
    (tmp_path / "view.pem").write_text(public_pem(EDDSA))
    result = run(app, ["token", "mint", "-c", str(config), "--path", "a"])
    assert "cannot sign" in result.output
    assert run(app, ["check", "-c", str(config)]).exit_code == 0


def test_check_refuses_a_key_that_is_none(config: Path, tmp_path: Path) -> None:
    (tmp_path / "view.pem").write_text("planted-secret")
    result = run(app, ["check", "-c", str(config)])
    assert result.exit_code == 2
    assert "planted-secret" not in result.output


def test_durations() -> None:
    assert [parse_duration_s(text) for text in ("90s", "15m", "1h", "7d")] == [
        90, 900, 3_600, 604_800,
    ]  # fmt: skip
    for text in ("", "1", "0s", "-1h", "1.5h", "1w"):
        with pytest.raises(ValueError, match="no duration"):
            parse_duration_s(text)
