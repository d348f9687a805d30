"""`headwater` and `python -m streaming`: the command, begun by what must come before all else."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console command."""
    if sys.argv[1:2] == ["serve"]:
        from streaming.fork_server.fork_server import launch

        launch()  # while there is nothing here that a child must not have
    from streaming.cli import main as run

    run()


if __name__ == "__main__":
    main()
