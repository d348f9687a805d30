"""The benchmarks run and measure; what they measure is not judged here."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench import clips
from bench.__main__ import main
from bench.figures import Aim, Figure, render_table
from bench.processes import read_stat
from bench.whep_crowd import Arrivals


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes the clip and is the peer")
def test_copy_packaging_is_measured_beside_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clips, "CACHE", tmp_path)
    assert main(["a", "--runs", "1", "--seconds", "4", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    whole = next(figure for figure in figures if "start included" in figure["name"])
    assert whole["ours_median"] > 0
    assert whole["peers_median"] > 0


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes the clip")
def test_requests_that_wait_are_measured_beside_bare_aiohttp(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["g", "--runs", "1", "--seconds", "3", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert len(figures) == 12
    assert all(figure["ours_median"] >= 0 for figure in figures)


RUNS_A_PROGRAM = """
import signal, time
from bench.processes import ended_by_signals, running
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it
with ended_by_signals(), running(["sleep", "60"]) as tree:
    print(tree.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_benchmark_that_is_told_to_end_says_so_and_ends_what_it_runs(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUNS_A_PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.decode().strip() == f"ended by {how.name}"
    assert not read_stat(pid)


def test_a_ratio_is_that_of_the_medians() -> None:
    figure = Figure("x", "x", "s", (9.0, 1.0, 2.0), "peer", (4.0, 100.0, 1.0), Aim(0.5))
    assert figure.ratio == 0.5
    assert figure.is_met


@pytest.mark.parametrize(
    ("aim", "is_met"),
    [
        (Aim(1.0), False),
        (Aim(2.0, "ours"), True),
        (Aim(-0.1, "difference", at_least=True), True),
        (Aim(0.1, "difference"), False),
        (Aim(2.0, at_least=True), True),
    ],
)
def test_an_aim_limits_ratio_difference_or_ours_alone(aim: Aim, is_met: bool) -> None:
    assert Figure("x", "x", "s", (2.0,), "peer", (1.0,), aim).is_met is is_met


def test_a_figure_without_a_peer_misses_no_aim_of_a_ratio() -> None:
    assert Figure("x", "x", "s", (2.0,), aim=Aim(1.0)).is_met is None


def test_a_table_has_a_row_for_each_figure() -> None:
    table = render_table([Figure("x", "one", "s", (2.0, 3.0)), Figure("y", "two", "s", (1.0,))])
    assert table.row_count == 2


def test_viewers_lateness_does_not_jump_where_rtp_timestamps_wrap() -> None:
    arrivals = Arrivals(90_000)
    for number in range(200):
        arrivals.take((2**32 - 900_000 + number * 9000) % 2**32, number / 10)
    assert arrivals.late_s(99) == pytest.approx(0.0, abs=1e-6)
