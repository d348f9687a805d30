"""Runs the tests of the C extensions with them compiled for the sanitizers: `make check-native`.

`make fuzz-native` is tests/fuzz/native.py in their place.

Builds a copy of the packages with gcc's address and undefined behaviour sanitizers, which must be
loaded before Python; leaks are not looked for, since CPython itself keeps memory until exit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = ("segmenter", "streaming", "webrtc", "tests", "bench", "media-samples")
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -O1 -g"
TESTS = (
    "tests/segmenter/test_native.py",
    "tests/segmenter/test_batches.py",
    "tests/segmenter/fmp4/test_fragment_runs.py",
    "tests/streaming/ingest/test_flv_batches.py",
    "tests/streaming/ingest/test_flv.py",
    "tests/streaming/ingest/test_flv_changes.py",
    "tests/streaming/ingest/test_flv_hostile.py",
    "tests/streaming/ingest/rtmp/test_ordinary_media.py",
    "tests/webrtc/test_fanout.py",
    "tests/webrtc/test_fanout_checks.py",
    "tests/webrtc/test_fanout_order.py",
    "tests/webrtc/test_fanout_pace.py",
    "tests/webrtc/test_fanout_reports.py",
    "tests/webrtc/test_fanout_resending.py",
    "tests/webrtc/test_fanout_switches.py",
    "tests/webrtc/test_fanout_threads.py",
    "tests/webrtc/test_gso.py",
    "tests/webrtc/test_srtp.py",
    "tests/webrtc/test_twins.py",
)


def main(arguments: list[str]) -> int:
    """The exit status of what was run."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        for name in COPIED:
            ignored = shutil.ignore_patterns("*.so", "__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy / name)
        (copy / "headwater.example.toml").symlink_to(ROOT / "headwater.example.toml")
        (copy / "static").mkdir()
        environment = {**os.environ, "CFLAGS": FLAGS, "LDFLAGS": FLAGS}
        build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
        subprocess.run(build, cwd=copy, env=environment, check=True)
        asan = subprocess.run(
            ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
        ).stdout.strip()
        environment = {
            **os.environ,
            "LD_PRELOAD": asan,
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONMALLOC": "malloc",  # so that each object has bounds of its own
        }
        loaded = (
            "import segmenter._samples as samples, webrtc._fanout as fanout;"
            "print('sanitizing', samples.__file__, fanout.__file__)"
        )
        subprocess.run([sys.executable, "-c", loaded], cwd=copy, env=environment, check=True)
        run = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
        run += TESTS
        if arguments == ["fuzz"]:
            run = [sys.executable, "-m", "tests.fuzz.native"]
        return subprocess.run(run, cwd=copy, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
