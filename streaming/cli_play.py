"""`headwater play`: views a WebRTC stream without a screen and says how it was."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from streaming.cli_output import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    JsonOption,
    fail,
    interruptible,
    out,
    print_json,
)
from streaming.errors import RemoteError

if TYPE_CHECKING:
    from streaming.play import PlayReport


def play(
    whep: Annotated[
        str, typer.Option("--whep", help="Such as http://127.0.0.1:8080/demo/whep", metavar="URL")
    ],
    seconds: Annotated[
        float, typer.Option("--seconds", "-t", min=0.5, max=86_400, help="For how long.")
    ] = 10.0,
    key: Annotated[
        str, typer.Option("--key", help="Sent as a bearer token.", envvar="HEADWATER_KEY")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """View a WebRTC stream (WHEP) without a screen: bitrate, loss, freezes, latency.

    The latency is that of the built-in test source's time code, where the picture has one.

    Exit status: 0 a picture or sound came, 1 nothing did, 3 the server refused, 130 interrupted.
    """
    # Here, because importing aiortc takes longer than all other commands.
    from streaming.play import play_whep

    try:
        with interruptible():
            report = asyncio.run(play_whep(whep, seconds, key))
    except RemoteError as error:
        fail(str(error), EXIT_REFUSED if error.http_status else EXIT_FAILED)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(asdict(report), indent=2)
    else:
        print_report(report)
    if not report.frames and not report.sound_s:
        fail("nothing came")


def print_report(report: PlayReport) -> None:
    """One line for each fact."""
    table = Table.grid(padding=(0, 2))
    first = f"after {report.first_picture_s:.2f} s" if report.first_picture_s else "none"
    table.add_row("first picture", first)
    table.add_row("picture", f"{report.width}x{report.height}, {report.frames} frames")
    table.add_row("sound", f"{report.sound_s:.1f} s")
    table.add_row("bit rate", f"{report.bitrate / 1000:.0f} kb/s")
    share = report.lost / max(1, report.packets + report.lost)
    table.add_row("packets", f"{report.packets}, {report.lost} lost ({100 * share:.2f} %)")
    table.add_row("freezes", f"{report.freezes}, {report.frozen_s:.1f} s in all")
    if report.latency_p50_s is not None and report.latency_p95_s is not None:
        middle, most = 1000 * report.latency_p50_s, 1000 * report.latency_p95_s
        table.add_row("latency", f"{middle:.0f} ms, 95 % within {most:.0f} ms")
    out.print(table)
