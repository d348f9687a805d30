"""deploy/headwater.service: systemd understands it, and its command line serves and ends well."""

from __future__ import annotations

import configparser
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.interop.edge_room import DEPLOY, substitute
from tests.interop.origin_process import READY_S, STOP_S, free_ports

pytestmark = pytest.mark.slow

UNIT = DEPLOY / "headwater.service"
PROGRAM = "/opt/headwater/bin/headwater"
MAX_EXPOSURE = 40
"""In tenths; systemd calls up to 4.9 medium, and most of Debian's own services have 9.6."""


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine: apt-get install systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=STOP_S)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(substitute(UNIT.read_text(), {PROGRAM: sys.executable}))
    verdict = analyze("verify", "--man=no", unit)
    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, "")


def test_the_unit_leaves_the_service_few_rights(tmp_path: Path) -> None:
    verdict = analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", UNIT)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_the_units_command_line_serves_until_systemd_ends_it(tmp_path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    http, rtmp = free_ports(2)
    (tmp_path / "headwater.toml").write_text(
        f'[http]\nlisten = "127.0.0.1:{http}"\n[rtmp]\nlisten = "127.0.0.1:{rtmp}"\n'
        '[webrtc]\nlisten = "127.0.0.1:0"\n'
    )
    line = unit["Service"]["ExecStart"].replace("%d", str(tmp_path))
    program, *arguments = shlex.split(line)
    assert program == PROGRAM
    script = "from streaming.__main__ import main; main()"
    name, _, value = unit["Service"]["Environment"].partition("=")
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, name: value.replace("%S", str(tmp_path))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_ready(process, f"http://127.0.0.1:{http}/readyz")
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_ready(process: subprocess.Popen[bytes], url: str) -> None:
    """Waits until `url` answers 200."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=READY_S):
            return
        time.sleep(0.05)
    raise AssertionError(f"not ready; exit status {process.poll()}")
