"""`headwater inspect` as a user and as a program sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streaming.cli import app

from .test_files import MEDIA


def write(folder: Path, text: str) -> str:
    file = folder / "index.m3u8"
    file.write_text(text)
    return str(file)


def test_a_good_file_is_shown_and_the_status_is_0(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["inspect", write(tmp_path, MEDIA)])
    assert result.exit_code == 0
    assert "101.m4s" in result.output


def test_a_broken_file_names_the_rule_and_the_status_is_1(tmp_path: Path) -> None:
    broken = MEDIA.replace("EXTINF:2.000,\n100", "EXTINF:2.600,\n100")
    result = CliRunner().invoke(app, ["inspect", write(tmp_path, broken)])
    assert result.exit_code == 1
    assert "EXTINF 2.6 rounds to more" in " ".join(result.output.split())
    assert "H21" in result.output


def test_json_says_the_same_to_programs(tmp_path: Path) -> None:
    broken = MEDIA.replace("#EXT-X-TARGETDURATION:2\n", "")
    result = CliRunner().invoke(app, ["inspect", "--json", write(tmp_path, broken)])
    report = json.loads(result.output)
    assert (result.exit_code, report["ok"]) == (1, False)
    rules = {finding["rule"]: finding for finding in report["findings"]}
    assert rules["H21"]["severity"] == "error"
    assert "TARGETDURATION" in rules["H21"]["demand"]


def test_markup_in_a_stream_is_shown_as_it_is(tmp_path: Path) -> None:
    odd = MEDIA.replace("101.m4s", "[bold]101[/bold].m4s")
    result = CliRunner().invoke(app, ["inspect", write(tmp_path, odd)])
    assert "[bold]101[/bold].m4s" in result.output


@pytest.mark.parametrize("target", ["nothing.m3u8", "http://127.0.0.1:1/index.m3u8"])
def test_what_is_not_there_gives_status_2_and_one_sentence(target: str) -> None:
    result = CliRunner().invoke(app, ["inspect", target])
    assert result.exit_code == 2
    assert "error:" in result.stderr
    assert len(result.stderr.splitlines()) == 1
