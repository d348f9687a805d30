"""schemathesis against an API: whatever fits its own document, and whatever does not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest


async def find_nothing(document: str, token: str, folder: Path, options: Sequence[str]) -> None:
    """Fails with what was found; skips the test where there is no schemathesis."""
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        pytest.skip("no schemathesis here")
    config = folder / "schemathesis.toml"
    # Streams of events have no end, and those who wait for some would wait for a minute.
    config.write_text('[parameters]\n"query.wait" = 0\n')
    process = await asyncio.create_subprocess_exec(
        program,
        *("--config-file", config, "run", document),
        *("--header", f"Authorization: Bearer {token}", "--seed", "1"),
        *("--suppress-health-check", "all", "--no-color"),
        # Of what fits the schema some has to be refused: reserved words, keys that are not there.
        *("--exclude-checks", "positive_data_acceptance"),
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode("utf-8", "replace")[-6_000:]
