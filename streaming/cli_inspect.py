"""The command `headwater inspect`: a file or a live address, what is in it and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from streaming.cli_output import EXIT_INTERRUPTED, JsonOption, err, fail, out, print_json
from streaming.inspect.latency import STAGES, LatencyReport
from streaming.inspect.report import (
    EXIT_UNREADABLE,
    Finding,
    Node,
    Report,
    Severity,
    UnreadableError,
)

FOLLOW_S = 10.0
"""Five segments of 2 s, or fifty parts of 200 ms."""
COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "blue"}


TargetArgument = Annotated[
    str, typer.Argument(help="An MP4, .m3u8 or .mpd file, or the http(s) URL of one.")
]
WatchOption = Annotated[
    float,
    typer.Option(
        "--watch",
        "-w",
        min=0.0,
        max=86_400.0,
        metavar="SECONDS",
        help="Reload a live playlist or MPD for so long, as a player does.",
    ),
]
LatencyOption = Annotated[
    bool,
    typer.Option(
        "--latency",
        "-l",
        help=f"Measure how late a live URL is, for {FOLLOW_S:g} s or --watch.",
    ),
]


def inspect(
    target: TargetArgument,
    watch: WatchOption = 0.0,
    latency: LatencyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look into a stream from outside, and hold it against the rules of HLS, DASH and CMAF.

    Exit status: 0 no errors (perhaps warnings), 1 errors, 2 nothing that can be inspected.
    """
    # The XML and HTTP of it are loaded only when they are wanted: other commands start sooner.
    from streaming.inspect.target import follow_url, inspect_target

    seconds = watch or (FOLLOW_S if latency else 0.0)
    shown = err.status(f"watching for {seconds:g} s") if seconds and not as_json else nullcontext()
    report: Report | LatencyReport
    try:
        with shown:
            report = follow_url(target, seconds) if latency else inspect_target(target, seconds)
    except UnreadableError as error:
        fail(str(error), EXIT_UNREADABLE)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(report.to_builtins(), indent=2)
    else:
        out.print(_shown(report), highlight=False)
    raise typer.Exit(report.exit_status)


def _shown(report: Report | LatencyReport) -> Group:
    if isinstance(report, LatencyReport):
        return _latency(report)
    return Group(_tree(report.tree), _findings(report))


def _latency(report: LatencyReport) -> Group:
    """A row for each stage, then what went wrong."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("seconds", "p50", "p95", "max", "count"):
        table.add_column(heading, justify="left" if heading == "seconds" else "right")
    for name, stage in report.stages.items():
        figures = (f"{value:.3f}" for value in (stage.p50_s, stage.p95_s, stage.max_s))
        table.add_row(f"{name}: {STAGES[name]}", *figures, str(stage.count))
    head = Text(f"{report.kind} {report.rendition} for {report.seconds:g} s\n")
    if "received" not in report.stages:
        return Group(head, *_troubles([*report.troubles, "nothing new has come"]))
    return Group(head, table, *_troubles(report.troubles))


def _troubles(sentences: Sequence[str]) -> list[Text]:
    return [Text(f"\n{sentence}", "red") for sentence in sentences]


def _tree(node: Node) -> Tree:
    tree = Tree(escape(node.label), guide_style="dim", highlight=False)
    for child in node.children:
        tree.add(_tree(child))
    return tree


def _findings(report: Report) -> Group:
    """Each rule once with what it demands, below it what breaks it and in how many places."""
    rules = dict.fromkeys(finding.rule for finding in report.findings)
    lines: list[Text | Table] = []
    for rule in rules:
        found = [finding for finding in report.findings if finding.rule == rule]
        lines += [Text(f"\n{rule}  {report.demand(found[0])}"), _breaches(found)]
    counts = {s: sum(f.severity is s for f in report.findings) for s in Severity}
    said = [f"{n} {s.value}{'' if n == 1 else 's'}" for s, n in counts.items() if n]
    end = Text("\n" + (", ".join(said) or "Nothing is wrong."))
    end.stylize("red" if report.errors else "green")
    return Group(*lines, end)


def _breaches(findings: Sequence[Finding]) -> Table:
    """The findings of one rule; what is said of several places is one row."""
    places: dict[tuple[Severity, str], list[str]] = {}
    for finding in findings:
        places.setdefault((finding.severity, finding.text), []).append(finding.where)
    table = Table.grid(padding=(0, 1))
    for (severity, text), where in places.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        name = Text(severity.value, COLOURS[severity])
        table.add_row("  ", name, Text(where[0] + more, "bold"), Text(text))
    return table
