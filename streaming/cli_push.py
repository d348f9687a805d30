"""`headwater push SOURCE TARGET`: what it prints, and what its exit status means."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from segmenter.errors import SegmenterError
from segmenter.media import MediaType, Track
from streaming.cli_output import (
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    EXIT_USAGE,
    JsonOption,
    err,
    fail,
    interruptible,
    print_json,
)
from streaming.errors import ConfigError, RemoteError

if TYPE_CHECKING:
    from streaming.push_progress import PushListener, PushProgress

JSON_EVERY_S = 1.0

Source = Annotated[
    str, typer.Argument(help='A file, a URL, or "test:" for the built-in test source.')
]
Target = Annotated[
    str, typer.Argument(help="rtmp://host/app/name, rtmps://, or http(s)://host/name/whip.")
]
Whip = Annotated[
    str, typer.Option("--whip", help="The target, where it is a WHIP endpoint.", metavar="URL")
]
Loop = Annotated[bool, typer.Option("--loop", "-l", help="Begin a file again when it ends.")]
Fast = Annotated[
    bool, typer.Option("--fast", help="As fast as the server takes it, not in real time.")
]
Reconnect = Annotated[
    bool, typer.Option("--reconnect", "-r", help="Connect again when the connection is lost.")
]
Seconds = Annotated[
    float, typer.Option("--seconds", "-t", min=0, help="Stop after so much; 0: never.")
]


def push(
    source: Source,
    target: Target = "",
    whip: Whip = "",
    loop: Loop = False,
    fast: Fast = False,
    reconnect: Reconnect = False,
    seconds: Seconds = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Push a file, a stream or the test source to an RTMP or WHIP server, in real time.

    WHIP takes H.264 without B-frames; sound becomes Opus.

    Exit status: 0 the source has ended, 1 source or connection failed, 2 an impossible source or
    target, 3 the server refused, 130 interrupted.
    """
    # Here, because importing FFmpeg takes longer than all other commands.
    import av

    from streaming.push import push as run
    from streaming.push import shown_target

    target = _one_target(target, whip)
    av.logging.set_level(None)
    view = _JsonView() if as_json else _BarView(f"{source} → {shown_target(target)}")
    with _exits_by(view):
        end = run(
            source,
            target,
            loop=loop,
            realtime=not fast,
            reconnect=reconnect,
            seconds=seconds,
            listener=view.listener(),
        )
    view.end("ended", end)


@contextlib.contextmanager
def _exits_by(view: _View) -> Iterator[None]:
    """The view runs, and what ends the push early is told by it and by the exit status."""
    from streaming.push_rtmp import PushRefused

    try:
        with interruptible(), view:
            yield
    except ConfigError as error:
        view.fail(str(error), EXIT_USAGE)
    except PushRefused as error:
        view.fail(str(error), EXIT_REFUSED)
    except (RemoteError, SegmenterError) as error:
        view.fail(str(error))
    except KeyboardInterrupt:
        view.end("interrupted", view.latest)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _one_target(target: str, whip: str) -> str:
    if bool(target) == bool(whip):
        fail("one target is needed: rtmp://host/app/name, or --whip URL", EXIT_USAGE)
    if whip and not whip.startswith(("http://", "https://")):
        fail(f"--whip {whip}: not an http:// or https:// URL", EXIT_USAGE)
    return target or whip


class _View:
    """What a push tells the user; entered while it runs."""

    def __init__(self) -> None:
        self.latest: PushProgress | None = None

    def __enter__(self) -> _View:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def listener(self) -> PushListener:
        from streaming.push_progress import PushListener

        return PushListener(self._progress, self.tracks, self.note, self.length)

    def _progress(self, progress: PushProgress) -> None:
        self.latest = progress
        self.progress(progress)

    def progress(self, progress: PushProgress) -> None:
        raise NotImplementedError

    def tracks(self, tracks: Sequence[Track]) -> None:
        raise NotImplementedError

    def note(self, text: str) -> None:
        raise NotImplementedError

    def length(self, seconds: float) -> None:
        """How long one pass of the source is; not called when nobody knows."""

    def end(self, how: str, progress: PushProgress | None) -> None:
        raise NotImplementedError

    def fail(self, message: str, code: int = 1) -> None:
        fail(message, code)


class _JsonView(_View):
    """One object a line: tracks, notes, progress each second, the end."""

    def __init__(self) -> None:
        super().__init__()
        self._next_at = 0.0

    def progress(self, progress: PushProgress) -> None:
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + JSON_EVERY_S
            print_json({"event": "progress", **asdict(progress)})

    def tracks(self, tracks: Sequence[Track]) -> None:
        print_json({"event": "tracks", "tracks": [describe(track) for track in tracks]})

    def note(self, text: str) -> None:
        print_json({"event": "note", "text": text})

    def end(self, how: str, progress: PushProgress | None) -> None:
        print_json({"event": how, **(asdict(progress) if progress else {})})

    def fail(self, message: str, code: int = 1) -> None:
        print_json({"event": "failed", "reason": message})
        raise typer.Exit(code)


class _BarView(_View):
    """A progress bar and a last line, for people."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[told]}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=err,
            transient=True,
        )
        self._task = self._bar.add_task("push", total=None, told="connecting")

    def __enter__(self) -> _View:
        err.print(self._title, highlight=False, markup=False)
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def progress(self, progress: PushProgress) -> None:
        self._bar.update(self._task, completed=progress.media_s, told=tell(progress))

    def tracks(self, tracks: Sequence[Track]) -> None:
        for track in tracks:
            err.print(f"  {track.media_type.value}: {spoken(track)}", highlight=False, markup=False)

    def note(self, text: str) -> None:
        err.print(f"[yellow]note:[/] {text}", highlight=False)

    def length(self, seconds: float) -> None:
        self._bar.update(self._task, total=seconds)

    def end(self, how: str, progress: PushProgress | None) -> None:
        total = f": {tell(progress, total=True)}" if progress else ""
        err.print(f"{how}{total}", highlight=False)


def tell(progress: PushProgress, *, total: bool = False) -> str:
    """One line of numbers; the average bit rate for a `total`."""
    bitrate = progress.bitrate
    if total:
        bitrate = int(progress.bytes_sent * 8 / progress.media_s) if progress.media_s else 0
    minutes, seconds = divmod(progress.media_s, 60)
    parts = [
        f"{int(minutes):02}:{seconds:04.1f}",
        f"{bitrate / 1e6:.2f} Mb/s",
        f"{progress.frames} frames",
        f"lag {progress.lag_s * 1000:.0f} ms",
    ]
    if progress.reconnects:
        parts.append(f"{progress.reconnects} reconnects")
    return "  ".join(parts)


def describe(track: Track) -> dict[str, object]:
    """A track for programs."""
    common: dict[str, object] = {"type": track.media_type.value, "codec": track.codec.value}
    if track.media_type is MediaType.VIDEO:
        rate = round(float(track.frame_rate), 3)
        return common | {"width": track.width, "height": track.height, "frame_rate": rate}
    return common | {"sample_rate": track.sample_rate, "channels": track.channels}


def spoken(track: Track) -> str:
    """A track for people."""
    if track.media_type is MediaType.VIDEO:
        rate = f", {float(track.frame_rate):.5g} frames/s" if track.frame_rate else ""
        return f"{track.codec.value}, {track.width}x{track.height}{rate}"
    return f"{track.codec.value}, {track.sample_rate} Hz, {track.channels} channels"
