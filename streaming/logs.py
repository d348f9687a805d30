"""How the log is written: for people on a terminal, a line for each record elsewhere, or JSON.

Every process writes to the standard error that it shares with the main process.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

import msgspec

LogFormat: TypeAlias = Literal["human", "json"]

_VARIABLE: Final = "HEADWATER_LOG_FORMAT"
"""As the configuration key's own: by it a child knows before the first message to it."""


class JsonFormatter(logging.Formatter):
    """An object on a line for each record: ts, level, process, logger, message, exception."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """``ts`` is RFC 3339 in UTC; ``exception`` is there only where there was one."""
        moment = datetime.fromtimestamp(record.created, UTC)
        said = {
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": _text(record.getMessage()),
        }
        if record.exc_info:
            said["exception"] = _text(self.formatException(record.exc_info))
        return msgspec.json.encode(said).decode()


def _text(words: str) -> str:
    """As UTF-8 can hold it: names of files may have bytes that are none."""
    return words.encode("utf-8", "backslashreplace").decode()


def start_logging(
    process: str, level: str, log_format: LogFormat, terminal: logging.Handler | None
) -> None:
    """The main process's log; its children's follow it. ``terminal`` writes to one, if there is."""
    os.environ[_VARIABLE] = log_format
    _start(process, level.upper(), log_format, terminal if log_format == "human" else None)


def start_child_logging(process: str) -> None:
    """A child's log, whose level comes with its settings."""
    _start(process, logging.WARNING, os.environ.get(_VARIABLE, "human"), None)


def _start(
    process: str, level: int | str, log_format: str, handler: logging.Handler | None
) -> None:
    if handler is not None:
        handler.setFormatter(logging.Formatter("%(message)s", "[%X]"))
    else:
        handler = logging.StreamHandler()
        plain = logging.Formatter(f"%(asctime)s %(levelname)s {process}: %(message)s")
        handler.setFormatter(JsonFormatter(process) if log_format == "json" else plain)
    logging.basicConfig(level=level, handlers=[handler])
