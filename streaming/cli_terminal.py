"""Where commands print and what their exit status means; without the parser of command lines, which
the server does not need and which takes a sixth of a second."""

from __future__ import annotations

import os
from typing import Final

from rich.console import Console

EXIT_FAILED: Final = 1
"""The work was tried and failed."""
EXIT_USAGE: Final = 2
"""The command line or the configuration is wrong."""
EXIT_REFUSED: Final = 3
"""A server said no."""
EXIT_INTERRUPTED: Final = 130
"""Ctrl-C or SIGTERM; the number is the shells' convention."""
CONFIG_VARIABLE: Final = "HEADWATER_CONFIG"

out = Console()
err = Console(stderr=True)


def print_error(message: str) -> None:
    """One sentence on standard error."""
    err.print("[bold red]error:[/] ", end="")
    err.print(message, highlight=False, markup=False, soft_wrap=True)


def environment() -> dict[str, str]:
    """Of the configuration's variables those that are keys of it, and everything else."""
    ours = (CONFIG_VARIABLE, "HEADWATER_URL", "HEADWATER_TOKEN")
    return {name: value for name, value in os.environ.items() if name not in ours}
