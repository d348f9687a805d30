"""A child for the tests of the fork server: says what it finds, and ends as it is told."""

from __future__ import annotations

import json
import os
import random
import signal
import ssl
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> int | str:
    link, how = int(arguments[0]), arguments[1]
    os.write(link, json.dumps(found()).encode() + b"\n")
    if how == "raise":
        raise ValueError("as told")
    if how == "hang":
        time.sleep(3600)
    if how == "wait":
        os.read(link, 1)
    return int(how) if how.isdigit() else how


def found() -> dict[str, object]:
    """What `python -m` would have given this process as well."""
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "argv": sys.argv[1:],
        "path": sys.path,
        "environment": dict(os.environ),
        "open": sorted(int(one) for one in os.listdir("/proc/self/fd") if is_open(one)),
        "stdin": os.readlink("/proc/self/fd/0"),
        "stdout": os.readlink("/proc/self/fd/1"),
        "tasks": len(os.listdir("/proc/self/task")),
        "command": Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").decode().split("\0"),
        "name": Path("/proc/self/comm").read_text().strip(),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "defaults": [
            signal.getsignal(one) is signal.SIG_DFL for one in (signal.SIGTERM, signal.SIGHUP)
        ],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "drawn": [random.random(), ssl.RAND_bytes(8).hex()],
        "imported": [name for name in ("av", "numpy", "aiohttp") if name in sys.modules],
    }


def is_open(descriptor: str) -> bool:
    """Not that of the listing itself."""
    return os.path.exists(f"/proc/self/fd/{descriptor}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
