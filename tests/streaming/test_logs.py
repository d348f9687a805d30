"""How the log is written."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import pytest

from streaming.logs import JsonFormatter


def said(message: str, *arguments: object, **more: object) -> dict[str, str]:
    record = logging.LogRecord("streaming.path", logging.WARNING, "", 1, message, arguments, None)
    record.created = 1_795_735_753.2504
    record.__dict__.update(more)
    line = JsonFormatter("origin").format(record)
    assert "\n" not in line
    decoded: dict[str, str] = json.loads(line)
    return decoded


def test_a_record_in_json_is_one_object_on_one_line() -> None:
    assert said("path %s:\n%d", "live/foo", 3) == {
        "ts": "2026-11-26T23:29:13.250Z",
        "level": "warning",
        "process": "origin",
        "logger": "streaming.path",
        "message": "path live/foo:\n3",
    }


def test_an_exception_is_told_in_json() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        line = said("failed", exc_info=sys.exc_info())
    assert line["exception"].endswith("ValueError: odd")


def test_what_is_no_text_is_told_all_the_same() -> None:
    assert said("name %s", "a\udc80")["message"] == "name a\\udc80"


@pytest.mark.parametrize(
    ("log_format", "line"), [("json", '"process":"delivery"'), ("human", " WARNING delivery: late")]
)
def test_a_child_writes_as_the_main_process_does(log_format: str, line: str) -> None:
    program = (
        "import logging; from streaming.logs import start_child_logging as start;"
        "start('delivery'); logging.warning('late')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "HEADWATER_LOG_FORMAT": log_format},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert line in done.stderr
