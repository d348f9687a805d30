"""`headwater` and `python -m streaming`: the command, begun by what must come before all else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main() -> None:
    """Entry point of the console command."""
    if sys.argv[1:2] == ["serve"]:
        from streaming.fork_server.fork_server import launch

        launch()  # while there is nothing here that a child must not have
        files = plain_files(sys.argv[2:])
        if files is not None:
            sys.exit(_serve(files))
    from streaming.cli import main as run

    run()


def plain_files(arguments: Sequence[str]) -> list[Path] | None:
    """The configuration that is named, if any, where it is the only argument.

    None for all else, which is left to the parser of command lines: it imports for a sixth of a
    second.
    """
    match arguments:
        case []:
            named = os.environ.get("HEADWATER_CONFIG", "")
        case ["-c" | "--config", named] | [named] if named and not named.startswith("-"):
            pass
        case _:
            return None
    return [Path(named)] if named else []


def _serve(files: Sequence[Path]) -> int:
    from streaming.cli_serve import run_origin
    from streaming.cli_terminal import EXIT_INTERRUPTED

    try:
        return run_origin(files[0] if files else None)
    except KeyboardInterrupt:  # before the origin listens to signals
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    main()
