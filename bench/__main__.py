"""`python -m bench [items] [--runs N] [--seconds S] [--json]`: measures, and prints one table."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console

from bench import (
    copy_packaging,
    events,
    http_delivery,
    joins,
    ladder,
    latency,
    live_packaging,
    low_latency,
    start_up,
    webrtc_sender,
    webrtc_whole,
)
from bench.figures import Figure, render_table
from bench.processes import BenchError, ended_by_signals

RUNS = 5


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One item of the list."""

    title: str
    measure: Callable[[int, int], list[Figure]]
    """Called with the number of runs and the seconds of each."""
    seconds: int
    """Of one run, when the command line says nothing."""


BENCHMARKS = {
    "a": Benchmark("copy packaging of a recording", copy_packaging.measure, 600),
    "b": Benchmark("15 live publishers over RTMP", live_packaging.measure, 10),
    "c": Benchmark("a ladder of four rungs", ladder.measure, 4),
    "d": Benchmark("playlists, parts and segments over HTTP", http_delivery.measure, 3),
    "e": Benchmark("from exec to a playable stream", start_up.measure, 40),
    "f": Benchmark("from capture to the screen", latency.measure, latency.DEFAULT_S),
    "g": Benchmark("requests that wait", low_latency.measure, 15),
    "h": Benchmark("followers of events", events.measure, 5),
    "j": Benchmark("joins by WHEP", joins.measure, 25),
    "w1": Benchmark("WebRTC senders alone", webrtc_sender.measure, 10),
    "w2": Benchmark("whole WebRTC servers", webrtc_whole.measure, 10),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen benchmarks; fails only when one cannot be run, never for a figure."""
    options = _parse(arguments)
    console = Console(stderr=True)
    figures: list[Figure] = []
    failed = False
    for letter in options.items or BENCHMARKS:
        benchmark = BENCHMARKS[letter]
        with ended_by_signals(), console.status(f"({letter}) {benchmark.title} …"):
            try:
                figures += benchmark.measure(options.runs, options.seconds or benchmark.seconds)
            except BenchError as error:
                console.print(f"[bold red]({letter})[/] {error}", highlight=False)
                failed = True
    if options.json:
        report = {"machine": _machine(), "figures": [figure.as_json() for figure in figures]}
        json.dump(report, sys.stdout, indent=2)
        print()
    else:
        width = None if sys.stdout.isatty() else 160
        Console(width=width).print(render_table(figures))
    return int(failed)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("items", nargs="*", choices=[*BENCHMARKS, []], help="default: all")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each measurement")
    parser.add_argument("--seconds", type=int, default=0, help="of each run")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser.parse_args(arguments)


def _machine() -> dict[str, str]:
    return {"system": platform.platform(), "python": platform.python_version()}


if __name__ == "__main__":
    sys.exit(main())
