"""`headwater probe SOURCE`: what it prints, and what its exit status means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from segmenter.errors import SegmenterError
from streaming.cli_output import (
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    JsonOption,
    fail,
    interruptible,
    out,
    print_json,
)
from streaming.errors import ConfigError, RemoteError
from streaming.worker_process import redact

if TYPE_CHECKING:
    from streaming.probe import ProbeReport, TrackReport


def probe(
    source: Annotated[str, typer.Argument(help="A file or a URL that FFmpeg can read.")],
    seconds: Annotated[
        float, typer.Option("--seconds", "-t", min=0.1, max=3600, help="How much to look at.")
    ] = 8.0,
    as_json: JsonOption = False,
) -> None:
    """Look into a source before it goes live: tracks, key frames, and what to change.

    Exit status: 0 it can be read, 1 it cannot, 2 an impossible address, 130 interrupted.
    """
    # Here, because importing FFmpeg takes longer than all other commands.
    import av

    from streaming.probe import probe as run
    from streaming.probe import to_builtins

    av.logging.set_level(None)
    try:
        with interruptible():
            report = run(source, seconds)
    except ConfigError as error:
        fail(redact(str(error)), EXIT_USAGE)
    except (RemoteError, SegmenterError) as error:
        fail(redact(str(error)))
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        print_json(to_builtins(report), indent=2)
    else:
        print_report(report)


def print_report(report: ProbeReport) -> None:
    """A table of tracks, then the advice."""
    table = Table("track", "codec", "format", "bit rate", "key frames", box=None, pad_edge=False)
    for track in report.tracks:
        table.add_row(
            track.name,
            f"{track.codec} [dim]{escape(track.codec_string)}[/]",
            _format(track),
            f"{track.bitrate / 1000:.0f} kb/s",
            _key_frames(track),
        )
    out.print(table)
    for sentence in report.advice:
        out.print(f"[yellow]•[/] {escape(sentence)}", highlight=False)


def _format(track: TrackReport) -> str:
    if track.kind == "video":
        frames = "B-frames" if track.reorders else "no B-frames"
        return f"{track.width}x{track.height} {track.frame_rate:g} fps, {frames}"
    return f"{track.sample_rate} Hz, {track.channels} channels"


def _key_frames(track: TrackReport) -> str:
    if track.kind != "video":
        return ""
    return f"{track.shortest_gop_s:g} to {track.longest_gop_s:g} s apart"
