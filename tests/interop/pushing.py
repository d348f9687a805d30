"""`headwater push` of the built-in test source, as a program beside the test."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

SOURCE: Final = "test:?width=320&height=180&bitrate_kbps=400"
_SCRIPT: Final = "from streaming.__main__ import main; main()"


@contextlib.contextmanager
def pushing(target: str, source: str = SOURCE) -> Iterator[subprocess.Popen[bytes]]:
    """Pushes to an RTMP or WHIP URL until the end; what it says is in the process's `stderr`."""
    push = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, "push", source, target],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield push
    finally:
        push.kill()
        push.communicate()
