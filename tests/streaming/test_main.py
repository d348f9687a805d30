"""`python -m streaming serve` finds its configuration as the parser of command lines does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streaming.__main__ import plain_files


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ([], []),
        (["a.toml"], [Path("a.toml")]),
        (["-c", "a.toml"], [Path("a.toml")]),
        (["--config", "a.toml"], [Path("a.toml")]),
    ],
)
def test_a_configuration_alone_needs_no_parser(
    arguments: list[str], files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWATER_CONFIG", "b.toml" if arguments else "")
    assert plain_files(arguments) == files


def test_without_an_argument_it_is_the_one_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADWATER_CONFIG", "b.toml")
    assert plain_files([]) == [Path("b.toml")]
    monkeypatch.delenv("HEADWATER_CONFIG")
    assert plain_files([]) == []


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["-c"], ["-c", "--help"], [""], ["a", "b"], ["--config=a"], ["-ca"]],
)
def test_all_else_is_the_parsers(arguments: list[str]) -> None:
    assert plain_files(arguments) is None


@pytest.mark.parametrize("arguments", [["-c"], ["--config="]])
def test_what_is_wrong_is_told_alike(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("[htp]\n")
    words = [*arguments, str(file)] if arguments == ["-c"] else [f"{arguments[0]}{file}"]
    done = subprocess.run(
        [sys.executable, "-m", "streaming", "serve", *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert 'unknown key "htp"; did you mean "http"?' in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
