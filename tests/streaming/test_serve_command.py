"""`headwater serve` and `headwater check`: what they say before anything is served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from streaming.cli import app
from streaming.cli_serve import banner
from streaming.config import Config
from streaming.config_example import render_example
from streaming.config_file import check_config, load_config
from streaming.config_paths import PathConfig


def shown(config: Config) -> list[str]:
    """The lines of the banner, without its frame."""
    console = Console(width=100)
    with console.capture() as capture:
        console.print(banner(config))
    return [line.strip("│╭╰ ") for line in capture.get().splitlines()]


def test_without_a_configuration_one_is_told_what_to_open_and_where_to_push() -> None:
    lines = shown(load_config(None, {}))
    assert "Open      http://127.0.0.1:8080/" in lines
    assert "Watch     http://127.0.0.1:8080/demo/" in lines
    assert "Push to   rtmp://127.0.0.1:1935/live  stream key foo" in lines
    assert "and watch http://127.0.0.1:8080/live/foo/" in lines
    assert "Ctrl-C stops." in lines


def test_what_listens_everywhere_is_opened_at_an_address_that_a_browser_takes() -> None:
    config = check_config(
        '[http]\nlisten = "0.0.0.0:9090"\n[rtmp]\nlisten = "[::]:1936"\ntls_listen = "[::1]:1937"\n'
        'tls_certificate = "a"\ntls_key = "b"\n',
        {},
    )
    said = "\n".join(shown(config))
    assert "http://127.0.0.1:9090/" in said
    assert "rtmp://127.0.0.1:1936/live" in said
    assert "rtmps://[::1]:1937/live" in said


def test_without_rtmp_and_with_tls_nothing_else_is_told() -> None:
    text = '[http]\ntls_certificate = "a"\ntls_key = "b"\n[rtmp]\nenabled = false\n'
    said = "\n".join(shown(check_config(text, {})))
    assert "https://127.0.0.1:8080/" in said
    assert "rtmp" not in said


def test_patterns_and_paths_without_a_source_are_nothing_to_watch() -> None:
    paths = {"live/*": PathConfig(), "cam": PathConfig(source="test:"), "a": PathConfig()}
    watch = [line for line in shown(Config(paths=paths)) if line.startswith("Watch")]
    assert watch == ["Watch     http://127.0.0.1:8080/cam/"]


def test_sources_beyond_the_first_are_counted() -> None:
    lines = shown(Config(paths={f"cam{n}": PathConfig(source="test:") for n in range(7)}))
    assert sum(line.startswith("Watch") for line in lines) == 4
    assert "and 3 more, all on the first page" in lines


# -- check -----------------------------------------------------------------------------------------


def check(tmp_path: Path, text: str, *options: str) -> Result:
    file = tmp_path / "headwater.toml"
    file.write_text(text)
    return CliRunner().invoke(app, ["check", str(file), *options])


def test_the_example_is_printed_as_it_is_shipped() -> None:
    done = CliRunner().invoke(app, ["check", "--example"])
    assert (done.exit_code, done.stdout) == (0, render_example())


def test_a_good_configuration_is_summed_up_in_a_line(tmp_path: Path) -> None:
    done = check(tmp_path, '[http]\nlisten = "127.0.0.1:81"\n[paths.a]\n[paths.b]\n')
    assert done.exit_code == 0
    assert "HTTP on 127.0.0.1:81, RTMP on 127.0.0.1:1935, 2 path tables" in done.stdout


def test_programs_get_the_effective_configuration_without_its_keys(tmp_path: Path) -> None:
    done = check(tmp_path, '[paths.a]\nwindow_s = 12\npublish_key = "planted"\n', "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["paths"]["a"]["window_s"] == 12
    assert told["rtmp"]["listen"] == "127.0.0.1:1935"
    assert "planted" not in done.output


def test_a_source_that_is_not_there_yet_is_a_warning(tmp_path: Path) -> None:
    done = check(tmp_path, '[paths.a]\nsource = "nowhere.mp4"\n', "--json")
    assert done.exit_code == 0
    assert 'paths."a".source: nowhere.mp4 does not exist' in done.stderr
    assert json.loads(done.stdout)["paths"]["a"]["source"] == "nowhere.mp4"


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('slate = "gone.png"', "slate: gone.png does not exist"),
        ('slate = "card"\nslate_audio = "gone.wav"', "slate_audio: gone.wav does not exist"),
        ('frame_hook = "no_such:draw"', "frame_hook: there is no module no_such here"),
        ('frame_hook = "json:dumps"\nladder = "copy"', "frame_hook: it is never called"),
        (
            'frame_hook = "json:dumps"\nladder = [{ name = "a", copy = true }]',
            "frame_hook: it is never called",
        ),
        (
            'ladder = [{ name = "a", codec = "av1", preset = "veryfast" }]',
            'ladder: rung "a" cannot be encoded in software: libsvtav1 with preset "veryfast": '
            "Invalid argument",
        ),
        (
            'ladder = [{ name = "a", codec = "vp9", b_frames = 2 }]',
            'ladder: rung "a": vp9 has no B-frames',
        ),
        (
            'ladder = [{ name = "a", profile = "hihg" }]',
            'rung "a" cannot be encoded in software: libx264 with profile "hihg"',
        ),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(tmp_path: Path, table: str, why: str) -> None:
    done = check(tmp_path, f"[paths.a]\n{table}\n")
    assert done.exit_code == 0
    assert f'paths."a".{why}' in done.stderr or why in done.stderr
    assert "avcodec_open2" not in done.stderr


@pytest.mark.parametrize(
    "table",
    [
        'frame_hook = "json:dumps"',
        'frame_hook = "json:dumps"\nladder = [{ name = "a", copy = true }, { name = "b" }]',
        'slate = "card"\nslate_audio = "tone"',
        'ladder = [{ name = "a", preset = "faster", profile = "high", codec = "h264" }]',
        'ladder = [{ name = "a", codec = "hevc", b_frames = 2 }, { name = "b", lookahead = 20 }]',
        'ladder = [{ name = "a", preset = "7", codec = "vp9" }, { name = "b", codec = "hevc" }]',
    ],
)
def test_what_can_be_meant_is_none(tmp_path: Path, table: str) -> None:
    assert check(tmp_path, f"[paths.a]\n{table}\n").stderr == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "[paths.a]\nsegment_duration_s = 1\npart_duration_s = 3\n",
            'paths."a": part_duration_s 3 is longer than segment_duration_s 1',
        ),
        (
            '[paths.a]\nladder = "none"\naudio = "none"\n',
            'paths."a": ladder = "none" and audio = "none" leave nothing',
        ),
        (
            '[http]\nlisten = "[::]:81"\n[rtmp]\nlisten = "[::]:81"\n',
            "rtmp.listen and http.listen are both [::]:81",
        ),
        ('[paths.a]\nsource = "gopher://x/y"\n', 'paths."a".source: cannot pull gopher://'),
        ('[paths.a]\nsource = "test:?widht=3"\n', "widht"),
        ("[paths.a]\nladder = []\n", "at least one rung"),
        ("[http]\nlisten = 8080\n", "http.listen"),
        ("[htp]\n", 'unknown key "htp"; did you mean "http"?'),
    ],
)
def test_what_cannot_be_served_is_status_2_and_a_sentence(
    tmp_path: Path, text: str, why: str
) -> None:
    done = check(tmp_path, text)
    assert done.exit_code == 2
    assert why in done.stderr
    assert "headwater.toml" in done.stderr
    assert "Traceback" not in done.output
